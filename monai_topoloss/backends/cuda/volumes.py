"""Batches of images as the kernels take them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_MOST_VOXELS = 2**31 - 1


def as_volumes(batch: Tensor) -> Tensor:
    """Return items (N, *spatial) as contiguous volumes (N, Z, Y, X); images have one plane."""
    volumes = batch if batch.ndim == 4 else batch.unsqueeze(1)
    return volumes.contiguous()


def pad(mask: Tensor, value: int = 0) -> Tensor:
    """Return masks (N, Z, Y, X) as uint8 with a border of one voxel, contiguous."""
    items, *spatial = mask.shape
    shape = (items, *(size + 2 for size in spatial))
    check_size(shape)
    padded = torch.full(shape, value, dtype=torch.uint8, device=mask.device)
    padded[:, 1:-1, 1:-1, 1:-1] = mask
    return padded


def check_size(shape: Sequence[int]) -> int:
    """Return how many voxels there are; an int32 has to be able to number them."""
    count = torch.Size(shape).numel()
    if count > _MOST_VOXELS:
        raise ValueError(f"Expected at most {_MOST_VOXELS} voxels at once on the GPU, got {count}: split the batch.")
    return count


def crop(volume: Tensor) -> Tensor:
    """Return padded volumes without their border, as bool."""
    return volume[:, 1:-1, 1:-1, 1:-1] != 0


def strides_of(volume: Tensor) -> tuple[int, int]:
    """Return how many voxels a row and a plane of padded volumes are."""
    height, width = volume.shape[2:]
    return width, height * width
