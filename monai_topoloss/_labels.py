"""What label values mean, for everything that reads labels."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def has_id(label: Tensor, value: int) -> Tensor:
    """Where ``label`` equals ``value``: bool, same shape.

    A value that the dtype cannot hold is nowhere; plain ``label == -1`` would wrap round and find the 255 of uint8,
    and ``label == 2049`` be rounded and find the 2048 of float16.
    """
    if label.dtype == torch.bool:
        return label == value if value in (0, 1) else torch.zeros_like(label)
    if not _can_hold(label.dtype, int(value)):
        return torch.zeros_like(label, dtype=torch.bool)
    return label == (float(value) if label.is_floating_point() else value)


def _can_hold(dtype: torch.dtype, value: int) -> bool:
    """Say whether a type has exactly that number, and not one that it is rounded to."""
    if not dtype.is_floating_point:
        return torch.iinfo(dtype).min <= value <= torch.iinfo(dtype).max
    limits = torch.finfo(dtype)
    significant = (abs(value) // (value & -value)).bit_length() if value else 0
    return limits.min <= value <= limits.max and significant <= 1 - math.log2(limits.eps)


def drop_ignored(skeleton: Tensor, label: Tensor, ignore_index: int | None) -> Tensor:
    """Set a skeleton to 0 where the label, of as many or one channel, is ignored; axis 1 counts channels."""
    if ignore_index is None:
        return skeleton
    ignored = has_id(label, ignore_index)
    if ignored.shape[1] > skeleton.shape[1]:
        ignored = ignored.all(dim=1, keepdim=True)
    return skeleton.masked_fill(ignored, 0)
