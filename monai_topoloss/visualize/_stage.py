"""Where meshes are lit and looked at, without a window."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from monai.utils import optional_import
from numpy.typing import NDArray
from PIL import Image

from monai_topoloss.visualize._draw import Canvas
from monai_topoloss.visualize._surfaces import Part

_MARGIN = 1.04  # how much more than the volume a picture shows
_FRAME = (190, 190, 190)  # of the volume
_OVERSAMPLING = 2  # which smooths edges
_NO_OPENGL = (  # where VTK would end the process
    "Pictures in 3-D need OpenGL and X11's library, also without a display, got none: Debian and Ubuntu have them in"
    " the packages `libegl1` and `libx11-6`."
)
_SKIN = {"ambient": 0.35, "diffuse": 0.75, "specular": 0.1}
_PEELS = 8  # layers of translucent surfaces


class Camera(NamedTuple):
    """From where to look, ``towards`` the middle, without perspective; and units that a pixel is wide."""

    middle: NDArray[np.float64]
    towards: NDArray[np.float64]
    upwards: NDArray[np.float64]
    pixel: float


def load_pyvista() -> Any:
    """Import PyVista, or say how to get it."""
    pyvista, has_pyvista = optional_import("pyvista")
    if not has_pyvista:
        raise ImportError('Pictures in 3-D need PyVista, which `pip install "monai-topoloss[visualize]"` installs.')
    return pyvista


def upright(up: int) -> NDArray[np.float64]:
    """Return the directions of two axes that lie, and of the one that points up; from the third, they turn left."""
    axes: NDArray[np.float64] = np.roll(np.eye(3), -1 - up, axis=0)
    return axes


def aim(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    size: tuple[int, int],
    *,
    azimuth: float,
    elevation: float,
    up: int,
) -> Camera:
    """Return a camera that sees all of a box."""
    axes = upright(up)
    round_, above = math.radians(azimuth), math.radians(elevation)
    flat = math.cos(round_) * axes[0] + math.sin(round_) * axes[1]
    towards = -(math.cos(above) * flat + math.sin(above) * axes[2])
    upwards = math.cos(above) * axes[2] - math.sin(above) * flat
    sides = high - low
    wide, tall = (float(np.abs(axis) @ sides) for axis in (np.cross(towards, upwards), upwards))
    height, width = size
    return Camera((low + high) / 2, towards, upwards, _MARGIN * max(wide / width, tall / height))


def photograph(
    pyvista: Any,
    parts: Sequence[Part],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    camera: Camera,
    size: tuple[int, int],
) -> Canvas:
    """Return a picture of parts in the box of the volume, on white."""
    height, width = size
    plotter = _open_plotter(pyvista, (width * _OVERSAMPLING, height * _OVERSAMPLING))
    try:
        plotter.set_background("white")
        plotter.render_window.SetMultiSamples(0)  # or peeling loses what is translucent
        plotter.renderer.SetUseDepthPeeling(1)
        plotter.renderer.SetMaximumNumberOfPeels(_PEELS)
        box = pyvista.Box(np.stack([low, high], axis=1).ravel())
        plotter.add_mesh(box, style="wireframe", color=_FRAME, line_width=_OVERSAMPLING, lighting=False)
        for _, mesh, colour, opacity in parts:
            plotter.add_mesh(mesh, color=colour, opacity=opacity, smooth_shading=True, **_SKIN)
        reach = 2 * float(np.linalg.norm(high - low))
        plotter.camera.position = camera.middle - reach * camera.towards
        plotter.camera.focal_point = camera.middle
        plotter.camera.up = camera.upwards
        plotter.camera.parallel_projection = True
        plotter.camera.parallel_scale = camera.pixel * height / 2
        plotter.renderer.reset_camera_clipping_range()
        picture = Image.fromarray(plotter.screenshot(return_img=True))
    finally:
        plotter.close()
    return np.array(picture.resize((width, height), Image.Resampling.BOX))


def _open_plotter(pyvista: Any, window_size: tuple[int, int]) -> Any:
    """Return a plotter without a window."""
    if sys.platform == "linux":
        try:
            ctypes.CDLL("libX11.so.6")
        except OSError as error:
            raise RuntimeError(_NO_OPENGL) from error
    with pyvista.vtk_verbosity("off"):  # it looks for a display first, and says that there is none
        plotter = pyvista.Plotter(
            off_screen=True, notebook=False, window_size=window_size, theme=pyvista.themes.DocumentTheme()
        )
        check_draws(plotter.render_window)
    return plotter


def check_draws(window: Any) -> None:
    """Check that something draws what is in a window, which may be the last kind that VTK tries."""
    if window.GetClassName() == "vtkOSOpenGLRenderWindow":
        window.Initialize()
        window.MakeCurrent()
        if not window.IsCurrent():
            raise RuntimeError(_NO_OPENGL)
