"""MONAI transforms: skeletons and tubed skeletons of labels."""

from monai_topoloss.transforms.array import Skeletonize, TubedSkeletonize
from monai_topoloss.transforms.dictionary import (
    SkeletonizeD,
    Skeletonized,
    SkeletonizeDict,
    TubedSkeletonizeD,
    TubedSkeletonized,
    TubedSkeletonizeDict,
)

__all__ = [
    "Skeletonize",
    "SkeletonizeD",
    "SkeletonizeDict",
    "Skeletonized",
    "TubedSkeletonize",
    "TubedSkeletonizeD",
    "TubedSkeletonizeDict",
    "TubedSkeletonized",
]
