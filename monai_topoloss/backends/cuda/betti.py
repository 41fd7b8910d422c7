"""Betti numbers and Euler characteristics of batches of volumes, on the GPU."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_topoloss.backends.cuda.components import count_components
from monai_topoloss.backends.cuda.launch import launch
from monai_topoloss.backends.cuda.volumes import pad


def betti_numbers(mask: Tensor, connectivity: int, ndim: int) -> Tensor:
    """Return components, tunnels and in 3-D cavities of masks (N, Z, Y, X), int64 (N, ndim)."""
    components, euler = count_components(mask, connectivity), euler_number(mask, connectivity)
    if ndim == 2:
        return torch.stack([components, components - euler], dim=1)
    # Cavities are components of the background but the outer one, which an empty border makes whole.
    cavities = count_components(pad(~mask, value=1), 3 if connectivity == 1 else 1) - 1
    return torch.stack([components, components + cavities - euler, cavities], dim=1)


def euler_number(mask: Tensor, connectivity: int) -> Tensor:
    """Return the Euler characteristics of masks (N, Z, Y, X), int64 (N,)."""
    items, depth, height, width = mask.shape
    sums = torch.zeros(items, dtype=torch.int64, device=mask.device)
    diagonals = int(connectivity == 2 and depth > 1)
    rows = items * (depth + 1) * (height + 1)
    launch("add_euler", rows, pad(mask), sums, items, depth, height, width, connectivity, diagonals)
    return sums
