"""Losses in MONAI's vocabulary: ``loss(input, target)`` with logits and a label, or a pair of label and skeleton."""

from monai_topoloss.losses.affinity import SupervoxelAffinityLoss
from monai_topoloss.losses.deep_supervision import SkeletonDeepSupervisionLoss
from monai_topoloss.losses.dice_ce_skeleton_recall import DiceCESkeletonRecallLoss
from monai_topoloss.losses.neighbor_penalty import NeighborPenalty
from monai_topoloss.losses.skeleton_precision import SkeletonPrecisionLoss
from monai_topoloss.losses.skeleton_recall import SkeletonRecallLoss
from monai_topoloss.losses.soft_centerline_dice import SoftCenterlineDiceLoss
from monai_topoloss.losses.sum import SumLoss
from monai_topoloss.losses.supervoxel import SupervoxelLoss

__all__ = [
    "DiceCESkeletonRecallLoss",
    "NeighborPenalty",
    "SkeletonDeepSupervisionLoss",
    "SkeletonPrecisionLoss",
    "SkeletonRecallLoss",
    "SoftCenterlineDiceLoss",
    "SumLoss",
    "SupervoxelAffinityLoss",
    "SupervoxelLoss",
]
