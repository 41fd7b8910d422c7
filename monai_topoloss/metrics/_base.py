"""What the metrics of segmentations have in common."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from monai.metrics import CumulativeIterationMetric, do_metric_reduction, ignore_background
from monai.utils import MetricReduction
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids, check_instance_maps
from monai_topoloss._checks.options import check_option, check_reduction
from monai_topoloss._checks.segmentations import check_ignored_value, check_same_segmentation, check_zero_one
from monai_topoloss._checks.tensors import check_tensor
from monai_topoloss._labels import has_id
from monai_topoloss._options import add_constructor
from monai_topoloss.backends import BACKENDS
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
    """Set values (..., B, C) to NaN, which counts for nothing in MONAI's reductions, where a label is empty."""
    if not ignore_empty or not label.numel():
        return values.fill_(torch.nan) if ignore_empty else values
    return values.masked_fill(label.flatten(2).amax(dim=2) == 0, torch.nan)  # ids are no less than 0


class SegmentationMetric(CumulativeIterationMetric):
    """Collects a value for each image and channel, and reduces them as MONAI's metrics do.

    A subclass names the function that computes the values, and takes its options from there; they become attributes.
    """

    _function: ClassVar[Callable[..., Tensor]]
    _options: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, function: Callable[..., Tensor] | None = None, **others: Any) -> None:
        super().__init_subclass__(**others)
        if function is not None:  # else a class that changes one of these
            cls._function = staticmethod(function)
            cls._options = tuple(inspect.signature(function).parameters)[2:]
            add_constructor(cls, SegmentationMetric._set_up, function, after=cls._options[0], without=("y_pred", "y"))

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **options: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

    def _set_up(
        self, reduction: MetricReduction | str = MetricReduction.MEAN, get_not_nans: bool = False, **options: Any
    ) -> None:
        """Set options.

        Args:
            reduction: of the values of all images and channels, as in `monai.metrics.DiceMetric`. NaN is left out;
                where there is nothing else, the result is NaN.
            get_not_nans: return how many values there are besides the reduced value.
            options: those of the function.
        """
        super().__init__()
        self.reduction = check_reduction(reduction, MetricReduction)
        self.get_not_nans = get_not_nans
        for name, value in options.items():
            setattr(self, name, value)
        self._check()

    def _check(self) -> None:
        """Check the options, as far as that is possible without an image."""
        check_ignored_value(self.ignore_index, instances=getattr(self, "instances", False))
        check_option("backend", getattr(self, "backend", BACKENDS[0]), BACKENDS)

    def _compute_tensor(self, y_pred: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return self._function(y_pred, y, **{name: getattr(self, name) for name in self._options})

    def aggregate(self, reduction: MetricReduction | str | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Reduce what has been collected.

        Args:
            reduction: instead of the one that the metric was made with.

        Returns:
            The reduced value, and with ``get_not_nans`` how many values it is of. It is NaN if there are none, as of
            labels that are all empty.

        Raises:
            ValueError: if nothing has been collected.
        """
        if reduction is not None:
            check_reduction(reduction, MetricReduction)
        values = self.get_buffer()  # type: ignore[no-untyped-call]
        if values is None:
            raise ValueError("Expected values to aggregate, got none: call the metric on predictions first.")
        reduced, count = do_metric_reduction(values, reduction or self.reduction)
        reduced = reduced.masked_fill(count == 0, torch.nan)  # MONAI gives 0, the best of errors
        return (reduced, count) if self.get_not_nans else reduced
