"""Overlays: what is right and what broke, drawn on the image."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from monai.config import NdarrayTensor
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.tensors import check_same_device, check_same_shape, check_spatial_dims, check_tensor
from monai_topoloss.topology import critical_components, skeletonize, tubed_skeleton
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
    add_legend,
    canvas_of,
    choose_scale,
    enlarge,
    fill,
    inner_contour,
    make_grey,
    outer_contour,
    ring,
    view_of,
)

__all__ = ["critical_overlay", "skeleton_overlay"]


class Scene(NamedTuple):
    """Two-dimensional views of all that an overlay shows, and how many splits and merges the whole image has."""

    grey: NDArray[np.float32]
    prediction: NDArray[Any]
    label: NDArray[Any]
    splits: Mask
    merges: Mask
    n_splits: int
    n_merges: int

    def describe(self) -> tuple[tuple[Colour, str], ...]:
        """Return what the colours mean, with numbers."""
        return (
            (LABEL, "label"),
            (PREDICTION, "prediction"),
            (SPLIT, f"{self.n_splits} split{'s' * (self.n_splits != 1)}"),
            (MERGE, f"{self.n_merges} merge{'s' * (self.n_merges != 1)}"),
        )

    def crop(self, rows: slice, columns: slice) -> Scene:
        """Return a part of the views."""
        return self._replace(
            grey=self.grey[rows, columns],
            prediction=self.prediction[rows, columns],
            label=self.label[rows, columns],
            splits=self.splits[rows, columns],
            merges=self.merges[rows, columns],
        )


def make_scene(
    prediction: Any, label: Any, image: Any, *, connectivity: int | None, axis: int, index: int | None, backend: str
) -> Scene:
    """Check the arguments of an overlay, and find what there is to show."""
    found_ids, true_ids = check_tensor("prediction", prediction), check_tensor("label", label)
    check_spatial_dims("prediction", found_ids, None)
    check_same_shape("label", true_ids, found_ids, "prediction")
    check_same_device("label", true_ids, found_ids)
    for name, ids in (("prediction", found_ids), ("label", true_ids)):
        check_class_ids(name, ids)
    shape = tuple(found_ids.shape)
    view = view_of(shape, axis, index)
    grey = make_grey(image, shape, view)
    critical = critical_components(found_ids, true_ids, connectivity=connectivity, backend=backend)
    splits, merges = (view.of(cast(Tensor, mask)) for mask in (critical.splits, critical.merges))
    counts = int(critical.n_splits), int(critical.n_merges)
    return Scene(grey, view.of(found_ids), view.of(true_ids), splits, merges, *counts)


def draw_scene(scene: Scene, scale: int, *, with_rings: bool) -> Canvas:
    """Draw contours, splits and merges, and rings around these."""
    canvas = canvas_of(scene.grey, scale)
    width = max(1, round(scale / 4))
    fill(canvas, inner_contour(enlarge(scene.label, scale), width), LABEL)
    fill(canvas, outer_contour(enlarge(scene.prediction, scale), width), PREDICTION)
    for critical, colour in ((scene.splits, SPLIT), (scene.merges, MERGE)):
        mask = enlarge(critical, scale)
        fill(canvas, mask, colour)
        if with_rings:
            line = max(canvas.shape) / 400
            fill(canvas, ring(mask, 3 * line, line), colour)
    return canvas


def critical_overlay(
    prediction: NdarrayTensor,
    label: NdarrayTensor,
    image: NdarrayTensor | None = None,
    *,
    connectivity: int | None = None,
    axis: int = 0,
    index: int | None = None,
    scale: int | None = None,
    legend: bool = False,
    backend: str = "auto",
) -> NDArray[np.uint8]:
    """Draw where a prediction splits and merges objects of a label.

    The label is outlined from within in green, the prediction from outside in yellow. Mistakes that split objects are
    vermilion, those that merge them sky blue, both with a ring around; other mistakes show between the outlines.
    `plot_critical` adds close-ups.

    Args:
        prediction: mask or map of objects' ids, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        label: likewise and of the same shape.
        image: what was segmented, ``(*spatial)`` or ``(C, *spatial)``; shown in grey. Default: black.
        connectivity: see `monai_topoloss.topology.critical_components`.
        axis: along which a volume is looked at.
        index: which slice of a volume to show. Default: the maximum along the axis. Splits and merges are those of the
            whole volume.
        scale: how many pixels a voxel is wide. Default: so many that the picture has 1200 or more along a side.
        legend: add a strip below that says what the colours mean, and how many splits and merges there are.
        backend: where to compute, ``"auto"`` follows the prediction.

    Returns:
        The picture, uint8 ``(height * scale, width * scale, 3)``, with a legend higher.

    Raises:
        TypeError: if an image is no tensor or array of real numbers, or a number no int.
        ValueError: if shapes or devices differ, the rank is not 2-D or 3-D, ids are negative or no whole numbers,
            ``image`` holds NaN or infinity, or ``axis``, ``index``, ``scale`` or ``connectivity`` is out of range.

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
    scene = make_scene(prediction, label, image, connectivity=connectivity, axis=axis, index=index, backend=backend)
    canvas = draw_scene(scene, choose_scale(scale, scene.label.shape), with_rings=True)
    return add_legend(canvas, scene.describe()) if legend else canvas


def skeleton_overlay(
    label: NdarrayTensor,
    image: NdarrayTensor | None = None,
    *,
    radius: int = 0,
    method: str | None = None,
    axis: int = 0,
    index: int | None = None,
    scale: int | None = None,
    legend: bool = False,
    backend: str = "auto",
) -> NDArray[np.uint8]:
    """Draw the skeleton of a mask, and the tube around it.

    The mask is outlined from within in green, the skeleton vermilion and the tube orange.

    Args:
        label: mask or class ids, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        image: what was segmented, ``(*spatial)`` or ``(C, *spatial)``; shown in grey. Default: black.
        radius: of the tube, in voxels; 0 shows the bare skeleton.
        method: thinning method, see `monai_topoloss.topology.skeletonize`.
        axis: along which a volume is looked at.
        index: which slice of a volume to show. Default: the maximum along the axis.
        scale: how many pixels a voxel is wide. Default: so many that the picture has 1200 or more along a side.
        legend: add a strip below that says what the colours mean.
        backend: where to compute, ``"auto"`` follows the label.

    Returns:
        The picture, uint8 ``(height * scale, width * scale, 3)``, with a legend higher.

    Raises:
        TypeError: if an image is no tensor or array of real numbers, or a number no int.
        ValueError: if shapes differ, the rank is not 2-D or 3-D, ids are negative or no whole numbers, ``image`` holds
            NaN or infinity, or ``radius``, ``method``, ``axis``, ``index`` or ``scale`` is out of range.

    Example:
        >>> import numpy as np
        >>> bar = np.zeros((5, 9), dtype=bool)
        >>> bar[1:4, 1:8] = True
        >>> skeleton_overlay(bar, scale=4).shape
        (20, 36, 3)
    """
    ids = check_tensor("label", label)
    check_spatial_dims("label", ids, None)
    shape = tuple(ids.shape)
    view = view_of(shape, axis, index)
    tube = tubed_skeleton(ids, radius=radius, method=method, backend=backend)
    skeleton = skeletonize(ids, method=method, backend=backend)
    flat = view.of(ids)
    scale = choose_scale(scale, flat.shape)
    canvas = canvas_of(make_grey(image, shape, view), scale)
    fill(canvas, inner_contour(enlarge(flat, scale), max(1, round(scale / 4))), LABEL)
    fill(canvas, enlarge(view.of(tube) != 0, scale), TUBE, opacity=0.6)
    fill(canvas, enlarge(view.of(skeleton), scale), SKELETON)
    tube_entry = [(TUBE, f"tube of radius {radius}")] if radius else []
    return add_legend(canvas, [(LABEL, "label"), (SKELETON, "skeleton"), *tube_entry]) if legend else canvas
