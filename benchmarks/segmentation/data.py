"""The data sets, and what is done to their images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
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
from monai_topoloss.datasets import chase_db1_datalist, synthetic_datalist, topomortar_datalist

SECTIONS = ("training", "validation", "test")


def _list_trees(root: Path, section: str) -> list[dict[str, Any]]:  # noqa: ARG001
    """Draw volumes of three trees of vessels, which count as one class."""
    count, seed = {"training": (24, 1), "validation": (6, 2), "test": (12, 3)}[section]
    cases = synthetic_datalist(count, (80, 80, 80), seed=seed, num_trees=3)
    return [{**case, "case": f"tree_{k:02d}"} for k, case in enumerate(cases)]


def _list_vesselexpress(root: Path, section: str) -> list[dict[str, Any]]:
    """Cut the one volume: its first half to train, a slab to validate, and four blocks to test."""
    (image,), (label,) = ((root / kind).glob("*.nii*") for kind in ("images", "labels"))
    volumes = {key: np.asarray(nibabel.load(path).dataobj)[None] for key, path in (("image", image), ("label", label))}
    blocks = {
        "training": [np.s_[:, :, :, :50]],
        "validation": [np.s_[:, :, :, 50:65]],
        "test": [np.s_[:, x : x + 50, y : y + 50, 65:] for x in (0, 50) for y in (0, 50)],
    }[section]
    return [
        {**{key: volume[block].astype(np.float32) for key, volume in volumes.items()}, "case": f"block_{k}"}
        for k, block in enumerate(blocks)
    ]


_DATALISTS = {
    "topomortar": partial(topomortar_datalist, group="indistr"),
    "chase_db1": chase_db1_datalist,
    "trees_3d": _list_trees,
    "vesselexpress_patch": _list_vesselexpress,
}
DATA_SETS = tuple(_DATALISTS)
VOLUMES = DATA_SETS[2:]  # as arrays


def list_cases(name: str, root: Path, section: str) -> list[dict[str, Any]]:
    """List a section's cases with ``"case"``, the name, and ``"group"``: what belongs to one child, or one wall."""
    cases: list[dict[str, Any]] = []
    for items in _DATALISTS[name](root / name, section):
        case = items["case"] if name in VOLUMES else Path(items["image"]).stem
        cases.append({**items, "case": case, "group": case.rstrip("LR")})
    return cases


def load(name: str) -> Compose:
    """Load and normalise an image, and make its label 0 and 1."""
    keys = ["image", "label"]
    return Compose(
        [
            EnsureTyped(keys) if name in VOLUMES else LoadImaged(keys, ensure_channel_first=True),
            NormalizeIntensityd("image", channel_wise=True),
            AsDiscreted("label", threshold=0.5),
        ]
    )


def augment(name: str, patch_size: list[int]) -> Compose:
    """Load, make the tubed skeleton, and take a random patch; an epoch of steps draws as many as it needs."""
    keys = ["image", "label", "skeleton_label"]
    return Compose(
        [
            *load(name).transforms,  # one by one: a Compose in a Compose counts as random, and would not be cached
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
