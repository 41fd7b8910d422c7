"""The volume: 250 x 250 x 250 voxels of fly medulla, of which the first 150 planes train, 50 validate and 50 test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.transforms import (
    Compose,
    EnsureTyped,
    Lambdad,
    NormalizeIntensityd,
    RandFlipd,
    RandGaussianNoised,
    RandRotate90d,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandSpatialCropd,
)
from torch import Tensor

from monai_topoloss import tubed_skeleton

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


def part(label: Tensor) -> Tensor:
    """Return ids, (1, z, y, x), that are 0 on both sides of a border, but not where that would break thin bodies.

    Where in a membrane the border is, no image shows: without, a network cannot be sure of any affinity there.
    """
    marked = torch.zeros_like(label, dtype=torch.bool)
    for axis in (1, 2, 3):
        length = label.shape[axis] - 1
        differs = label.narrow(axis, 0, length) != label.narrow(axis, 1, length)
        for first in (0, 1):
            marked.narrow(axis, first, length).logical_or_(differs)
    skeletons = torch.as_tensor(tubed_skeleton(label[0], radius=0, per_class=True))[None]
    return torch.where(marked, skeletons.to(label.dtype), label)


def augment(patch_size: list[int]) -> Compose:
    """Normalise, part bodies, and take a random patch; all axes are alike, so that any flip and turn will do."""
    return Compose(
        [
            *load().transforms,
            Lambdad("label", part),
            RandSpatialCropd(KEYS, roi_size=patch_size, random_size=False),
            *(RandFlipd(KEYS, prob=0.5, spatial_axis=axis) for axis in range(3)),
            RandRotate90d(KEYS, prob=0.75, spatial_axes=(1, 2)),
            RandScaleIntensityd("image", factors=0.2, prob=0.5),
            RandShiftIntensityd("image", offsets=0.2, prob=0.5),
            RandGaussianNoised("image", prob=0.3, std=0.1),
        ]
    )
