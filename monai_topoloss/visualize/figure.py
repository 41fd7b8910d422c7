"""Figures for people: the overlay, what its colours mean, and what is worth a closer look."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from monai.config import NdarrayTensor
from monai.utils import optional_import
from numpy.typing import NDArray

from monai_topoloss._checks.options import check_int
from monai_topoloss.topology import label_components
from monai_topoloss.visualize._draw import MERGE, SPLIT, Colour, Mask, choose_scale
from monai_topoloss.visualize.overlay import Scene, draw_scene, make_scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_critical"]

_SIZE = 7.0  # inches that the overview is wide or high
_THINNEST = 2.0  # inches of the overview's other side
_SMALLEST_WINDOW = 32  # voxels that a close-up is wide and high
_NUMBER: dict[str, Any] = {"color": "white", "fontsize": 11, "fontweight": "bold"}


class _Window(NamedTuple):
    """A close-up: where it is, and the colour of what it shows."""

    rows: slice
    columns: slice
    colour: Colour


def plot_critical(
    prediction: NdarrayTensor,
    label: NdarrayTensor,
    image: NdarrayTensor | None = None,
    *,
    zooms: int = 4,
    title: str = "",
    connectivity: int | None = None,
    axis: int = 0,
    index: int | None = None,
    backend: str = "auto",
) -> Figure:
    """Make a figure of where a prediction splits and merges objects: overlay, close-ups, legend with numbers.

    Args:
        prediction: see `critical_overlay`.
        label: see `critical_overlay`.
        image: see `critical_overlay`.
        zooms: how many close-ups, of the largest splits and merges by turns.
        title: of the figure.
        connectivity: see `critical_overlay`.
        axis: see `critical_overlay`.
        index: see `critical_overlay`.
        backend: see `critical_overlay`.

    Returns:
        A `matplotlib.figure.Figure` that is not known to pyplot, and so needs no closing; ``savefig`` writes it.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: see `critical_overlay`.
        ValueError: see `critical_overlay`; or if ``zooms`` is negative.

    Example:
        >>> import numpy as np
        >>> label = np.zeros((16, 32), dtype=bool)
        >>> label[8, 2:-2] = True
        >>> prediction = label.copy()
        >>> prediction[8, 15] = False
        >>> figure = plot_critical(prediction, label)
        >>> type(figure).__name__
        'Figure'
    """
    make_figure, has_matplotlib = optional_import("matplotlib.figure", name="Figure")
    if not has_matplotlib:
        raise ImportError('Figures need matplotlib, which `pip install "monai-topoloss[visualize]"` installs.')
    check_int("zooms", zooms, minimum=0)
    scene = make_scene(prediction, label, image, connectivity=connectivity, axis=axis, index=index, backend=backend)
    windows = _find_windows(scene, zooms)
    height, width = scene.label.shape
    columns = -(-len(windows) // 2)
    tall, wide = (max(_THINNEST, _SIZE * min(1, a / max(1, b))) for a, b in ((height, width), (width, height)))
    figure: Figure = make_figure(figsize=(wide + columns * tall / 2, tall + 0.5), layout="constrained")
    grid = figure.add_gridspec(2, 1 + columns, width_ratios=[wide, *[tall / 2] * columns])
    overview = figure.add_subplot(grid[:, 0])
    _show(overview, scene, with_rings=True)
    for number, window in enumerate(windows):
        crop = scene.crop(window.rows, window.columns)
        close_up = figure.add_subplot(grid[number % 2, 1 + number // 2])
        _show(close_up, crop, with_rings=False)
        _connect(overview, close_up, window, str(number + 1))
    _add_legend(figure, scene)
    if title:
        figure.suptitle(title)
    return figure


def _show(axes: Axes, scene: Scene, *, with_rings: bool) -> None:
    """Show an overlay, in coordinates of voxels."""
    height, width = scene.label.shape
    canvas = draw_scene(scene, choose_scale(None, scene.label.shape), with_rings=with_rings)
    axes.imshow(canvas, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="antialiased")
    axes.set(xticks=[], yticks=[])


def _find_windows(scene: Scene, count: int) -> list[_Window]:
    """Choose the largest splits and merges by turns, each in a window of its own."""
    windows: list[_Window] = []
    for candidate in filter(None, chain(*zip_longest(_rank(scene.splits, SPLIT), _rank(scene.merges, MERGE)))):
        if len(windows) == count:
            break
        if not any(_is_within(candidate, window) for window in windows):
            windows.append(candidate)
    return windows


def _is_within(candidate: _Window, window: _Window) -> bool:
    """Whether the middle of a window is in another."""
    pairs = ((candidate.rows, window.rows), (candidate.columns, window.columns))
    return all(there.start <= (own.start + own.stop) / 2 < there.stop for own, there in pairs)


def _rank(mask: Mask, colour: Colour) -> list[_Window]:
    """Return windows around the components of a mask, the largest first."""
    labels = np.asarray(label_components(mask).labels)
    where = np.argwhere(labels)
    ids = labels[tuple(where.T)]
    order = np.argsort(ids, kind="stable")
    groups = np.split(where[order], np.flatnonzero(np.diff(ids[order])) + 1) if len(ids) else []
    return [_window_of(group, mask.shape, colour) for group in sorted(groups, key=len, reverse=True)]


def _window_of(voxels: NDArray[np.intp], shape: tuple[int, ...], colour: Colour) -> _Window:
    """Return a square window around the middle of a component, no larger than a third of the image."""
    extent = np.ptp(voxels, axis=0).max() + 1
    side = max(_SMALLEST_WINDOW, min(int(1.5 * extent), max(shape) // 3))
    middle = voxels[np.abs(voxels - voxels.mean(axis=0)).sum(axis=1).argmin()]  # of a ring, the centre is elsewhere
    starts = [max(0, min(int(place) - side // 2, length - side)) for place, length in zip(middle, shape, strict=True)]
    rows, columns = (slice(start, min(start + side, length)) for start, length in zip(starts, shape, strict=True))
    return _Window(rows, columns, colour)


def _connect(overview: Axes, close_up: Axes, window: _Window, number: str) -> None:
    """Give a close-up a number and the colour of what it shows, here and in the overview."""
    colour = _as_rgb(window.colour)
    for spine in close_up.spines.values():
        spine.set(color=colour, linewidth=2)
    close_up.text(0.03, 0.97, number, transform=close_up.transAxes, va="top", ha="left", **_NUMBER)
    x, y = window.columns.start - 0.5, window.rows.start - 0.5
    size = (window.columns.stop - window.columns.start, window.rows.stop - window.rows.start)
    rectangle, _ = optional_import("matplotlib.patches", name="Rectangle")
    overview.add_patch(rectangle((x, y), *size, fill=False, edgecolor="white", linewidth=1))
    overview.text(x, y, number, va="bottom", ha="left", **_NUMBER)


def _add_legend(figure: Figure, scene: Scene) -> None:
    """Say what the colours mean, and how many splits and merges there are."""
    patch, _ = optional_import("matplotlib.patches", name="Patch")
    line, _ = optional_import("matplotlib.lines", name="Line2D")
    (label, prediction, *critical) = scene.describe()
    entries = [line([], [], color=_as_rgb(colour), linewidth=3, label=text) for colour, text in (label, prediction)]
    entries += [patch(color=_as_rgb(colour), label=text) for colour, text in critical]
    figure.legend(handles=entries, loc="outside lower center", ncols=len(entries), frameon=False)


def _as_rgb(colour: Colour) -> tuple[float, ...]:
    return tuple(channel / 255 for channel in colour)
