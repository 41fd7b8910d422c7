"""Batches of images as the kernels take them."""

from __future__ import annotations

import torch
from torch import Tensor


def as_volumes(batch: Tensor) -> Tensor:
    """Return items (N, *spatial) as contiguous volumes (N, Z, Y, X); images have one plane."""
    volumes = batch if batch.ndim == 4 else batch.unsqueeze(1)
    return volumes.contiguous()


def pad(mask: Tensor, value: int = 0) -> Tensor:
    """Return masks (N, Z, Y, X) as uint8 with a border of one voxel, contiguous."""
    items, *spatial = mask.shape
    shape = (items, *(size + 2 for size in spatial))
    padded = torch.full(shape, value, dtype=torch.uint8, device=mask.device)
    padded[:, 1:-1, 1:-1, 1:-1] = mask
    return padded


def crop(volume: Tensor) -> Tensor:
    """Return padded volumes without their border, as bool."""
    return volume[:, 1:-1, 1:-1, 1:-1] != 0


def strides_of(volume: Tensor) -> tuple[int, int]:
    """Return how many voxels a row and a plane of padded volumes are."""
    height, width = volume.shape[2:]
    return width, height * width
