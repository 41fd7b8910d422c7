"""MONAI-compatible transforms, losses and metrics that keep thin structures connected."""

from monai_topoloss.engines import PrepareBatchSkeleton
from monai_topoloss.handlers import RestoreLabel
from monai_topoloss.losses import DiceCESkeletonRecallLoss, SkeletonDeepSupervisionLoss, SkeletonRecallLoss
from monai_topoloss.topology import skeletonize, tubed_skeleton
from monai_topoloss.transforms import (
    Skeletonize,
    SkeletonizeD,
    Skeletonized,
    SkeletonizeDict,
    TubedSkeletonize,
    TubedSkeletonizeD,
    TubedSkeletonized,
    TubedSkeletonizeDict,
)

__version__ = "0.1.0"

__all__ = [
    "DiceCESkeletonRecallLoss",
    "PrepareBatchSkeleton",
    "RestoreLabel",
    "SkeletonDeepSupervisionLoss",
    "SkeletonRecallLoss",
    "Skeletonize",
    "SkeletonizeD",
    "SkeletonizeDict",
    "Skeletonized",
    "TubedSkeletonize",
    "TubedSkeletonizeD",
    "TubedSkeletonizeDict",
    "TubedSkeletonized",
    "skeletonize",
    "tubed_skeleton",
]
