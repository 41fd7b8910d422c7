"""MONAI-compatible transforms, losses and metrics that keep thin structures connected."""

from monai_topoloss.engines import PrepareBatchSkeleton
from monai_topoloss.handlers import LossWeightSchedule, RestoreLabel
from monai_topoloss.losses import (
    DiceCESkeletonRecallLoss,
    SkeletonDeepSupervisionLoss,
    SkeletonRecallLoss,
    SumLoss,
    SupervoxelAffinityLoss,
    SupervoxelLoss,
)
from monai_topoloss.topology import (
    betti_numbers,
    critical_components,
    euler_number,
    label_components,
    skeletonize,
    tubed_skeleton,
)
from monai_topoloss.transforms import (
    CriticalComponents,
    CriticalComponentsD,
    CriticalComponentsd,
    CriticalComponentsDict,
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
    "CriticalComponents",
    "CriticalComponentsD",
    "CriticalComponentsDict",
    "CriticalComponentsd",
    "DiceCESkeletonRecallLoss",
    "LossWeightSchedule",
    "PrepareBatchSkeleton",
    "RestoreLabel",
    "SkeletonDeepSupervisionLoss",
    "SkeletonRecallLoss",
    "Skeletonize",
    "SkeletonizeD",
    "SkeletonizeDict",
    "Skeletonized",
    "SumLoss",
    "SupervoxelAffinityLoss",
    "SupervoxelLoss",
    "TubedSkeletonize",
    "TubedSkeletonizeD",
    "TubedSkeletonizeDict",
    "TubedSkeletonized",
    "betti_numbers",
    "critical_components",
    "euler_number",
    "label_components",
    "skeletonize",
    "tubed_skeleton",
]
