"""Comparison of two partitions of an image into segments, on the GPU."""

from __future__ import annotations

import torch
from torch import Tensor


def compare_partitions(input: Tensor, target: Tensor, *, foreground_only: bool) -> Tensor:
    """Return H(input | target), H(target | input), the adapted Rand error, precision and recall, float64 (5,)."""
    input, target = input.flatten(), target.flatten()
    if foreground_only:
        foreground = target != 0
        input, target = input[foreground], target[foreground]
    objects = [ids.unique(return_inverse=True)[1] for ids in (input, target)]
    objects.append(objects[0] * (target.numel() + 1) + objects[1])  # no overflow: both are below the number of voxels
    in_input, in_target, both = (_count(ids) for ids in objects)
    joint, of_input, of_target = (_entropy(counts) for counts in (both, in_input, in_target))
    if foreground_only:  # single voxels have no pairs
        in_input, both = (_count(ids[input != 0]) for ids in (objects[0], objects[2]))
    in_input, in_target, both = ((counts * (counts - 1)).sum() for counts in (in_input, in_target, both))
    no_error, certain = both.new_zeros(()), both.new_ones(())
    return torch.stack(
        [
            (joint - of_target).clamp(min=0),
            (joint - of_input).clamp(min=0),
            torch.where(in_input + in_target > 0, 1 - 2 * both / (in_input + in_target), no_error),
            torch.where(in_input > 0, both / in_input, certain),
            torch.where(in_target > 0, both / in_target, certain),
        ]
    )


def _count(ids: Tensor) -> Tensor:
    """Return how many voxels each segment has."""
    counts: Tensor = ids.unique(return_counts=True)[1]
    return counts.double()


def _entropy(counts: Tensor) -> Tensor:
    """Return the entropy in bits of shares, given as numbers of voxels."""
    shares = counts / counts.sum().clamp(min=1)
    return -(shares * shares.log2()).sum()
