"""MONAI transforms: skeletons and tubed skeletons of labels, critical components of predictions."""

from monai_topoloss.transforms.array import CriticalComponents, Skeletonize, TubedSkeletonize
from monai_topoloss.transforms.dictionary import (
    CriticalComponentsD,
    CriticalComponentsd,
    CriticalComponentsDict,
    SkeletonizeD,
    Skeletonized,
    SkeletonizeDict,
    TubedSkeletonizeD,
    TubedSkeletonized,
    TubedSkeletonizeDict,
)

__all__ = [
    "CriticalComponents",
    "CriticalComponentsD",
    "CriticalComponentsDict",
    "CriticalComponentsd",
    "Skeletonize",
    "SkeletonizeD",
    "SkeletonizeDict",
    "Skeletonized",
    "TubedSkeletonize",
    "TubedSkeletonizeD",
    "TubedSkeletonizeDict",
    "TubedSkeletonized",
]
