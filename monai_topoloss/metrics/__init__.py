"""Metrics in MONAI's vocabulary: a function for a batch, and a class that collects over a data set."""

from monai_topoloss.metrics.adapted_rand_error import AdaptedRandErrorMetric, compute_adapted_rand_error
from monai_topoloss.metrics.betti_error import BettiErrorMetric, compute_betti_error
from monai_topoloss.metrics.centerline_dice import CenterlineDiceMetric, compute_centerline_dice
from monai_topoloss.metrics.critical_error import CriticalErrorMetric, compute_critical_error
from monai_topoloss.metrics.instance_score import InstanceScoreMetric, compute_instance_score
from monai_topoloss.metrics.skeleton_score import SkeletonScoreMetric, compute_skeleton_score
from monai_topoloss.metrics.variation_of_information import (
    VariationOfInformationMetric,
    compute_variation_of_information,
)

__all__ = [
    "AdaptedRandErrorMetric",
    "BettiErrorMetric",
    "CenterlineDiceMetric",
    "CriticalErrorMetric",
    "InstanceScoreMetric",
    "SkeletonScoreMetric",
    "VariationOfInformationMetric",
    "compute_adapted_rand_error",
    "compute_betti_error",
    "compute_centerline_dice",
    "compute_critical_error",
    "compute_instance_score",
    "compute_skeleton_score",
    "compute_variation_of_information",
]
