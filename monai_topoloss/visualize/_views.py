"""How images and volumes are looked at: along which axes, and how large their voxels are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.data import MetaTensor
from monai.data.utils import affine_to_spacing
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.pictures import check_axes, check_drawn_spacing, check_image_of
from monai_topoloss._checks.tensors import check_finite, check_tensor

_HUGE = 1e30  # above, differences overflow

Voxel = tuple[float, float]  # height and width, in any unit


class View(NamedTuple):
    """How to look at an image: as it is, or at a volume in a slice, or as its maximum along an axis."""

    axis: int | None = None  # of a volume
    place: int | None = None  # of the slice

    def of(self, array: Tensor) -> NDArray[Any]:
        """Return the two-dimensional view of an image or volume."""
        if self.axis is not None:
            array = _highest(array, self.axis) if self.place is None else array.select(self.axis, self.place)
        result: NDArray[Any] = array.numpy(force=True)
        return result

    def across(self, numbers: Sequence[Any]) -> tuple[Any, Any]:
        """Return those of numbers for each axis that belong to rows and columns of the view."""
        row, column = (number for axis, number in enumerate(numbers) if axis != self.axis)
        return row, column

    def describe(self) -> str:
        """Return a title."""
        if self.axis is None:
            return ""
        return f"along axis {self.axis}" if self.place is None else f"slice {self.place} of axis {self.axis}"


def _highest(volume: Tensor, axis: int) -> Tensor:
    """Return the maximum along an axis; 0 where there is no voxel."""
    return volume.amax(axis) if volume.shape[axis] else volume.sum(axis).to(volume.dtype)


def views_of(shape: tuple[int, ...], axis: int | Sequence[int] | None, index: int | None) -> list[View]:
    """Return the views of an image of that shape, or of a volume: one for each axis."""
    axes = check_axes(shape, axis, index)
    return [View(each, index) for each in axes] if axes else [View()]


def known_spacing(spacing: float | Sequence[float] | None, ndim: int, *images: Any) -> tuple[float, ...] | None:
    """Return the size of voxels along each axis: as given, or as the first image says that knows it, or None.

    The identity is the affine of images that know none.
    """
    if spacing is not None:
        return check_drawn_spacing(spacing, ndim)
    for image in images:
        if isinstance(image, MetaTensor) and image.affine.ndim == 2 and len(image.affine) > ndim:
            sizes = tuple(float(size) for size in affine_to_spacing(image.affine, ndim))
            is_identity = torch.equal(image.affine.cpu(), torch.eye(len(image.affine), dtype=image.affine.dtype))
            if not is_identity and all(0 < size < math.inf for size in sizes):
                return check_drawn_spacing(sizes, ndim)
    return None


def spacing_of(spacing: float | Sequence[float] | None, ndim: int, *images: Any) -> tuple[float, ...]:
    """Return the size of voxels along each axis; 1 where it is not known."""
    return known_spacing(spacing, ndim, *images) or (1.0,) * ndim


def make_grey(image: Any, shape: tuple[int, ...], view: View) -> NDArray[np.float32]:
    """Return a view of an image, (*spatial) or (C, *spatial), with values from 0 to 1; without an image of 0."""
    if image is None:
        return np.zeros(view.of(torch.zeros(shape)).shape, np.float32)
    tensor = check_tensor("image", image, keep=[torch.uint64])
    check_finite("image", tensor)
    check_image_of(tensor, shape)
    if tensor.dtype != torch.float64:
        tensor = tensor.float()
    highest = tensor.abs().amax().item() if tensor.numel() else 0
    if highest > _HUGE:
        tensor = tensor / highest
    tensor = tensor.float()
    if tensor.ndim == len(shape) + 1:
        tensor = tensor.mean(0)  # colours would compete with the marks
    grey = view.of(tensor)
    low, high = np.percentile(grey, (0.5, 99.5)) if grey.size else (0, 0)
    return np.clip((grey - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
