"""How many mistakes split or merge objects."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from monai_topoloss._checks.options import check_option
from monai_topoloss.metrics._base import SegmentationMetric, prepare, set_empty_to_nan
from monai_topoloss.topology import critical_components, label_components

__all__ = ["CriticalErrorMetric", "compute_critical_error"]

KINDS = ("splits", "merges", "splits_per_object", "merges_per_object", "fraction")


def compute_critical_error(
    y_pred: Tensor,
    y: Tensor,
    include_background: bool = False,
    ignore_empty: bool = False,
    kind: str = "splits",
    instances: bool = False,
    connectivity: int | None = None,
    ignore_index: int | None = None,
    backend: str = "auto",
) -> Tensor:
    """Count the splits or merges of each image and channel, see `monai_topoloss.topology.critical_components`.

    Gluing fragments lowers the number of splits and may raise that of merges: report both.

    Args:
        y_pred: prediction, one-hot or with a channel of 0 and 1 for each class, ``(B, C, *spatial)`` in 2-D or 3-D,
            whose objects are the components of each channel; or with ``instances`` a map of ids, ``(B, 1, *spatial)``.
        y: label, likewise and of the same shape.
        include_background: whether channel 0 of several counts.
        ignore_empty: give NaN where the label is empty, which reductions leave out.
        kind: ``"splits"`` or ``"merges"``; ``"splits_per_object"`` or ``"merges_per_object"``, divided by the number
            of objects of the label, or by 1 if there are none; or ``"fraction"``, the share of the voxels that are in a
            split or merge.
        instances: take ``y_pred`` and ``y`` for maps of objects' ids, where 0 is background: objects that touch are
            told apart, and there are as many as ids. Two that touch and are predicted as one hold no wrong voxel, hence
            no merge; `compute_variation_of_information` sees such.
        connectivity: in how many axes at once neighbours may differ. Default: all.
        ignore_index: a value of ``y`` where nothing counts: such voxels are background, so that an object which runs
            across them is two, and no part of the share.
        backend: where to compute, ``"auto"`` follows the prediction.

    Returns:
        The number, float32 ``(B, C)``, or without the background of several channels ``(B, C - 1)``.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no tensor.
        ValueError: if shapes or devices differ, the rank is not 2-D or 3-D, masks hold other values than 0 and 1 or
            instance maps such as are no ids, or ``kind`` or ``connectivity`` is unknown.

    Example:
        >>> import torch
        >>> line = torch.zeros(1, 1, 5, 9)
        >>> line[..., 2, :] = 1
        >>> broken = line.clone()
        >>> broken[..., 4] = 0
        >>> compute_critical_error(broken, line).item()
        1.0
    """
    check_option("kind", kind, KINDS)
    prediction, label, ignored = prepare(
        y_pred, y, include_background=include_background, ignore_index=ignore_index, instances=instances
    )
    options: dict[str, Any] = {"connectivity": connectivity, "spatial_dims": label.ndim - 2, "backend": backend}
    found = critical_components(prediction, label, **options)
    if kind == "fraction":
        critical = cast(Tensor, found.splits) | cast(Tensor, found.merges)
        counted = torch.ones_like(critical) if ignored is None else ~ignored
        values = critical.flatten(2).sum(dim=2) / counted.flatten(2).sum(dim=2).clamp(min=1)
    else:
        values = cast(Tensor, found.n_splits if kind.startswith("splits") else found.n_merges).float()
        if kind.endswith("per_object"):
            objects = _count_ids(label) if instances else cast(Tensor, label_components(label, **options).counts)
            values = values / objects.clamp(min=1)
    return set_empty_to_nan(values, label, ignore_empty=ignore_empty)


def _count_ids(maps: Tensor) -> Tensor:
    """Return how many ids but 0 there are in each image and channel, ``(B, C)``."""
    ids = maps.flatten(2).sort(dim=2).values
    return (ids.diff(dim=2, prepend=torch.zeros_like(ids[..., :1])) != 0).sum(dim=2)


class CriticalErrorMetric(SegmentationMetric, function=compute_critical_error):
    """Splits or merges over a data set, see `compute_critical_error`.

    Example:
        >>> import torch
        >>> metric = CriticalErrorMetric(kind="merges")
        >>> _ = metric(torch.ones(2, 1, 8, 8), torch.zeros(2, 1, 8, 8))
        >>> metric.aggregate().item()
        1.0
    """

    def _check(self) -> None:
        super()._check()
        check_option("kind", self.kind, KINDS)
