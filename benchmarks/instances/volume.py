"""The volume: 250 x 250 x 250 voxels of fly medulla, of which the first 150 planes train, 50 validate and 50 test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from monai.transforms import (
    Compose,
    EnsureTyped,
    NormalizeIntensityd,
    RandFlipd,
    RandGaussianNoised,
    RandRotate90d,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandSpatialCropd,
)

from monai_topoloss import SeparateInstancesd

SECTIONS = {"training": slice(0, 150), "validation": slice(150, 200), "test": slice(200, 250)}
SPACING = 10.0  # nm, along each axis
KEYS = ("image", "label")


def read(root: Path, section: str, planes: int | None = None) -> dict[str, Any]:
    """Read image and ids of a section, (1, z, y, x), or its first planes only."""
    part = SECTIONS[section]
    part = slice(part.start, min(part.stop, part.start + planes)) if planes else part
    files = {"image": "image.nii.gz", "label": "instances.nii.gz"}
    arrays = {key: np.asarray(nibabel.load(root / "flyem_medulla" / name).dataobj)[part] for key, name in files.items()}
    return {"image": arrays["image"][None].astype(np.float32), "label": arrays["label"][None].astype(np.int32)}


def load() -> Compose:
    """Normalise an image."""
    return Compose([EnsureTyped(KEYS, track_meta=False), NormalizeIntensityd("image")])


def augment(patch_size: list[int]) -> Compose:
    """Normalise, part bodies, and take a random patch; all axes are alike, so that any flip and turn will do."""
    return Compose(
        [
            *load().transforms,
            SeparateInstancesd("label"),
            RandSpatialCropd(KEYS, roi_size=patch_size, random_size=False),
            *(RandFlipd(KEYS, prob=0.5, spatial_axis=axis) for axis in range(3)),
            RandRotate90d(KEYS, prob=0.75, spatial_axes=(1, 2)),
            RandScaleIntensityd("image", factors=0.2, prob=0.5),
            RandShiftIntensityd("image", offsets=0.2, prob=0.5),
            RandGaussianNoised("image", prob=0.3, std=0.1),
        ]
    )
