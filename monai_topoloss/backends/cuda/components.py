"""Connected components of batches of volumes, on the GPU, by union-find on voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from monai_topoloss._checks.sizes import check_number_of_objects, type_of_numbers
from monai_topoloss.backends.cuda.launch import launch

_WIDE = (torch.int32, torch.int64)
_SIGNED = {torch.uint16: torch.int32, torch.uint32: torch.int64}  # PyTorch finds no maximum of the others


def as_keys(ids: Tensor, *, doubled: str | None = None) -> Tensor:
    """Return ids, which are 0 for background and above elsewhere, as int32; times 2 if named as what argument."""
    ids = ids.to(_SIGNED.get(ids.dtype, ids.dtype))
    if ids.dtype in _WIDE and ids.numel() and type_of_numbers(2 * int(ids.amax()) + 1) != np.int32:
        different, ids = ids.unique(return_inverse=True)
        lowest = int(different[0] != 0)
        ids = ids + lowest
        if doubled is not None:
            check_number_of_objects(doubled, len(different) - 1 + lowest)
    return ids.to(torch.int32) * (1 if doubled is None else 2)


def label_components(image: Tensor, connectivity: int) -> tuple[Tensor, Tensor]:
    """Number the components of equal ids in (N, Z, Y, X) from 1 on, in raster order: int32, and int64 (N,)."""
    keys = as_keys(image)
    return number_components(find_components(keys, connectivity, connectivity), keys)


def count_components(mask: Tensor, connectivity: int) -> Tensor:
    """Return how many components masks (N, Z, Y, X) have, int64 (N,)."""
    keys = mask.to(torch.int32)
    return find_roots(find_components(keys, connectivity, connectivity), keys).flatten(1).sum(dim=1)


def find_components(
    keys: Tensor, even_connectivity: int, odd_connectivity: int, *, remainder_as_one: bool = False
) -> Tensor:
    """Return for each voxel of keys (N, Z, Y, X) the first one of its component, as int32 numbers of voxels.

    Components of odd keys are under a connectivity of their own; ``remainder_as_one`` joins all even keys.
    """
    parent = number_voxels(keys.shape, keys.device)
    launch(
        "join_equal", keys.numel(), parent, keys, *keys.shape, even_connectivity, odd_connectivity,
        int(remainder_as_one),
    )  # fmt: skip
    launch("flatten", keys.numel(), parent, keys.numel())
    return parent


def find_roots(parent: Tensor, keys: Tensor) -> Tensor:
    """Return which voxels are the first of a component."""
    return (parent == number_voxels(parent.shape, parent.device)) & (keys != 0)


def number_voxels(shape: Sequence[int], device: torch.device) -> Tensor:
    """Return the numbers of voxels, in raster order; the backend has checked that they have 32 bits."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.int32, device=device).view(*shape)


def number_components(parent: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Number components in the order of their first voxels, within each item."""
    numbers = find_roots(parent, keys).flatten().cumsum(dim=0, dtype=torch.int32)  # of all items, one after the other
    by_item = numbers.view(parent.flatten(1).shape)
    ends = by_item[:, -1].long() if by_item.shape[1] else numbers.new_zeros(len(parent), dtype=torch.int64)
    before = torch.cat([ends.new_zeros(1), ends[:-1]])[: len(ends)]
    labels = numbers.index_select(0, parent.flatten()).view_as(by_item) - before.to(torch.int32).unsqueeze(1)
    return labels.view_as(parent).masked_fill_(keys == 0, 0), ends - before
