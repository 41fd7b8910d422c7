"""Batches that nnU-Net's own transforms make."""

from __future__ import annotations

import numpy as np
import torch

from monai_topoloss.datasets import synthetic_vessels
from tests.nnunet.workspace import IGNORE_LABEL


def get_transforms(trainer, *, training=True):
    """The transforms as `get_dataloaders` asks for them."""
    manager = trainer.label_manager
    rotation, dummy_2d, _, mirror_axes = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    scales = trainer._get_deep_supervision_scales()
    options = {
        "is_cascaded": trainer.is_cascaded,
        "foreground_labels": manager.foreground_labels,
        "regions": manager.foreground_regions if manager.has_regions else None,
        "ignore_label": manager.ignore_label,
    }
    if not training:
        return trainer.get_validation_transforms(scales, **options)
    patch_size = trainer.configuration_manager.patch_size
    return trainer.get_training_transforms(
        patch_size, rotation, scales, mirror_axes, dummy_2d, use_mask_for_norm=[False], **options
    )


def make_batch(trainer, mode, *, training=False):
    """Two samples after the transforms, put together as nnU-Net's loader does."""
    transforms = get_transforms(trainer, training=training)
    size = trainer.configuration_manager.patch_size
    samples = []
    for seed in range(2):
        image, label = synthetic_vessels(tuple(size), seed=seed, num_trees=2)
        label = label.astype(np.int16)
        if "ignore" in mode:
            label[:, :8] = IGNORE_LABEL
        label[:, :, -2:] = -1  # beyond the border of the image
        segmentation = np.concatenate([label, label * (label < 2)]) if trainer.is_cascaded else label
        sample = {"image": torch.from_numpy(image), "segmentation": torch.from_numpy(segmentation)}
        samples.append(transforms(**sample))
    targets = [sample["segmentation"] for sample in samples]
    if isinstance(targets[0], list):
        target = [torch.stack(level) for level in zip(*targets, strict=True)]
    else:
        target = torch.stack(targets)
    return {"data": torch.stack([sample["image"] for sample in samples]), "target": target}
