"""What label values mean, for everything that reads labels."""

from __future__ import annotations

import torch
from torch import Tensor


def has_id(label: Tensor, value: int) -> Tensor:
    """Where ``label`` equals ``value``: bool, same shape.

    A value that the dtype cannot hold is nowhere; plain ``label == -1`` would wrap round and find the 255 of uint8.
    """
    if label.dtype == torch.bool:
        return label == value if value in (0, 1) else torch.zeros_like(label)
    limits = torch.finfo(label.dtype) if label.is_floating_point() else torch.iinfo(label.dtype)
    if not limits.min <= value <= limits.max:
        return torch.zeros_like(label, dtype=torch.bool)
    return label == value


def drop_ignored(skeleton: Tensor, label: Tensor, ignore_index: int | None) -> Tensor:
    """Set a skeleton to 0 where the label, of as many or one channel, is ignored; axis 1 counts channels."""
    if ignore_index is None:
        return skeleton
    ignored = has_id(label, ignore_index)
    if ignored.shape[1] > skeleton.shape[1]:
        ignored = ignored.all(dim=1, keepdim=True)
    return skeleton.masked_fill(ignored, 0)
