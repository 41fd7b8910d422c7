"""Pictures of volumes in 3-D: surfaces that can be seen through, what broke in them, and skeletons."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from monai.config import NdarrayTensor
from numpy.typing import NDArray
from PIL import Image

from monai_topoloss._checks.options import KINDS, UNITS
from monai_topoloss._checks.pictures import check_camera, check_scene_path, check_size, check_unit, check_volume
from monai_topoloss._checks.tensors import check_tensor
from monai_topoloss.visualize._draw import LABEL, MERGE, PREDICTION, SKELETON, SPLIT, TUBE, WHITE, Colour, add_legend
from monai_topoloss.visualize._glb import write_glb
from monai_topoloss.visualize._objects import find_objects
from monai_topoloss.visualize._scale_bar import add_scale_bar
from monai_topoloss.visualize._stage import aim, load_pyvista, photograph, upright
from monai_topoloss.visualize._surfaces import Part, Space
from monai_topoloss.visualize._views import known_spacing
from monai_topoloss.visualize.overlay import describe, describe_skeleton, thin_and_thicken

__all__ = ["render_critical", "render_skeleton"]

_SIZE = (800, 800)
_AZIMUTH, _ELEVATION, _UP = -60.0, 30.0, 2
_LABEL_OPACITY, _PREDICTION_OPACITY, _HULL_OPACITY, _TUBE_OPACITY = 0.3, 0.25, 0.2, 0.35


class _Shot(NamedTuple):
    """How a volume is rendered, and what with; checked."""

    pyvista: Any
    size: tuple[int, int]
    camera: tuple[float, float, int]
    scale_bar: bool
    unit: str
    legend: bool
    path: Any


def render_critical(
    prediction: NdarrayTensor,
    label: NdarrayTensor,
    *,
    num_classes: int | None = None,
    connectivity: int | None = None,
    spacing: float | Sequence[float] | None = None,
    size: tuple[int, int] = _SIZE,
    azimuth: float = _AZIMUTH,
    elevation: float = _ELEVATION,
    up: int = _UP,
    scale_bar: bool = False,
    unit: str = "mm",
    legend: bool = False,
    path: str | os.PathLike[str] | None = None,
    backend: str = "auto",
) -> NDArray[np.uint8]:
    """Render where a prediction splits and merges objects of a volume, in 3-D.

    Surfaces of the label are green and those of the prediction yellow, both translucent. Mistakes that split objects
    are vermilion, those that merge them sky blue, both opaque; where they would hardly be seen they are balls. Surfaces
    are smooth, but what is one voxel thin stays whole. All is on white, in a frame as large as the volume, and without
    perspective: lengths across the picture are true.

    Nothing opens a window or needs a GPU. On Linux, VTK draws with the system's OpenGL: without a display that is in
    the packages ``libegl1`` and ``libx11-6`` of Debian and Ubuntu. A volume of 100^3 takes seconds. Axes with more than
    256 voxels are drawn in blocks of several: dense vessels of 500^3 took a minute and a half and 3 GB, and larger
    volumes hardly take more than finding what is critical there.

    Args:
        prediction: mask or map of objects' ids, ``(x, y, z)``; 0 is background. Ids that touch share a surface. A
            stack of slices, ``(z, y, x)``, is seen as in a mirror unless it is transposed.
        label: likewise and of the same shape.
        num_classes: ids are classes below this number, the background included, and no objects. Splits and merges are
            those of all classes.
        connectivity: see `monai_topoloss.topology.critical_components`.
        spacing: size of voxels along each axis, or of all. Default: as a MetaTensor's affine says, else the same along
            all axes.
        size: height and width of the picture in pixels, at most 4096.
        azimuth: from where to look, in degrees around the axis that points up.
        elevation: in degrees, from -90, straight from below, to 90, from above.
        up: the axis that points up.
        scale_bar: draw a bar of a round length, see `critical_overlay`.
        unit: name of the unit of ``spacing`` or the affine, for the scale bar.
        legend: add a strip below that says what the colours mean, and how many splits and merges there are.
        path: file to write to as well. ``.png`` is the picture. ``.glb`` is the scene, to turn and to zoom: binary
            glTF, with a mesh for each colour in units of ``spacing``; Blender, ParaView and PowerPoint open it, and
            viewers of glTF in a browser.
        backend: where to compute, ``"auto"`` follows the prediction.

    Returns:
        The picture, uint8 ``(height, width, 3)``; with a legend higher, and as wide as its text at least.

    Raises:
        ImportError: if PyVista is not installed.
        RuntimeError: if there is no OpenGL.
        TypeError: if an image is no tensor or array of real numbers, a number no number or int, ``size`` no pair,
            ``unit`` no str, or ``path`` no path.
        ValueError: if shapes or devices differ, the rank is not 3-D, there are no voxels, ids are negative, too high or
            no whole numbers, ``spacing`` is not positive, ``path`` has another ending, or ``size``, ``elevation``,
            ``up`` or ``connectivity`` is out of range.

    Example:
        >>> import numpy as np
        >>> line = np.zeros((9, 9, 30), dtype=bool)
        >>> line[3:6, 3:6] = True
        >>> broken = line.copy()
        >>> broken[:, :, 12:18] = False
        >>> render_critical(broken, line, size=(60, 40)).shape
        (60, 40, 3)
    """
    shot = _prepare(size, (azimuth, elevation, up), scale_bar, unit, legend, path)
    check_volume("prediction", check_tensor("prediction", prediction), "critical_overlay")
    objects = find_objects(
        prediction,
        label,
        num_classes=num_classes,
        edges=None,
        tolerance=0,
        spatial_dims=3,
        connectivity=connectivity,
        backend=backend,
    )
    known = known_spacing(spacing, 3, prediction, label)
    space = Space(shot.pyvista, objects.label.shape, known or (1.0,) * 3, connectivity)
    parts = [
        *space.surface_of("label", objects.label, LABEL, _LABEL_OPACITY, is_outer=False),
        *space.surface_of("prediction", objects.prediction, PREDICTION, _PREDICTION_OPACITY, is_outer=True),
        *space.blobs_of("splits", objects.splits, SPLIT),
        *space.blobs_of("merges", objects.merges, MERGE),
    ]
    return _render(shot, space, known is not None, parts, describe(objects))


def render_skeleton(
    label: NdarrayTensor,
    *,
    radius: float = 0,
    units: str = UNITS[0],
    kind: str = KINDS[0],
    prune: float | None = None,
    prune_factor: float | None = None,
    method: str | None = None,
    spacing: float | Sequence[float] | None = None,
    size: tuple[int, int] = _SIZE,
    azimuth: float = _AZIMUTH,
    elevation: float = _ELEVATION,
    up: int = _UP,
    scale_bar: bool = False,
    unit: str = "mm",
    legend: bool = False,
    path: str | os.PathLike[str] | None = None,
    backend: str = "auto",
) -> NDArray[np.uint8]:
    """Render the skeleton of a volume, and the tube around it, in 3-D.

    The surface of the label is green and that of the tube orange, both translucent. The skeleton is vermilion: its
    voxels are joined to their neighbours. See `render_critical` for what it needs.

    Args:
        label: mask or class ids, ``(x, y, z)``; 0 is background.
        radius: of the tube, in voxels or with ``units="mm"`` a length; 0 shows the bare skeleton.
        units: ``"mm"`` measures the radius in the units of ``spacing``, or of a MetaTensor's affine.
        kind: of skeleton, see `monai_topoloss.topology.skeletonize`.
        prune: how long end branches must be to stay, measured as the radius is, see there.
        prune_factor: how long they must be, times the radius of the mask there.
        method: thinning method, see there.
        spacing: see `render_critical`.
        size: see `render_critical`.
        azimuth: see `render_critical`.
        elevation: see `render_critical`.
        up: see `render_critical`.
        scale_bar: see `render_critical`.
        unit: see `render_critical`.
        legend: add a strip below that says what the colours mean.
        path: see `render_critical`.
        backend: where to compute, ``"auto"`` follows the label.

    Returns:
        The picture, see `render_critical`.

    Raises:
        ImportError: see `render_critical`.
        RuntimeError: see `render_critical`.
        TypeError: see `render_critical`.
        ValueError: see `render_critical`; or if ``radius`` or ``method`` is out of range, or the spacing is not known
            with ``units="mm"``.

    Example:
        >>> import numpy as np
        >>> bar = np.zeros((9, 9, 30), dtype=bool)
        >>> bar[2:7, 2:7, 2:28] = True
        >>> render_skeleton(bar, radius=1, size=(60, 40)).shape
        (60, 40, 3)
    """
    shot = _prepare(size, (azimuth, elevation, up), scale_bar, unit, legend, path)
    ids = check_tensor("label", label)
    check_volume("label", ids, "skeleton_overlay")
    known = known_spacing(spacing, 3, label)
    options: dict[str, Any] = {
        "kind": kind,
        "prune": prune,
        "prune_factor": prune_factor,
        "method": method,
        "spatial_dims": 3,
        "backend": backend,
    }
    skeleton, tube = thin_and_thicken(ids, radius, units, known, (label,), **options)
    space = Space(shot.pyvista, ids.shape, known or (1.0,) * 3)
    parts = [
        *space.surface_of("label", ids, LABEL, _HULL_OPACITY, is_outer=True),
        *(space.surface_of("tube", tube, TUBE, _TUBE_OPACITY, is_outer=False) if radius else []),
        *space.lines_of("skeleton", skeleton, SKELETON),
    ]
    return _render(shot, space, known is not None, parts, describe_skeleton(radius, units, unit))


def _prepare(size: Any, camera: tuple[Any, Any, Any], scale_bar: bool, unit: Any, legend: bool, path: Any) -> _Shot:
    """Check how to render, and load what renders."""
    check_unit(unit)
    checked = check_size(size), check_camera(*camera)
    return _Shot(load_pyvista(), *checked, scale_bar, unit, legend, check_scene_path(path))


def _render(
    shot: _Shot, space: Space, is_known: bool, parts: list[Part], meanings: Sequence[tuple[Colour, str]]
) -> NDArray[np.uint8]:
    """Return the picture of parts, and write it or them."""
    azimuth, elevation, up = shot.camera
    camera = aim(space.low, space.high, shot.size, azimuth=azimuth, elevation=elevation, up=up)
    picture = photograph(shot.pyvista, parts, space.low, space.high, camera, shot.size)
    if shot.scale_bar:
        picture = add_scale_bar(picture, camera.pixel, shot.unit if is_known else None, paper=WHITE)
    if shot.legend:
        picture = add_legend(picture, meanings, paper=WHITE)
    if shot.path is not None and shot.path.suffix.lower() == ".glb":
        write_glb(shot.path, parts, upright(up))
    elif shot.path is not None:
        Image.fromarray(picture).save(shot.path, format="PNG")
    return picture
