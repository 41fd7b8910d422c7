"""Critical components of the mistakes in batches of volumes, on the GPU; see the CPU backend for the definitions."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_topoloss.backends.base import Critical
from monai_topoloss.backends.cuda.components import as_keys, find_components, find_roots, label_components
from monai_topoloss.backends.cuda.launch import launch

_OBJECT = 0x7FFF_FFFE  # of a key, what says whose voxel it is
_FOUND, _MISSED, _INVENTED = 2, 3, 3 - 2**31


def critical_components(
    input: Tensor, target: Tensor, *, classes: int | None, object_connectivity: int, mistake_connectivity: int
) -> Critical:
    """Find the critical components of items (N, Z, Y, X) of bool or ids."""
    connectivities = (object_connectivity, mistake_connectivity)
    masks = (None, None) if classes is not None else (_as_mask(input), _as_mask(target))
    if masks[0] is not None and masks[1] is not None and object_connectivity == mistake_connectivity:
        return _of_masks(masks[0], masks[1], connectivities)
    splits, n_splits = _of_objects(target, input, masks[1], classes, connectivities)
    merges, n_merges = _of_objects(input, target, masks[0], classes, connectivities)
    return Critical(splits, merges, n_splits, n_merges)


def _as_mask(image: Tensor) -> Tensor | None:
    """Return images with at most one value besides 0 each as masks."""
    if image.dtype == torch.bool:
        return image
    highest = image.flatten(1).amax(dim=1).view(-1, 1, 1, 1)
    return image != 0 if bool(((image == 0) | (image == highest)).all()) else None


def _of_masks(input: Tensor, target: Tensor, connectivities: tuple[int, int]) -> Critical:
    """What is missed and what is invented touch the same remainder: one labelling is enough."""
    keys = torch.where(target, _MISSED, _INVENTED)
    keys = torch.where(input == target, _FOUND * target, keys).to(torch.int32)
    critical, firsts = _find_critical(keys, connectivities)
    missed, invented = keys == _MISSED, keys == _INVENTED
    counts = ((firsts & kind).flatten(1).sum(dim=1, keepdim=True) for kind in (missed, invented))
    return Critical(critical & missed, critical & invented, *counts)


def _of_objects(
    reference: Tensor, other: Tensor, mask: Tensor | None, classes: int | None, connectivities: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return the critical components of what ``other`` misses of the objects of ``reference``, and their number."""
    mistakes = (reference != 0) & ((other == 0) if classes is None else (other != reference))
    mixed = connectivities[0] != connectivities[1]
    ids = reference if mask is None else mask
    if mixed and (classes is not None or mask is not None):
        ids = label_components(ids, connectivities[0])[0]
    keys = as_keys(ids, 2) | mistakes.to(torch.int32)
    as_released = mixed and classes is None and mask is None
    critical, firsts = _find_critical(keys, connectivities, as_released=as_released)
    if classes is None:
        return critical, firsts.flatten(1).sum(dim=1, keepdim=True)
    counts = [(firsts & (reference == k)).flatten(1).sum(dim=1) for k in range(classes)]
    return critical, torch.stack(counts, dim=1)


def _find_critical(
    keys: Tensor, connectivities: tuple[int, int], *, as_released: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the critical components of mistakes, and their first voxels."""
    parent = find_components(keys, *connectivities, remainder_as_one=as_released)
    touched = torch.full_like(parent, -1)
    launch("touch", keys.numel(), touched, parent, keys, *keys.shape, connectivities[1], _OBJECT)
    fate = touched.flatten().index_select(0, parent.flatten()).view_as(parent)
    critical = (keys & 1 != 0) & (fate < 0)
    return critical, critical & find_roots(parent, keys)
