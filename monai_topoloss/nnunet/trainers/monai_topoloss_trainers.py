"""Names the trainers for nnU-Net, which looks through this folder."""

from monai_topoloss.nnunet.trainer import (
    nnUNetTrainerSkeletonRecall,
    nnUNetTrainerSkeletonRecallCenterlineDice,
    nnUNetTrainerSkeletonRecallPrecision,
    nnUNetTrainerSkeletonRecallSupervoxel,
    nnUNetTrainerSupervoxel,
)

__all__ = [
    "nnUNetTrainerSkeletonRecall",
    "nnUNetTrainerSkeletonRecallCenterlineDice",
    "nnUNetTrainerSkeletonRecallPrecision",
    "nnUNetTrainerSkeletonRecallSupervoxel",
    "nnUNetTrainerSupervoxel",
]
