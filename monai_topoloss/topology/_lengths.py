"""How much of a skeleton lies in a mask: voxels, or with a spacing the length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss.backends import graph_backend

Spacing = float | Sequence[float] | None


def measure_within(skeletons: Tensor, masks: Tensor, sizes: Sequence[float] | None) -> tuple[Tensor, Tensor]:
    """Return how much of each skeleton is in a mask, and how much there is.

    Args:
        skeletons: bool ``(B, C, *spatial)``.
        masks: likewise.
        sizes: of a voxel along each axis; None: voxels are counted.

    Returns:
        Two tensors ``(B, C)`` on the device of the skeletons: int64 numbers of voxels, or float64 lengths. Each voxel
        has half of the way to those that it is linked to, see `monai_topoloss.topology.skeleton_graph`; one that is
        linked to none is as long as it is wide, on the mean of all axes.
    """
    if sizes is None:
        return (skeletons & masks).flatten(2).sum(dim=2), skeletons.flatten(2).sum(dim=2)
    backend, shape = graph_backend(), skeletons.shape[:2]
    pairs = zip(skeletons.flatten(0, 1).cpu(), masks.flatten(0, 1).cpu(), strict=True)
    found = [sum_lengths(backend.count_steps(one.numpy(), other.numpy()), sizes) for one, other in pairs]
    inside, total = torch.tensor(found, dtype=torch.float64, device=skeletons.device).reshape(*shape, 2).unbind(-1)
    return inside, total


def sum_lengths(counts: NDArray[np.int64], sizes: Sequence[float]) -> tuple[float, float]:
    """Return how long the steps in the mask are together, and all, which `GraphBackend.count_steps` counts."""
    total, inside = counts.T @ graph_backend().step_lengths(np.array(sizes))
    return float(inside), float(total)
