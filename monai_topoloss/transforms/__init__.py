"""MONAI transforms: skeletons and tubed skeletons of labels, critical components of predictions."""

from monai_topoloss.transforms.array import CriticalComponents, Skeletonize, SoftSkeletonize, TubedSkeletonize
from monai_topoloss.transforms.dictionary import (
    CriticalComponentsD,
    CriticalComponentsd,
    CriticalComponentsDict,
    SkeletonizeD,
    Skeletonized,
    SkeletonizeDict,
    SoftSkeletonizeD,
    SoftSkeletonized,
    SoftSkeletonizeDict,
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
    "SoftSkeletonize",
    "SoftSkeletonizeD",
    "SoftSkeletonizeDict",
    "SoftSkeletonized",
    "TubedSkeletonize",
    "TubedSkeletonizeD",
    "TubedSkeletonizeDict",
    "TubedSkeletonized",
]
