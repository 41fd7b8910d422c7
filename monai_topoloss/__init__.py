"""MONAI-compatible transforms, losses and metrics that keep thin structures connected.

Names are looked up on first use: the command line needs neither MONAI nor losses, which take seconds to import.
"""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any

from monai_topoloss._fork import hold_at_forks

if TYPE_CHECKING:
    from types import ModuleType

    from monai_topoloss.engines import PrepareBatchSkeleton
    from monai_topoloss.handlers import LossWeightSchedule, RestoreLabel
    from monai_topoloss.losses import (
        DiceCESkeletonRecallLoss,
        NeighborPenalty,
        SkeletonDeepSupervisionLoss,
        SkeletonPrecisionLoss,
        SkeletonRecallLoss,
        SoftCenterlineDiceLoss,
        SumLoss,
        SupervoxelAffinityLoss,
        SupervoxelLoss,
    )
    from monai_topoloss.topology import (
        affinities,
        betti_numbers,
        critical_affinities,
        critical_components,
        euler_number,
        label_affinities,
        label_components,
        score_skeletons,
        separate_instances,
        skeleton_graph,
        skeleton_trees,
        skeletonize,
        soft_skeleton,
        tubed_skeleton,
    )
    from monai_topoloss.transforms import (
        AffinitiesToInstances,
        AffinitiesToInstancesD,
        AffinitiesToInstancesd,
        AffinitiesToInstancesDict,
        CriticalComponents,
        CriticalComponentsD,
        CriticalComponentsd,
        CriticalComponentsDict,
        InstancesToAffinities,
        InstancesToAffinitiesD,
        InstancesToAffinitiesd,
        InstancesToAffinitiesDict,
        SeparateInstances,
        SeparateInstancesD,
        SeparateInstancesd,
        SeparateInstancesDict,
        Skeletonize,
        SkeletonizeD,
        Skeletonized,
        SkeletonizeDict,
        SoftSkeletonize,
        SoftSkeletonizeD,
        SoftSkeletonized,
        SoftSkeletonizeDict,
        TubedSkeletonize,
        TubedSkeletonizeD,
        TubedSkeletonized,
        TubedSkeletonizeDict,
    )

__version__ = "0.1.0"

__all__ = [
    "AffinitiesToInstances",
    "AffinitiesToInstancesD",
    "AffinitiesToInstancesDict",
    "AffinitiesToInstancesd",
    "CriticalComponents",
    "CriticalComponentsD",
    "CriticalComponentsDict",
    "CriticalComponentsd",
    "DiceCESkeletonRecallLoss",
    "InstancesToAffinities",
    "InstancesToAffinitiesD",
    "InstancesToAffinitiesDict",
    "InstancesToAffinitiesd",
    "LossWeightSchedule",
    "NeighborPenalty",
    "PrepareBatchSkeleton",
    "RestoreLabel",
    "SeparateInstances",
    "SeparateInstancesD",
    "SeparateInstancesDict",
    "SeparateInstancesd",
    "SkeletonDeepSupervisionLoss",
    "SkeletonPrecisionLoss",
    "SkeletonRecallLoss",
    "Skeletonize",
    "SkeletonizeD",
    "SkeletonizeDict",
    "Skeletonized",
    "SoftCenterlineDiceLoss",
    "SoftSkeletonize",
    "SoftSkeletonizeD",
    "SoftSkeletonizeDict",
    "SoftSkeletonized",
    "SumLoss",
    "SupervoxelAffinityLoss",
    "SupervoxelLoss",
    "TubedSkeletonize",
    "TubedSkeletonizeD",
    "TubedSkeletonizeDict",
    "TubedSkeletonized",
    "affinities",
    "betti_numbers",
    "critical_affinities",
    "critical_components",
    "euler_number",
    "label_affinities",
    "label_components",
    "score_skeletons",
    "separate_instances",
    "skeleton_graph",
    "skeleton_trees",
    "skeletonize",
    "soft_skeleton",
    "tubed_skeleton",
]

_PACKAGES = ("topology", "transforms", "losses", "engines", "handlers")  # those that import least first

_importing = threading.RLock()
hold_at_forks(_importing)  # else a child may find modules that are imported by half, and wait for the rest


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return _package(name)
    if name in __all__:
        for package in map(_package, _PACKAGES):
            if name in package.__all__:
                value = globals()[name] = getattr(package, name)
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _package(name: str) -> ModuleType:
    with _importing:
        return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
