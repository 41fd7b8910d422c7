"""What the metrics of one-hot segmentations have in common."""

from __future__ import annotations

from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric, do_metric_reduction, ignore_background
from monai.utils import MetricReduction
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.tensors import check_one_hot, check_same_device, check_same_shape, check_tensor


def check_pair(y_pred: Any, y: Any, *, num_classes: int | None) -> tuple[Tensor, Tensor]:
    """Return prediction and label as tensors of ids, ``(B, C, *spatial)``."""
    prediction, label = check_tensor("y_pred", y_pred), check_tensor("y", y)
    check_one_hot("y_pred", prediction)
    check_same_shape("y", label, prediction, "y_pred")
    check_same_device("y", label, prediction)
    for name, tensor in (("y_pred", prediction), ("y", label)):
        check_class_ids(name, tensor, num_classes=num_classes)
    return prediction, label


def prepare(y_pred: Any, y: Any, *, include_background: bool) -> tuple[Tensor, Tensor]:
    """Return prediction and label as bool, ``(B, C, *spatial)``, without the background unless it counts."""
    prediction, label = check_pair(y_pred, y, num_classes=2)
    if not include_background:
        prediction, label = ignore_background(prediction, label)
    return prediction != 0, label != 0


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
