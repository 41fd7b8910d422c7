"""The metrics of this package as Ignite handlers, as `monai.handlers.MeanDice` is that of `monai.metrics.DiceMetric`.

Each reduces over all processes. ``output_transform``, for which `monai.handlers.from_engine` is made, takes prediction
and label out of the engine's output; the other arguments are those of the metric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from monai.handlers import IgniteMetricHandler
from monai.utils import MetricReduction

from monai_topoloss.metrics import (
    AdaptedRandErrorMetric,
    BettiErrorMetric,
    CenterlineDiceMetric,
    CriticalErrorMetric,
    VariationOfInformationMetric,
)

__all__ = ["AdaptedRandError", "BettiError", "CenterlineDice", "CriticalError", "VariationOfInformation"]


def _identity(output: Any) -> Any:
    """Leave the output as it is; unlike a lambda, it can be pickled."""
    return output


class CenterlineDice(IgniteMetricHandler):
    """Centreline Dice in an evaluator, see `monai_topoloss.metrics.CenterlineDiceMetric`.

    Args:
        include_background: see the metric.
        reduction: see the metric.
        output_transform: takes prediction and label out of the engine's output.
        save_details: keep the values of each image in ``engine.state.metric_details``.
        ignore_empty: see the metric.
        score: see the metric.
        method: see the metric.
        backend: see the metric.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> CenterlineDice().attach(evaluator, "cldice")
        >>> mask = torch.ones(1, 2, 8, 8)
        >>> evaluator.run([(mask, mask)]).metrics["cldice"]
        1.0
    """

    def __init__(
        self,
        include_background: bool = False,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        output_transform: Callable[..., Any] = _identity,
        save_details: bool = True,
        ignore_empty: bool = True,
        score: str = "cldice",
        method: str | None = None,
        backend: str = "auto",
    ) -> None:
        metric = CenterlineDiceMetric(
            include_background=include_background,
            reduction=reduction,
            ignore_empty=ignore_empty,
            score=score,
            method=method,
            backend=backend,
        )
        super().__init__(metric_fn=metric, output_transform=output_transform, save_details=save_details)


class BettiError(IgniteMetricHandler):
    """Betti error in an evaluator, see `monai_topoloss.metrics.BettiErrorMetric`.

    Args:
        include_background: see the metric.
        reduction: see the metric.
        output_transform: takes prediction and label out of the engine's output.
        save_details: keep the values of each image in ``engine.state.metric_details``.
        ignore_empty: see the metric.
        kind: see the metric.
        connectivity: see the metric.
        patch_size: see the metric.
        stride: see the metric.
        backend: see the metric.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> BettiError().attach(evaluator, "betti_error")
        >>> mask = torch.ones(1, 2, 8, 8)
        >>> evaluator.run([(mask, mask)]).metrics["betti_error"]
        0.0
    """

    def __init__(
        self,
        include_background: bool = False,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        output_transform: Callable[..., Any] = _identity,
        save_details: bool = True,
        ignore_empty: bool = False,
        kind: str | int = "sum",
        connectivity: int | None = None,
        patch_size: int | Sequence[int] | None = None,
        stride: int | Sequence[int] | None = None,
        backend: str = "auto",
    ) -> None:
        metric = BettiErrorMetric(
            include_background=include_background,
            reduction=reduction,
            ignore_empty=ignore_empty,
            kind=kind,
            connectivity=connectivity,
            patch_size=patch_size,
            stride=stride,
            backend=backend,
        )
        super().__init__(metric_fn=metric, output_transform=output_transform, save_details=save_details)


class CriticalError(IgniteMetricHandler):
    """Splits or merges in an evaluator, see `monai_topoloss.metrics.CriticalErrorMetric`.

    Args:
        include_background: see the metric.
        reduction: see the metric.
        output_transform: takes prediction and label out of the engine's output.
        save_details: keep the values of each image in ``engine.state.metric_details``.
        ignore_empty: see the metric.
        kind: see the metric.
        connectivity: see the metric.
        backend: see the metric.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> CriticalError().attach(evaluator, "critical_error")
        >>> mask = torch.ones(1, 2, 8, 8)
        >>> evaluator.run([(mask, mask)]).metrics["critical_error"]
        0.0
    """

    def __init__(
        self,
        include_background: bool = False,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        output_transform: Callable[..., Any] = _identity,
        save_details: bool = True,
        ignore_empty: bool = False,
        kind: str = "splits",
        connectivity: int | None = None,
        backend: str = "auto",
    ) -> None:
        metric = CriticalErrorMetric(
            include_background=include_background,
            reduction=reduction,
            ignore_empty=ignore_empty,
            kind=kind,
            connectivity=connectivity,
            backend=backend,
        )
        super().__init__(metric_fn=metric, output_transform=output_transform, save_details=save_details)


class VariationOfInformation(IgniteMetricHandler):
    """Variation of information in an evaluator, see `monai_topoloss.metrics.VariationOfInformationMetric`.

    Args:
        include_background: see the metric.
        reduction: see the metric.
        output_transform: takes prediction and label out of the engine's output.
        save_details: keep the values of each image in ``engine.state.metric_details``.
        ignore_empty: see the metric.
        score: see the metric.
        instances: see the metric.
        foreground_only: see the metric.
        connectivity: see the metric.
        backend: see the metric.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> VariationOfInformation().attach(evaluator, "voi")
        >>> mask = torch.ones(1, 1, 8, 8)
        >>> evaluator.run([(mask, mask)]).metrics["voi"]
        0.0
    """

    def __init__(
        self,
        include_background: bool = False,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        output_transform: Callable[..., Any] = _identity,
        save_details: bool = True,
        ignore_empty: bool = True,
        score: str = "sum",
        instances: bool = False,
        foreground_only: bool = False,
        connectivity: int | None = None,
        backend: str = "auto",
    ) -> None:
        metric = VariationOfInformationMetric(
            include_background=include_background,
            reduction=reduction,
            ignore_empty=ignore_empty,
            score=score,
            instances=instances,
            foreground_only=foreground_only,
            connectivity=connectivity,
            backend=backend,
        )
        super().__init__(metric_fn=metric, output_transform=output_transform, save_details=save_details)


class AdaptedRandError(IgniteMetricHandler):
    """Adapted Rand error in an evaluator, see `monai_topoloss.metrics.AdaptedRandErrorMetric`.

    Args:
        include_background: see the metric.
        reduction: see the metric.
        output_transform: takes prediction and label out of the engine's output.
        save_details: keep the values of each image in ``engine.state.metric_details``.
        ignore_empty: see the metric.
        score: see the metric.
        instances: see the metric.
        foreground_only: see the metric.
        connectivity: see the metric.
        backend: see the metric.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> AdaptedRandError().attach(evaluator, "are")
        >>> mask = torch.ones(1, 1, 8, 8)
        >>> evaluator.run([(mask, mask)]).metrics["are"]
        0.0
    """

    def __init__(
        self,
        include_background: bool = False,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        output_transform: Callable[..., Any] = _identity,
        save_details: bool = True,
        ignore_empty: bool = True,
        score: str = "error",
        instances: bool = False,
        foreground_only: bool = True,
        connectivity: int | None = None,
        backend: str = "auto",
    ) -> None:
        metric = AdaptedRandErrorMetric(
            include_background=include_background,
            reduction=reduction,
            ignore_empty=ignore_empty,
            score=score,
            instances=instances,
            foreground_only=foreground_only,
            connectivity=connectivity,
            backend=backend,
        )
        super().__init__(metric_fn=metric, output_transform=output_transform, save_details=save_details)
