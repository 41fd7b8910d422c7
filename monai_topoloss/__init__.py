"""MONAI-compatible transforms, losses and metrics that keep thin structures connected.

Names are looked up on first use: the command line needs neither MONAI nor losses, which take seconds to import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_PACKAGES = ("topology", "transforms", "losses", "engines", "handlers")  # those that import least first


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__:
        for package in _PACKAGES:
            module = importlib.import_module(f"{__name__}.{package}")
            if name in module.__all__:
                value = globals()[name] = getattr(module, name)
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
