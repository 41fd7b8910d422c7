"""The data sets, and what is done to their images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from monai.transforms import (
    AsDiscreted,
    Compose,
    EnsureTyped,
    LoadImaged,
    NormalizeIntensityd,
    RandAdjustContrastd,
    RandFlipd,
    RandGaussianNoised,
    RandRotate90d,
    RandScaleIntensityd,
    RandSpatialCropd,
)

from monai_topoloss import TubedSkeletonized
from monai_topoloss.datasets import chase_db1_datalist, topomortar_datalist

_DATALISTS = {"topomortar": partial(topomortar_datalist, group="indistr"), "chase_db1": chase_db1_datalist}
DATA_SETS = tuple(_DATALISTS)
SECTIONS = ("training", "validation", "test")


def list_cases(name: str, root: Path, section: str) -> list[dict[str, Any]]:
    """List a section's cases with ``"case"``, the name, and ``"group"``: what belongs to one child, or one wall."""
    cases: list[dict[str, Any]] = []
    for paths in _DATALISTS[name](root / name, section):
        case = Path(paths["image"]).stem
        cases.append({**paths, "case": case, "group": case.rstrip("LR")})
    return cases


def load() -> Compose:
    """Load and normalise an image, and make its label 0 and 1."""
    keys = ["image", "label"]
    return Compose(
        [
            LoadImaged(keys, ensure_channel_first=True),
            NormalizeIntensityd("image", channel_wise=True),
            AsDiscreted("label", threshold=0.5),
        ]
    )


def augment(patch_size: list[int]) -> Compose:
    """Load, make the tubed skeleton, and take a random patch; an epoch of steps draws as many as it needs."""
    keys = ["image", "label", "skeleton_label"]
    return Compose(
        [
            *load().transforms,  # one by one: a Compose in a Compose counts as random, and would not be cached
            TubedSkeletonized("label"),
            EnsureTyped(keys, track_meta=False),
            RandSpatialCropd(keys, roi_size=patch_size, random_size=False),
            RandFlipd(keys, prob=0.5, spatial_axis=0),
            RandRotate90d(keys, prob=0.75),
            RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.5), retain_stats=True),
            RandScaleIntensityd("image", factors=0.2, prob=0.3),
            RandGaussianNoised("image", prob=0.3, std=0.1),
        ]
    )
