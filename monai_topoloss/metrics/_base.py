"""What the metrics of segmentations have in common."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from monai.metrics import CumulativeIterationMetric, do_metric_reduction, ignore_background
from monai.utils import MetricReduction
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids, check_instance_maps
from monai_topoloss._checks.segmentations import check_ignored_value, check_same_segmentation, check_zero_one
from monai_topoloss._checks.tensors import check_tensor
from monai_topoloss._labels import has_id
from monai_topoloss.topology._items import as_ids


class Pair(NamedTuple):
    """Prediction and label, ``(B, C, *spatial)``: bool, or ids of objects. Both are 0 where voxels are ignored."""

    prediction: Tensor
    label: Tensor
    ignored: Tensor | None  # where voxels do not count, bool


def prepare(
    y_pred: Any, y: Any, *, include_background: bool, ignore_index: int | None, instances: bool | None = None
) -> Pair:
    """Check prediction and label; drop the background unless it counts.

    ``instances`` says whether they hold ids of objects, and is None for metrics that do not know such.
    """
    prediction, label = check_tensor("y_pred", y_pred), check_tensor("y", y)
    check_same_segmentation(prediction, label)
    check_ignored_value(ignore_index, instances=bool(instances))
    ignored = None
    if ignore_index is not None:
        ignored = has_id(label, ignore_index)
        prediction, label = prediction.masked_fill(ignored, 0), label.masked_fill(ignored, 0)
    if instances:
        check_instance_maps("y_pred", prediction)
    for name, tensor in (("y_pred", prediction), ("y", label)):
        if instances:
            check_class_ids(name, tensor)
        else:
            check_zero_one(name, tensor, has_instances=instances is not None)
    if instances:
        return Pair(as_ids(prediction), as_ids(label), ignored)
    if not include_background:
        prediction, label = ignore_background(prediction, label)
        ignored = None if ignored is None else ignore_background(ignored)[0]
    return Pair(prediction != 0, label != 0, ignored)


def set_empty_to_nan(values: Tensor, label: Tensor, *, ignore_empty: bool) -> Tensor:
    """Leave out images and channels whose label is empty: NaN counts for nothing in MONAI's reductions."""
    return values.masked_fill(~(label != 0).flatten(2).any(dim=2), torch.nan) if ignore_empty else values


class OneHotMetric(CumulativeIterationMetric):
    """Collects a value for each image and channel, and reduces them as MONAI's metrics do."""

    def __init__(
        self, *, include_background: bool, reduction: MetricReduction | str, get_not_nans: bool, ignore_empty: bool
    ) -> None:
        super().__init__()
        self.include_background = include_background
        self.reduction = MetricReduction(reduction)
        self.get_not_nans = get_not_nans
        self.ignore_empty = ignore_empty

    def aggregate(self, reduction: MetricReduction | str | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Reduce what has been collected.

        Args:
            reduction: instead of the one that the metric was made with.

        Returns:
            The reduced value, and with ``get_not_nans`` how many values it is of.

        Raises:
            ValueError: if nothing has been collected.
        """
        values = self.get_buffer()  # type: ignore[no-untyped-call]
        if values is None:
            raise ValueError("Expected values to aggregate, got none: call the metric on predictions first.")
        reduced, count = do_metric_reduction(values, reduction or self.reduction)
        return (reduced, count) if self.get_not_nans else reduced
