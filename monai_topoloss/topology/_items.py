"""Images as the backends take them."""

from __future__ import annotations

from torch import Tensor


def as_items(tensor: Tensor, spatial_dims: int) -> Tensor:
    """Flatten the axes that are not spatial into one."""
    lead = tensor.ndim - spatial_dims
    return tensor.reshape(tensor.shape[:lead].numel(), *tensor.shape[lead:])


def as_ids(tensor: Tensor) -> Tensor:
    """Return ids, which have been checked to be whole numbers, as bool or integers."""
    return tensor.long() if tensor.is_floating_point() else tensor
