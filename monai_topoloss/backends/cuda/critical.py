"""Critical components of the mistakes in batches of volumes, on the GPU; see the CPU backend for the definitions."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_topoloss.backends.base import Critical
from monai_topoloss.backends.cuda.components import as_keys, find_components, find_roots, label_components
from monai_topoloss.backends.cuda.launch import launch

_OBJECT = 0x7FFF_FFFE  # of a key, what says whose voxel it is
_MISSED, _INVENTED = 3, 3 - 2**31  # what is found is 2


def critical_components(
    input: Tensor, target: Tensor, *, classes: int | None, object_connectivity: int, mistake_connectivity: int
) -> Critical:
    """Find the critical components of items (N, Z, Y, X) of bool or ids."""
    connectivities = (object_connectivity, mistake_connectivity)
    if object_connectivity != mistake_connectivity and classes is None and len(input) > 1:
        # Whether an item is a mask or has instances makes a difference then.
        pairs = zip(input.split(1), target.split(1), strict=True)
        found = [
            critical_components(
                *pair,
                classes=None,
                object_connectivity=object_connectivity,
                mistake_connectivity=mistake_connectivity,
            )
            for pair in pairs
        ]
        return Critical(*map(torch.cat, zip(*found, strict=True)))
    masks = (None, None) if classes is not None else (_as_mask(input), _as_mask(target))
    if masks[0] is not None and masks[1] is not None and object_connectivity == mistake_connectivity:
        return _of_masks(masks[0], masks[1], connectivities)
    splits, n_splits = _of_objects("target", target, input, masks[1], classes, connectivities)
    merges, n_merges = _of_objects("input", input, target, masks[0], classes, connectivities)
    return Critical(splits, merges, n_splits, n_merges)


def _as_mask(image: Tensor) -> Tensor | None:
    """Return images with at most one value besides 0 each as masks."""
    if image.dtype == torch.bool or not image.numel():
        return image != 0
    highest = image.flatten(1).amax(dim=1).view(-1, 1, 1, 1)
    return image != 0 if bool(((image == 0) | (image == highest)).all()) else None


def _of_masks(input: Tensor, target: Tensor, connectivities: tuple[int, int]) -> Critical:
    """What is missed and what is invented touch the same remainder: one labelling is enough."""
    keys = ((input | target).to(torch.int32) << 1) | (input ^ target).to(torch.int32)
    keys |= (input & ~target).to(torch.int32) << 31
    critical, firsts = _find_critical(keys, connectivities)
    missed, invented = keys == _MISSED, keys == _INVENTED
    counts = ((firsts & kind).flatten(1).sum(dim=1, keepdim=True) for kind in (missed, invented))
    return Critical(critical & missed, critical & invented, *counts)


def _of_objects(
    name: str,
    reference: Tensor,
    other: Tensor,
    mask: Tensor | None,
    classes: int | None,
    connectivities: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Return the critical components of what ``other`` misses of the objects of ``reference``, and their number."""
    mistakes = (reference != 0) & ((other == 0) if classes is None else (other != reference))
    mixed = connectivities[0] != connectivities[1]
    ids = reference if mask is None else mask
    if mixed and (classes is not None or mask is not None):
        ids = label_components(ids, connectivities[0])[0]
    keys = as_keys(ids, doubled=name) | mistakes.to(torch.int32)
    as_released = mixed and classes is None and mask is None
    critical, firsts = _find_critical(keys, connectivities, as_released=as_released)
    if classes is None:
        return critical, firsts.flatten(1).sum(dim=1, keepdim=True)
    bins = firsts.nonzero()[:, 0] * classes + reference[firsts].long()
    return critical, torch.bincount(bins, minlength=len(reference) * classes).view(-1, classes)


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
