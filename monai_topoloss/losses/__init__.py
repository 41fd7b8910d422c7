"""Losses in MONAI's vocabulary that keep thin structures connected."""

from monai_topoloss.losses.deep_supervision import SkeletonDeepSupervisionLoss
from monai_topoloss.losses.skeleton_recall import DiceCESkeletonRecallLoss, SkeletonRecallLoss

__all__ = ["DiceCESkeletonRecallLoss", "SkeletonDeepSupervisionLoss", "SkeletonRecallLoss"]
