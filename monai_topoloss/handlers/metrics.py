"""The metrics of this package as Ignite handlers, as `monai.handlers.MeanDice` is that of `monai.metrics.DiceMetric`.

Each reduces over all processes. Options are those of the metric, and where an engine's output has prediction and label.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from monai.handlers import IgniteMetricHandler
from monai.metrics import CumulativeIterationMetric

from monai_topoloss._options import add_constructor
from monai_topoloss.metrics import (
    AdaptedRandErrorMetric,
    BettiErrorMetric,
    CenterlineDiceMetric,
    CriticalErrorMetric,
    InstanceScoreMetric,
    SkeletonScoreMetric,
    VariationOfInformationMetric,
)

__all__ = [
    "AdaptedRandError",
    "BettiError",
    "CenterlineDice",
    "CriticalError",
    "InstanceScore",
    "SkeletonScore",
    "VariationOfInformation",
]


def _identity(output: Any) -> Any:
    """Leave the output as it is; unlike a lambda, it can be pickled."""
    return output


class _MetricHandler(IgniteMetricHandler):
    """A metric of this package in an engine; a subclass names the metric, and has its options."""

    _metric: ClassVar[type[CumulativeIterationMetric]]

    def __init_subclass__(cls, metric: type[CumulativeIterationMetric] | None = None, **others: Any) -> None:
        super().__init_subclass__(**others)
        if metric is not None:  # else a class that changes one of these
            cls._metric = metric
            add_constructor(cls, _MetricHandler._set_up, metric, after="reduction", without=("get_not_nans",))

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **options: Any) -> None: ...

    def _set_up(
        self, output_transform: Callable[..., Any] | None = None, save_details: bool = True, **options: Any
    ) -> None:
        """Make the metric.

        Args:
            output_transform: takes prediction and label out of the engine's output; `monai.handlers.from_engine` makes
                such. Default: they are the output.
            save_details: keep the values of each image in ``engine.state.metric_details``.
            options: those of the metric.
        """
        super().__init__(
            metric_fn=self._metric(**options),
            output_transform=output_transform or _identity,
            save_details=save_details,
        )


class CenterlineDice(_MetricHandler, metric=CenterlineDiceMetric):
    """Centreline Dice in an evaluator, see `monai_topoloss.metrics.CenterlineDiceMetric`.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> CenterlineDice().attach(evaluator, "cldice")
        >>> mask = torch.ones(1, 2, 8, 8)
        >>> evaluator.run([(mask, mask)]).metrics["cldice"]
        1.0
    """


class BettiError(_MetricHandler, metric=BettiErrorMetric):
    """Betti error in an evaluator, see `monai_topoloss.metrics.BettiErrorMetric`.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> BettiError().attach(evaluator, "betti_error")
        >>> mask = torch.ones(1, 2, 8, 8)
        >>> evaluator.run([(mask, mask)]).metrics["betti_error"]
        0.0
    """


class CriticalError(_MetricHandler, metric=CriticalErrorMetric):
    """Splits or merges in an evaluator, see `monai_topoloss.metrics.CriticalErrorMetric`.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> CriticalError().attach(evaluator, "critical_error")
        >>> mask = torch.ones(1, 2, 8, 8)
        >>> evaluator.run([(mask, mask)]).metrics["critical_error"]
        0.0
    """


class VariationOfInformation(_MetricHandler, metric=VariationOfInformationMetric):
    """Variation of information in an evaluator, see `monai_topoloss.metrics.VariationOfInformationMetric`.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> VariationOfInformation().attach(evaluator, "voi")
        >>> mask = torch.ones(1, 1, 8, 8)
        >>> evaluator.run([(mask, mask)]).metrics["voi"]
        0.0
    """


class AdaptedRandError(_MetricHandler, metric=AdaptedRandErrorMetric):
    """Adapted Rand error in an evaluator, see `monai_topoloss.metrics.AdaptedRandErrorMetric`.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> AdaptedRandError().attach(evaluator, "are")
        >>> mask = torch.ones(1, 1, 8, 8)
        >>> evaluator.run([(mask, mask)]).metrics["are"]
        0.0
    """


class SkeletonScore(_MetricHandler, metric=SkeletonScoreMetric):
    """A neuron score in an evaluator, see `monai_topoloss.metrics.SkeletonScoreMetric`.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> SkeletonScore().attach(evaluator, "normalized_erl")
        >>> instances = torch.ones(1, 1, 8, 16)
        >>> evaluator.run([(instances, instances)]).metrics["normalized_erl"]
        1.0
    """


class InstanceScore(_MetricHandler, metric=InstanceScoreMetric):
    """F1 score, panoptic quality and others in an evaluator, see `monai_topoloss.metrics.InstanceScoreMetric`.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> InstanceScore(score="pq").attach(evaluator, "pq")
        >>> instances = torch.ones(1, 1, 8, 16)
        >>> evaluator.run([(instances, instances)]).metrics["pq"]
        1.0
    """
