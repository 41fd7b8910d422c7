"""Ignite handlers."""

from monai_topoloss.handlers.critical_figure import CriticalFigure
from monai_topoloss.handlers.loss_weight_schedule import LossWeightSchedule
from monai_topoloss.handlers.metrics import (
    AdaptedRandError,
    BettiError,
    CenterlineDice,
    CriticalError,
    InstanceScore,
    SkeletonScore,
    VariationOfInformation,
)
from monai_topoloss.handlers.restore_label import RestoreLabel
from monai_topoloss.handlers.supervoxel_counts import SupervoxelCounts

__all__ = [
    "AdaptedRandError",
    "BettiError",
    "CenterlineDice",
    "CriticalError",
    "CriticalFigure",
    "InstanceScore",
    "LossWeightSchedule",
    "RestoreLabel",
    "SkeletonScore",
    "SupervoxelCounts",
    "VariationOfInformation",
]
