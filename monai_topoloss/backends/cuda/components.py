"""Connected components of batches of volumes, on the GPU, by union-find on voxels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_topoloss.backends.cuda.launch import launch
from monai_topoloss.backends.cuda.volumes import check_size

_HIGHEST_KEY = 2**30 - 1  # that can be doubled
_SIGNED = {torch.uint16: torch.int32, torch.uint32: torch.int64}  # PyTorch finds no maximum of the others


def as_keys(ids: Tensor, factor: int = 1) -> Tensor:
    """Return ids, which are 0 for background and above elsewhere, times 1 or 2 as int32."""
    ids = ids.to(_SIGNED.get(ids.dtype, ids.dtype))
    if ids.dtype in (torch.int32, torch.int64) and ids.numel() and int(ids.amax()) > _HIGHEST_KEY:
        with_zero = torch.cat([ids.new_zeros(1), ids.flatten()])
        ids = with_zero.unique(return_inverse=True)[1][1:].view_as(ids)
    return ids.to(torch.int32) * factor


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
    """Return the numbers of voxels, in raster order."""
    count = check_size(shape)
    return torch.arange(count, dtype=torch.int32, device=device).view(*shape)


def number_components(parent: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Number components in the order of their first voxels, within each item."""
    numbers = find_roots(parent, keys).flatten().cumsum(dim=0, dtype=torch.int32)  # of all items, one after the other
    by_item = numbers.view(parent.flatten(1).shape)
    ends = by_item[:, -1].long() if by_item.shape[1] else numbers.new_zeros(len(parent), dtype=torch.int64)
    before = torch.cat([ends.new_zeros(1), ends[:-1]])[: len(ends)]
    labels = numbers.index_select(0, parent.flatten()).view_as(by_item) - before.to(torch.int32).unsqueeze(1)
    return labels.view_as(parent).masked_fill_(keys == 0, 0), ends - before
