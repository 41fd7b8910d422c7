"""Errors of the numbers of components, tunnels and cavities."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from monai_topoloss._checks.options import check_betti_kind, check_patches
from monai_topoloss.metrics._base import SegmentationMetric, prepare, set_empty_to_nan
from monai_topoloss.topology import betti_numbers, euler_number

__all__ = ["BettiErrorMetric", "compute_betti_error"]


def compute_betti_error(
    y_pred: Tensor,
    y: Tensor,
    include_background: bool = False,
    ignore_empty: bool = False,
    kind: str | int = "sum",
    connectivity: int | None = None,
    patch_size: int | Sequence[int] | None = None,
    stride: int | Sequence[int] | None = None,
    ignore_index: int | None = None,
    backend: str = "auto",
) -> Tensor:
    r"""Compute the Betti error of each image and channel: :math:`|\beta_k(P) - \beta_k(L)|`.

    Numbers are compared, not structures: a lost and an invented component cancel. `compute_critical_error` counts both.

    Args:
        y_pred: prediction, one-hot or with a channel of 0 and 1 for each class, ``(B, C, *spatial)`` in 2-D or 3-D.
        y: label, likewise and of the same shape.
        include_background: whether channel 0 of several counts.
        ignore_empty: give NaN where the label is empty, which reductions leave out.
        kind: 0 for components, 1 for tunnels (in 2-D holes), 2 for cavities in 3-D, ``"sum"`` for the sum of these
            errors, or ``"euler"`` for the error of the Euler characteristic, which is much faster.
        connectivity: see `monai_topoloss.topology.betti_numbers`.
        patch_size: compare patches of this size, and take the mean over them, as many papers do with 64 x 64. Patches
            end with the image: the last of a row may overlap the one before. Default: the whole image.
        stride: from one patch to the next. Default: the size of a patch.
        ignore_index: a value of ``y`` where nothing counts: such voxels are background, so that an object which runs
            across them is two. Patches of nothing else are left out of the mean.
        backend: where to compute, ``"auto"`` follows the prediction.

    Returns:
        The error, float32 ``(B, C)``, or without the background of several channels ``(B, C - 1)``.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no tensor, or a size no int.
        ValueError: if shapes or devices differ, the rank is not 2-D or 3-D, values are not 0 and 1, or ``kind``,
            ``connectivity`` or a size is out of range.

    Example:
        >>> import torch
        >>> ring = torch.ones(1, 1, 3, 3)
        >>> ring[..., 1, 1] = 0
        >>> compute_betti_error(torch.ones(1, 1, 3, 3), ring, kind=1).item()
        1.0
    """
    check_betti_kind(kind)
    prediction, label, ignored = prepare(y_pred, y, include_background=include_background, ignore_index=ignore_index)
    spatial = prediction.shape[2:]
    check_betti_kind(kind, len(spatial))
    size, step = check_patches(patch_size, stride, spatial)
    starts = [sorted({*range(0, n - p, max(s, 1)), max(0, n - p)}) for n, p, s in zip(spatial, size, step, strict=True)]
    errors, counts = [], []
    for corner in product(*starts):
        found, true = (
            _numbers(_patch(image, corner, size), kind, connectivity, backend) for image in (prediction, label)
        )
        errors.append((found - true).abs().sum(dim=2))
        if ignored is not None:
            counts.append(~_patch(ignored, corner, size).flatten(2).all(dim=2))
    values = torch.stack(errors).float()
    # A patch without a voxel that counts has no error.
    values = values.sum(dim=0) / torch.stack(counts).sum(dim=0).clamp(min=1) if counts else values.mean(dim=0)
    return set_empty_to_nan(values, label, ignore_empty=ignore_empty)


def _patch(image: Tensor, corner: Sequence[int], size: Sequence[int]) -> Tensor:
    for axis, (start, length) in enumerate(zip(corner, size, strict=True), start=2):
        image = image.narrow(axis, start, length)
    return image


def _numbers(mask: Tensor, kind: str | int, connectivity: int | None, backend: str) -> Tensor:
    """Return the numbers to compare, ``(B, C, how many)``."""
    if kind == "euler":
        euler = euler_number(mask, connectivity=connectivity, spatial_dims=mask.ndim - 2, backend=backend)
        return torch.as_tensor(euler).unsqueeze(2)
    numbers = torch.as_tensor(
        betti_numbers(mask, connectivity=connectivity, spatial_dims=mask.ndim - 2, backend=backend)
    )
    return numbers if isinstance(kind, str) else numbers[..., kind : kind + 1]


class BettiErrorMetric(SegmentationMetric, function=compute_betti_error):
    """Betti error over a data set, see `compute_betti_error`.

    Example:
        >>> import torch
        >>> metric = BettiErrorMetric(kind=0)
        >>> _ = metric(torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8))
        >>> metric.aggregate().item()
        1.0
    """

    def _check(self) -> None:
        super()._check()
        check_betti_kind(self.kind)
