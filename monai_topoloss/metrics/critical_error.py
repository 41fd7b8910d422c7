"""How many mistakes split or merge objects."""

from __future__ import annotations

from typing import cast

import torch
from monai.utils import MetricReduction
from torch import Tensor

from monai_topoloss._checks.options import check_option
from monai_topoloss.metrics._base import OneHotMetric, prepare, set_empty_to_nan
from monai_topoloss.topology import critical_components, label_components

__all__ = ["CriticalErrorMetric", "compute_critical_error"]

_KINDS = ("splits", "merges", "splits_per_object", "merges_per_object", "fraction")


def compute_critical_error(
    y_pred: Tensor,
    y: Tensor,
    include_background: bool = False,
    ignore_empty: bool = False,
    kind: str = "splits",
    connectivity: int | None = None,
    ignore_index: int | None = None,
    backend: str = "auto",
) -> Tensor:
    """Count the splits or merges of each image and channel, see `monai_topoloss.topology.critical_components`.

    Gluing fragments lowers the number of splits and may raise that of merges: report both.

    Args:
        y_pred: prediction, one-hot or with a channel of 0 and 1 for each class, ``(B, C, *spatial)`` in 2-D or 3-D.
        y: label, likewise and of the same shape.
        include_background: whether channel 0 of several counts.
        ignore_empty: give NaN where the label is empty.
        kind: ``"splits"`` or ``"merges"``; ``"splits_per_object"`` or ``"merges_per_object"``, divided by the number
            of components of the label, or by 1 if there are none; or ``"fraction"``, the share of the voxels that count
            which are in a split or merge.
        connectivity: in how many axes at once neighbours may differ. Default: all.
        ignore_index: a value of ``y`` where nothing counts: such voxels are background, so that an object which runs
            across them is two, and no part of the share.
        backend: where to compute, ``"auto"`` follows the prediction.

    Returns:
        The number, float32 ``(B, C)``, or without the background of several channels ``(B, C - 1)``.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no tensor.
        ValueError: if shapes or devices differ, the rank is not 2-D or 3-D, values are not 0 and 1, or ``kind`` or
            ``connectivity`` is unknown.

    Example:
        >>> import torch
        >>> line = torch.zeros(1, 1, 5, 9)
        >>> line[..., 2, :] = 1
        >>> broken = line.clone()
        >>> broken[..., 4] = 0
        >>> compute_critical_error(broken, line).item()
        1.0
    """
    check_option("kind", kind, _KINDS)
    prediction, label, ignored = prepare(y_pred, y, include_background=include_background, ignore_index=ignore_index)
    spatial_dims = prediction.ndim - 2
    found = critical_components(
        prediction, label, connectivity=connectivity, spatial_dims=spatial_dims, backend=backend
    )
    if kind == "fraction":
        critical = cast(Tensor, found.splits) | cast(Tensor, found.merges)
        counted = torch.ones_like(critical) if ignored is None else ~ignored
        values = critical.flatten(2).sum(dim=2) / counted.flatten(2).sum(dim=2).clamp(min=1)
    else:
        values = cast(Tensor, found.n_splits if kind.startswith("splits") else found.n_merges).float()
        if kind.endswith("per_object"):
            objects = label_components(label, connectivity=connectivity, spatial_dims=spatial_dims, backend=backend)
            values = values / cast(Tensor, objects.counts).clamp(min=1)
    return set_empty_to_nan(values, label, ignore_empty=ignore_empty)


class CriticalErrorMetric(OneHotMetric):
    """Splits or merges over a data set, see `compute_critical_error`.

    Args:
        include_background: whether channel 0 of several counts.
        reduction: of the values of all images and channels, as in `monai.metrics.DiceMetric`.
        get_not_nans: return how many values there are besides the reduced value.
        ignore_empty: leave out images and channels whose label is empty.
        kind: see `compute_critical_error`.
        connectivity: see `compute_critical_error`.
        backend: see `compute_critical_error`.

    Example:
        >>> import torch
        >>> metric = CriticalErrorMetric(kind="merges")
        >>> _ = metric(torch.ones(2, 1, 8, 8), torch.zeros(2, 1, 8, 8))
        >>> metric.aggregate().item()
        1.0
    """

    def __init__(
        self,
        include_background: bool = False,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        get_not_nans: bool = False,
        ignore_empty: bool = False,
        kind: str = "splits",
        connectivity: int | None = None,
        backend: str = "auto",
    ) -> None:
        super().__init__(
            include_background=include_background,
            reduction=reduction,
            get_not_nans=get_not_nans,
            ignore_empty=ignore_empty,
        )
        check_option("kind", kind, _KINDS)
        self.kind = kind
        self.connectivity = connectivity
        self.backend = backend

    def _compute_tensor(self, y_pred: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return compute_critical_error(
            y_pred,
            y,
            include_background=self.include_background,
            ignore_empty=self.ignore_empty,
            kind=self.kind,
            connectivity=self.connectivity,
            backend=self.backend,
        )
