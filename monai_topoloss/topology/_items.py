"""Images as the backends take them."""

from __future__ import annotations

from torch import Tensor


def as_items(tensor: Tensor, spatial_dims: int) -> Tensor:
    """Flatten the axes that are not spatial into one."""
    lead = tensor.ndim - spatial_dims
    if lead == 0:
        return tensor.unsqueeze(0)
    return tensor if lead == 1 else tensor.flatten(0, lead - 1)


def from_items(items: Tensor, tensor: Tensor) -> Tensor:
    """Give a result for items the shape of the tensor that they came from."""
    if items.ndim == tensor.ndim:
        return items
    return items.squeeze(0) if items.ndim == tensor.ndim + 1 else items.reshape(tensor.shape)


def as_ids(tensor: Tensor) -> Tensor:
    """Return ids, which have been checked to be whole numbers, as bool or integers."""
    return tensor.long() if tensor.is_floating_point() else tensor
