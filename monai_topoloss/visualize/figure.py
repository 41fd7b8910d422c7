"""Figures for people: overlays, what their colours mean, and what is worth a closer look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from monai.config import NdarrayTensor
from monai.utils import optional_import

from monai_topoloss._checks.options import check_int
from monai_topoloss._checks.pictures import check_has_voxels, check_unit
from monai_topoloss.visualize._draw import Colour, choose_scale
from monai_topoloss.visualize._objects import Objects, find_objects_of_classes
from monai_topoloss.visualize._scale_bar import choose_scale_bar
from monai_topoloss.visualize._views import Voxel, known_spacing, make_grey, views_of
from monai_topoloss.visualize._windows import Window, find_windows
from monai_topoloss.visualize.overlay import Scene, count, describe, draw_scene, make_scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

__all__ = ["plot_critical"]

_SIZE, _SIZE_OF_SEVERAL = 7.0, 4.5  # inches that overviews are wide or high, the only one or each of several
_THINNEST = 2.0  # inches of an overview's other side
_MARGIN = 0.5  # inches for legend and title
_NARROWEST, _ENTRY = 3.2, 1.5  # inches of the figure, and of an entry of its legend
_INSET = 0.03  # of an overview's width, between scale bar and edge
_TEXT = 0.2  # inches that a number is high and wide
_NUMBER: dict[str, Any] = {"color": "white", "fontsize": 11, "fontweight": "bold"}


class _Row(NamedTuple):
    """What a row of the figure shows: a class from each side, and close-ups."""

    objects: Objects
    scenes: list[Scene]
    windows: list[Window]


class _Layout(NamedTuple):
    """Where things go: inches that overviews are wide and a row is high, and the grid, two lines a row."""

    widths: list[float]
    height: float
    grid: GridSpec


def plot_critical(
    prediction: NdarrayTensor,
    label: NdarrayTensor,
    image: NdarrayTensor | None = None,
    *,
    num_classes: int | None = None,
    include_background: bool = False,
    edges: Sequence[Sequence[int]] | None = None,
    tolerance: int = 0,
    zooms: int = 4,
    title: str = "",
    connectivity: int | None = None,
    spatial_dims: int | None = None,
    spacing: float | Sequence[float] | None = None,
    axis: int | Sequence[int] | None = None,
    index: int | None = None,
    scale_bar: bool | None = None,
    unit: str = "mm",
    backend: str = "auto",
) -> Figure:
    """Make a figure of where a prediction splits and merges objects: overlays, close-ups, legend with numbers.

    Objects are the components of a mask, or instances, each with an id of its own. Classes get a row each: those of a
    class map with ``num_classes``, or the channels, one for each class, with ``spatial_dims``. A volume is shown as
    maximum along all three axes, side by side.

    Args:
        prediction: mask, map of objects' ids or class map, ``(*spatial)`` in 2-D or 3-D; or with ``spatial_dims``
            one-hot or with a mask for each class, ``(C, *spatial)``.
        label: likewise and of the same shape.
        image: see `critical_overlay`.
        num_classes: ids are classes below this number, the background included.
        include_background: whether channel 0 of several counts.
        edges: see `critical_overlay`: for instances that touch; with ``spatial_dims`` in one channel.
        tolerance: see `critical_overlay`.
        zooms: how many close-ups of each class, of the largest splits and merges by turns.
        title: of the figure.
        connectivity: see `critical_overlay`.
        spatial_dims: how many of the last axes are spatial, 2 or 3; one in front of them counts classes. Default: all
            axes are spatial.
        spacing: see `critical_overlay`.
        axis: along which a volume is looked at, one or several. Default: all three.
        index: which slice of a volume to show, with one ``axis``. Default: the maximum. Splits and merges are those of
            the whole volume.
        scale_bar: draw bars into the overviews, see `critical_overlay`. Default: where the size of voxels is known.
        unit: see `critical_overlay`.
        backend: see `critical_overlay`.

    Returns:
        A `matplotlib.figure.Figure` that is not known to pyplot, and so needs no closing; ``savefig`` writes it.

    Raises:
        ImportError: if matplotlib is not installed.
        TypeError: see `critical_overlay`.
        ValueError: see `critical_overlay`; or if ``zooms`` is negative, there is a batch, or there are channels with
            ``num_classes``.

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
    check_unit(unit)
    classes = find_objects_of_classes(
        prediction,
        label,
        num_classes=num_classes,
        include_background=include_background,
        edges=edges,
        tolerance=tolerance,
        spatial_dims=spatial_dims,
        connectivity=connectivity,
        backend=backend,
    )
    shape = tuple(classes[0].label.shape)
    check_has_voxels("prediction", shape)
    views = views_of(shape, axis, index)
    known = known_spacing(spacing, len(shape), prediction, label, image)
    sizes = known or (1.0,) * len(shape)
    greys = [make_grey(image, shape, view) for view in views]
    rows = [
        _Row(
            objects,
            [make_scene(objects, grey, view) for grey, view in zip(greys, views, strict=True)],
            find_windows(objects, views, sizes, zooms),
        )
        for objects in classes
    ]
    figure: Figure = make_figure(layout="constrained")
    voxels = [view.across(sizes) for view in views]
    layout = _lay_out(figure, rows, voxels)
    for number, row in enumerate(rows):
        overviews = _draw_row(figure, layout, number, row, voxels)
        if scale_bar or (scale_bar is None and known):
            for axes, scene, voxel in zip(overviews, row.scenes, voxels, strict=True):
                _add_scale_bar(axes, scene.label.shape[1], voxel, unit if known else None)
    for axes, view in zip(figure.axes, views, strict=False):  # of the first row
        axes.set_title(view.describe(), fontsize="medium")
    _add_legend(figure, rows)
    if title:
        figure.suptitle(title, wrap=True)
    return figure


def _lay_out(figure: Figure, rows: list[_Row], voxels: list[Voxel]) -> _Layout:
    """Give the figure its size and its grid: all overviews on one scale, close-ups in two lines beside them."""
    sides = [
        tuple(max(1, length) * size for length, size in zip(scene.label.shape, voxel, strict=True))
        for scene, voxel in zip(rows[0].scenes, voxels, strict=True)
    ]
    scale = (_SIZE if len(rows) == len(voxels) == 1 else _SIZE_OF_SEVERAL) / max(map(max, sides))
    widths = [max(_THINNEST, width * scale) for _, width in sides]
    height = max(_THINNEST, *(height * scale for height, _ in sides))
    columns = max(-(-len(row.windows) // 2) for row in rows)
    width = max(_NARROWEST, sum(widths) + columns * height / 2)
    figure.set_size_inches(width, len(rows) * height + _MARGIN)
    grid = figure.add_gridspec(2 * len(rows), len(widths) + columns, width_ratios=[*widths, *[height / 2] * columns])
    return _Layout(widths, height, grid)


def _draw_row(figure: Figure, layout: _Layout, number: int, row: _Row, voxels: list[Voxel]) -> list[Axes]:
    """Draw a class: overviews, which are returned, and close-ups of what they show."""
    top, left = 2 * number, len(row.scenes)
    overviews = []
    for column, (scene, voxel) in enumerate(zip(row.scenes, voxels, strict=True)):
        axes = figure.add_subplot(layout.grid[top : top + 2, column])
        _show(axes, scene, voxel, with_rings=True)
        overviews.append(axes)
    if row.objects.name:
        numbers = f"{count('split', row.objects.n_splits)}, {count('merge', row.objects.n_merges)}"
        overviews[0].set_ylabel(f"{row.objects.name}\n{numbers}")
    for place, window in enumerate(row.windows):
        close_up = figure.add_subplot(layout.grid[top + place % 2, left + place // 2])
        scene, voxel = row.scenes[window.view], voxels[window.view]
        _show(close_up, scene.crop(window.rows, window.columns), voxel, with_rings=False)
        per_inch = max(
            scene.label.shape[1] / layout.widths[window.view],
            scene.label.shape[0] * voxel[0] / voxel[1] / layout.height,
        )
        text = (_TEXT * per_inch * voxel[1] / voxel[0], _TEXT * per_inch)  # its size in voxels
        _connect(overviews[window.view], close_up, window, str(place + 1), scene.label.shape, text)
    return overviews


def _show(axes: Axes, scene: Scene, voxel: Voxel, *, with_rings: bool) -> None:
    """Show an overlay, in coordinates of voxels."""
    height, width = scene.label.shape
    canvas = draw_scene(scene, choose_scale(None, scene.label.shape, voxel), with_rings=with_rings)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(canvas, extent=extent, interpolation="antialiased", aspect=voxel[0] / voxel[1])
    axes.set(xticks=[], yticks=[])


def _connect(
    overview: Axes, close_up: Axes, window: Window, number: str, shape: tuple[int, ...], text: tuple[float, float]
) -> None:
    """Give a close-up a number and the colour of what it shows, here and in the overview, where the text has room."""
    colour = _as_rgb(window.colour)
    for spine in close_up.spines.values():
        spine.set(color=colour, linewidth=2)
    stroke, _ = optional_import("matplotlib.patheffects", name="withStroke")
    style = {**_NUMBER, "path_effects": [stroke(linewidth=2.5, foreground="black")]}
    close_up.text(0.03, 0.97, number, transform=close_up.transAxes, va="top", ha="left", **style)
    rectangle, _ = optional_import("matplotlib.patches", name="Rectangle")
    rows, columns = window.rows, window.columns
    size = (columns.stop - columns.start, rows.stop - rows.start)
    overview.add_patch(rectangle((columns.start - 0.5, rows.start - 0.5), *size, fill=False, edgecolor="white"))
    height, width = shape
    if rows.start > text[0]:
        y, va = rows.start - 0.5, "bottom"  # above the window
    elif height - rows.stop > text[0]:
        y, va = rows.stop - 0.5, "top"  # below it
    else:
        y, va = rows.start - 0.5, "top"  # inside
    x, ha = (columns.start - 0.5, "left") if width - columns.start > text[1] else (columns.stop - 0.5, "right")
    overview.text(x, y, number, va=va, ha=ha, clip_on=False, **style)


def _add_scale_bar(axes: Axes, columns: int, voxel: Voxel, unit: str | None) -> None:
    """Draw a bar in the lower right corner, of an overview that is so many columns wide."""
    bar = choose_scale_bar(columns * voxel[1], unit)
    if bar is None:
        return
    line, _ = optional_import("matplotlib.lines", name="Line2D")
    stroke, _ = optional_import("matplotlib.patheffects", name="withStroke")
    shift, _ = optional_import("matplotlib.transforms", name="offset_copy")
    right = columns - 0.5 - columns * _INSET
    left = right - bar.length / voxel[1]
    above = {
        points: shift(axes.get_xaxis_transform(), fig=axes.get_figure(root=True), y=points, units="points")
        for points in (7, 11)
    }
    edge = [stroke(linewidth=5, foreground="black")]
    style: dict[str, Any] = {"color": "white", "path_effects": edge}
    axes.add_line(line([left, right], [0, 0], transform=above[7], linewidth=3, solid_capstyle="butt", **style))
    style["path_effects"] = [stroke(linewidth=2, foreground="black")]
    axes.text(right, 0, bar.text, transform=above[11], ha="right", va="bottom", fontsize=9, **style)


def _add_legend(figure: Figure, rows: list[_Row]) -> None:
    """Say what the colours mean, and how many splits and merges there are."""
    patch, _ = optional_import("matplotlib.patches", name="Patch")
    line, _ = optional_import("matplotlib.lines", name="Line2D")
    (label, prediction, *critical) = describe(*(row.objects for row in rows))
    entries = [line([], [], color=_as_rgb(colour), linewidth=3, label=text) for colour, text in (label, prediction)]
    entries += [patch(color=_as_rgb(colour), label=text) for colour, text in critical]
    columns = min(len(entries), int(figure.get_figwidth() / _ENTRY))
    figure.legend(handles=entries, loc="outside lower center", ncols=columns, frameon=False)


def _as_rgb(colour: Colour) -> tuple[float, ...]:
    return tuple(channel / 255 for channel in colour)
