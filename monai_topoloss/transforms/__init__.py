"""MONAI transforms: skeletons of labels, critical components of predictions, instances and affinities."""

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
from monai_topoloss.transforms.instances import (
    AffinitiesToInstances,
    AffinitiesToInstancesD,
    AffinitiesToInstancesd,
    AffinitiesToInstancesDict,
    InstancesToAffinities,
    InstancesToAffinitiesD,
    InstancesToAffinitiesd,
    InstancesToAffinitiesDict,
)
from monai_topoloss.transforms.separation import (
    SeparateInstances,
    SeparateInstancesD,
    SeparateInstancesd,
    SeparateInstancesDict,
)

__all__ = [
    "AffinitiesToInstances",
    "AffinitiesToInstancesD",
    "AffinitiesToInstancesDict",
    "AffinitiesToInstancesd",
    "CriticalComponents",
    "CriticalComponentsD",
    "CriticalComponentsDict",
    "CriticalComponentsd",
    "InstancesToAffinities",
    "InstancesToAffinitiesD",
    "InstancesToAffinitiesDict",
    "InstancesToAffinitiesd",
    "SeparateInstances",
    "SeparateInstancesD",
    "SeparateInstancesDict",
    "SeparateInstancesd",
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
