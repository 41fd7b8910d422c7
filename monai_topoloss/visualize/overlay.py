"""Overlays: what is right and what broke, drawn on the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from monai.config import NdarrayTensor
from monai.data import MetaTensor
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.options import KINDS, UNITS, check_int
from monai_topoloss._checks.pictures import check_drawn_radius, check_one_image, check_unit
from monai_topoloss._checks.tensors import check_spatial_dims, check_tensor
from monai_topoloss.topology import skeletonize, tubed_skeleton
from monai_topoloss.visualize._draw import (
    LABEL,
    MERGE,
    PREDICTION,
    SKELETON,
    SPLIT,
    TUBE,
    Canvas,
    Colour,
    Mask,
    Scale,
    add_legend,
    canvas_of,
    choose_scale,
    colour_instances,
    enlarge,
    fill,
    inner_contour,
    outer_contour,
    ring,
    seams,
    stripes,
)
from monai_topoloss.visualize._objects import Objects, find_objects
from monai_topoloss.visualize._scale_bar import add_scale_bar
from monai_topoloss.visualize._views import View, known_spacing, make_grey, views_of

__all__ = ["critical_overlay", "skeleton_overlay"]

_OPACITY = 0.4  # of the colours of instances


class Scene(NamedTuple):
    """Two-dimensional views of all that an overlay shows."""

    grey: NDArray[np.float32]
    prediction: NDArray[Any]
    label: NDArray[Any]
    splits: Mask
    merges: Mask
    are_instances: bool

    def crop(self, rows: slice, columns: slice) -> Scene:
        """Return a part of the views."""
        *views, are_instances = self
        return Scene._make([*(view[rows, columns] for view in views), are_instances])


def make_scene(objects: Objects, grey: NDArray[np.float32], view: View) -> Scene:
    """Look at objects and their mistakes."""
    images = (objects.prediction, objects.label, objects.splits, objects.merges)
    return Scene._make([grey, *(view.of(image) for image in images), objects.are_instances])


def draw_scene(scene: Scene, scale: Scale, *, with_rings: bool) -> Canvas:
    """Draw contours, splits and merges, striped where a place is both, and rings around these."""
    canvas = canvas_of(scene.grey, scale)
    width = max(1, round(min(scale) / 4))
    prediction = enlarge(scene.prediction, scale)
    if scene.are_instances:
        colour_instances(canvas, prediction, _OPACITY)
    fill(canvas, inner_contour(enlarge(scene.label, scale), width), LABEL)
    fill(canvas, outer_contour(prediction, width), PREDICTION)
    if min(scale) > 1:  # or the seam would hide that of the label, which is as wide on both sides
        fill(canvas, seams(prediction, width), PREDICTION)
    splits, merges = enlarge(scene.splits, scale), enlarge(scene.merges, scale)
    line = max(canvas.shape) / 400
    for mask, colour in ((splits, SPLIT), (merges, MERGE)):
        fill(canvas, mask, colour)
        if with_rings:
            fill(canvas, ring(mask, 3 * line, line), colour)
    fill(canvas, splits & merges & stripes(splits.shape, 2 * width), SPLIT)
    return canvas


def describe(*objects: Objects) -> tuple[tuple[Colour, str], ...]:
    """Return what the colours mean, with numbers where all objects are of one picture."""
    texts = "splits", "merges"
    if len(objects) == 1:
        texts = count("split", objects[0].n_splits), count("merge", objects[0].n_merges)
    return (LABEL, "label"), (PREDICTION, "prediction"), (SPLIT, texts[0]), (MERGE, texts[1])


def count(thing: str, number: int) -> str:
    """Return a number of things in words."""
    return f"{number} {thing}{'s' * (number != 1)}"


def critical_overlay(
    prediction: NdarrayTensor,
    label: NdarrayTensor,
    image: NdarrayTensor | None = None,
    *,
    num_classes: int | None = None,
    edges: Sequence[Sequence[int]] | None = None,
    tolerance: int = 0,
    connectivity: int | None = None,
    spatial_dims: int | None = None,
    spacing: float | Sequence[float] | None = None,
    axis: int = 0,
    index: int | None = None,
    scale: int | None = None,
    scale_bar: bool = False,
    unit: str = "mm",
    legend: bool = False,
    backend: str = "auto",
) -> NDArray[np.uint8]:
    """Draw where a prediction splits and merges objects of a label.

    The label is outlined from within in green, the prediction from outside in yellow. Mistakes that split objects are
    vermilion, those that merge them sky blue, both with a ring around, and striped what is both; other mistakes show
    between the outlines.
    Objects that touch but have different ids have an outline each; yellow beside green is where both agree.
    With ``edges``, each predicted instance has a colour of its own, and instances are told apart where they touch: what
    splits and merges them are affinities, of which both ends are drawn.
    `plot_critical` adds close-ups, and shows each class on its own.

    Args:
        prediction: mask or map of objects' ids, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        label: likewise and of the same shape.
        image: what was segmented, ``(*spatial)`` or ``(C, *spatial)``; shown in grey. Default: black.
        num_classes: ids are classes below this number, the background included, and no objects. Splits and merges are
            those of all classes.
        edges: steps from a voxel to another one, which make objects of ids of touching instances, see
            `monai_topoloss.topology.critical_affinities`: ``[(1, 0), (0, 1)]`` for the nearest neighbours in 2-D.
        tolerance: how many voxels their borders may be off, with ``edges``; see there.
        connectivity: see `monai_topoloss.topology.critical_components`.
        spatial_dims: how many axes there are, 2 or 3. Default: as many as there are, with a warning where that looks
            like an image with channels.
        spacing: size of voxels along each axis, or of all; pixels are drawn in proportion. Default: as a MetaTensor's
            affine says, else the same along all axes.
        axis: along which a volume is looked at.
        index: which slice of a volume to show. Default: the maximum along the axis. Splits and merges are those of the
            whole volume.
        scale: how many pixels a voxel is wide along its shorter side. Default: so many that the picture has 1200 or
            more along a side.
        scale_bar: draw a bar of a round length, about a fifth of the picture's width, which says how long it is: in
            voxels if their size is not known, as of a MetaTensor with the identity as affine.
        unit: name of the unit of ``spacing`` or the affine, for the scale bar.
        legend: add a strip below that says what the colours mean, and how many splits and merges there are.
        backend: where to compute, ``"auto"`` follows the prediction.

    Returns:
        The picture, uint8 ``(height * scale, width * scale, 3)``, in proportion to ``spacing``; with a legend higher,
        and as wide as its text at least.

    Raises:
        TypeError: if an image is no tensor or array of real numbers, a number no int, or ``unit`` no str.
        ValueError: if shapes or devices differ, there are channels or the rank is not 2-D or 3-D, ids are negative, too
            high or no whole numbers, ``image`` holds NaN or infinity, ``spacing`` is not positive, ``edges`` are empty
            or of another rank, or come with ``num_classes`` or ``connectivity``, or ``axis``, ``index``, ``scale``,
            ``tolerance`` or ``connectivity`` is out of range.

    Example:
        >>> import numpy as np
        >>> line = np.zeros((5, 9), dtype=bool)
        >>> line[2] = True
        >>> broken = line.copy()
        >>> broken[2, 4] = False
        >>> picture = critical_overlay(broken, line, scale=10)
        >>> picture.shape, picture[25, 45].tolist()
        ((50, 90, 3), [213, 94, 0])
    """
    check_int("axis", axis)
    check_unit(unit)
    objects = find_objects(
        prediction,
        label,
        num_classes=num_classes,
        edges=edges,
        tolerance=tolerance,
        spatial_dims=spatial_dims,
        connectivity=connectivity,
        backend=backend,
    )
    shape = tuple(objects.label.shape)
    (view,) = views_of(shape, axis, index)
    sizes = known_spacing(spacing, len(shape), prediction, label, image)
    voxel = view.across(sizes or (1.0,) * len(shape))
    scene = make_scene(objects, make_grey(image, shape, view), view)
    pixels = choose_scale(scale, scene.label.shape, voxel)
    canvas = draw_scene(scene, pixels, with_rings=True)
    if scale_bar:
        canvas = add_scale_bar(canvas, voxel[1] / pixels[1], unit if sizes else None)
    return add_legend(canvas, describe(objects)) if legend else canvas


def skeleton_overlay(
    label: NdarrayTensor,
    image: NdarrayTensor | None = None,
    *,
    radius: float = 0,
    units: str = UNITS[0],
    kind: str = KINDS[0],
    prune: float | None = None,
    prune_factor: float | None = None,
    method: str | None = None,
    spatial_dims: int | None = None,
    spacing: float | Sequence[float] | None = None,
    axis: int = 0,
    index: int | None = None,
    scale: int | None = None,
    scale_bar: bool = False,
    unit: str = "mm",
    legend: bool = False,
    backend: str = "auto",
) -> NDArray[np.uint8]:
    """Draw the skeleton of a mask, and the tube around it.

    The mask is outlined from within in green, the skeleton vermilion and the tube orange.

    Args:
        label: mask or class ids, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        image: what was segmented, ``(*spatial)`` or ``(C, *spatial)``; shown in grey. Default: black.
        radius: of the tube, in voxels or with ``units="mm"`` a length; 0 shows the bare skeleton.
        units: ``"mm"`` measures the radius in the units of ``spacing``, or of a MetaTensor's affine.
        kind: of skeleton, see `monai_topoloss.topology.skeletonize`.
        prune: how long end branches must be to stay, measured as the radius is, see there.
        prune_factor: how long they must be, times the radius of the mask there.
        method: thinning method, see there.
        spatial_dims: see `critical_overlay`.
        spacing: see `critical_overlay`.
        axis: along which a volume is looked at.
        index: which slice of a volume to show. Default: the maximum along the axis.
        scale: see `critical_overlay`.
        scale_bar: see `critical_overlay`.
        unit: see `critical_overlay`.
        legend: add a strip below that says what the colours mean.
        backend: where to compute, ``"auto"`` follows the label.

    Returns:
        The picture, see `critical_overlay`.

    Raises:
        TypeError: if an image is no tensor or array of real numbers, a number no int, or ``unit`` no str.
        ValueError: if shapes differ, there are channels or the rank is not 2-D or 3-D, ids are negative or no whole
            numbers, ``image`` holds NaN or infinity, ``spacing`` is not positive, or not known with ``units="mm"``, or
            ``radius``, ``method``, ``axis``, ``index`` or ``scale`` is out of range.

    Example:
        >>> import numpy as np
        >>> bar = np.zeros((5, 9), dtype=bool)
        >>> bar[1:4, 1:8] = True
        >>> skeleton_overlay(bar, scale=4).shape
        (20, 36, 3)
    """
    check_int("axis", axis)
    check_unit(unit)
    ids = check_tensor("label", label)
    check_one_image("label", ids, spatial_dims)
    shape = tuple(ids.shape)
    sizes = known_spacing(spacing, len(shape), label, image)
    options: dict[str, Any] = {
        "kind": kind,
        "prune": prune,
        "prune_factor": prune_factor,
        "method": method,
        "spatial_dims": check_spatial_dims("label", ids, spatial_dims),
        "backend": backend,
    }
    (view,) = views_of(shape, axis, index)
    skeleton, tube = thin_and_thicken(ids, radius, units, sizes, (label, image), **options)
    flat = view.of(ids)
    voxel = view.across(sizes or (1.0,) * len(shape))
    pixels = choose_scale(scale, flat.shape, voxel)
    canvas = canvas_of(make_grey(image, shape, view), pixels)
    fill(canvas, inner_contour(enlarge(flat, pixels), max(1, round(min(pixels) / 4))), LABEL)
    fill(canvas, enlarge(view.of(tube) != 0, pixels), TUBE, opacity=0.6)
    fill(canvas, enlarge(view.of(skeleton), pixels), SKELETON)
    if scale_bar:
        canvas = add_scale_bar(canvas, voxel[1] / pixels[1], unit if sizes else None)
    return add_legend(canvas, describe_skeleton(radius, units, unit)) if legend else canvas


def thin_and_thicken(
    ids: Tensor,
    radius: float,
    units: str,
    spacing: tuple[float, ...] | None,
    images: Sequence[Any],
    **options: Any,
) -> tuple[Tensor, Tensor]:
    """Return the skeleton, and the tube of a radius in voxels, or in the units of the spacing."""
    if spacing is None and any(isinstance(image, MetaTensor) for image in images):
        spacing = (1.0,) * ids.ndim  # which the identity says
    check_drawn_radius(radius, units, spacing)
    options["spacing"] = None if units == UNITS[0] else spacing
    return skeletonize(ids, **options), tubed_skeleton(ids, radius=radius, **options)


def describe_skeleton(radius: float, units: str, unit: str) -> list[tuple[Colour, str]]:
    """Return what the colours of skeletons mean."""
    length = f"{radius}" if units == UNITS[0] else f"{radius:g} {unit}".rstrip()
    return [(LABEL, "label"), (SKELETON, "skeleton"), *([(TUBE, f"tube of radius {length}")] if radius else [])]
