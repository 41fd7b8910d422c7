"""Graphs of voxels that affinities join, in batches of volumes, on the GPU; see the CPU backend for the definitions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_topoloss._edges import at_edges, either_end
from monai_topoloss.backends.base import Critical
from monai_topoloss.backends.cuda.components import as_keys, find_roots, number_components, number_voxels
from monai_topoloss.backends.cuda.launch import launch

_NONE = -1  # of the remainder is touched

Steps = Sequence[tuple[int, ...]]


def as_steps(edges: Sequence[Sequence[int]]) -> Steps:
    """Return edges as steps in z, y and x."""
    return [(0,) * (3 - len(edge)) + tuple(edge) for edge in edges]


def label_affinities(affinity: Tensor, edges: Steps) -> Tensor:
    """Number the components of graphs of voxels, (N, edges, Z, Y, X), in raster order; single voxels are 0."""
    parent, joined = _join(number_voxels((len(affinity), *affinity.shape[2:]), affinity.device), affinity, edges)
    return number_components(parent, joined)[0]


def critical_affinities(input: Tensor, target: Tensor, edges: Steps, tolerance: int) -> Critical:
    """Find the critical affinities (N, edges, Z, Y, X) of ids (N, Z, Y, X)."""
    input, keys = input.contiguous(), as_keys(target).contiguous()
    truth, counts = torch.empty_like(input), torch.empty_like(input)
    launch_edges("compare_ends", edges, truth, counts, keys)
    right, missed, invented = input & truth, truth & ~input, input & ~truth & counts
    numbers = number_voxels(target.shape, target.device)
    parent, remains = _join(numbers.clone(), right, edges)
    slivers = None
    if tolerance:
        slivers = _find_slivers(right, counts, keys, parent, remains, edges, tolerance)
        parent, remains = torch.where(slivers, numbers, parent), remains * ~slivers
        right &= slivers.unsqueeze(1)
    found = [_find_critical(mistakes, slivers, right, edges, parent, remains) for mistakes in (missed, invented)]
    return Critical(found[0][0], found[1][0], found[0][1], found[1][1])


def launch_edges(name: str, edges: Steps, affinity: Tensor, *others: Tensor) -> None:
    """Run a kernel for each edge, with a thread for each voxel."""
    size = affinity.shape
    for index, edge in enumerate(edges):
        launch(name, affinity.numel() // max(len(edges), 1), affinity, *others, *size, index, *edge)


def _join(parent: Tensor, affinity: Tensor, edges: Steps) -> tuple[Tensor, Tensor]:
    """Join the ends of affinities; return the first voxel of each one's component, and which voxels are ends."""
    joined = torch.zeros(parent.shape, dtype=torch.uint8, device=parent.device)
    launch_edges("join_affine", edges, affinity.contiguous(), parent, joined)
    launch("flatten", parent.numel(), parent, parent.numel())
    return parent, joined


def _find_slivers(
    right: Tensor, inside: Tensor, keys: Tensor, parent: Tensor, remains: Tensor, edges: Steps, tolerance: int
) -> Tensor:
    """Return which voxels (N, Z, Y, X) are of slivers, see `monai_topoloss.backends.cpu.slivers`."""
    broken = either_end(inside & ~right, edges)
    for _ in range(tolerance - 1):
        broken = broken | either_end(right & at_edges(broken, edges, torch.logical_or), edges)
    core = (remains != 0) & ~broken
    of_component = torch.zeros(parent.numel(), dtype=torch.bool, device=parent.device)
    of_component[parent[core].long()] = True
    items = torch.arange(len(keys), device=keys.device).view(-1, 1, 1, 1)
    high = keys.amax().long() + 1 if keys.numel() else 1
    objects, number = torch.unique(items * high + keys, return_inverse=True)
    of_object = torch.zeros(len(objects), dtype=torch.bool, device=keys.device)
    of_object[number[core]] = True
    return (remains != 0) & ~of_component[parent.long()] & of_object[number]


def _find_critical(
    mistakes: Tensor, slivers: Tensor | None, within: Tensor, edges: Steps, parent: Tensor, remains: Tensor
) -> tuple[Tensor, Tensor]:
    """Return which mistakes are critical, and how many splits or merges they make, (N, 1).

    Mistakes hang together by slivers, voxels, with the affinities within these.
    """
    free = torch.empty_like(mistakes)
    launch_edges("select_free", edges, free, mistakes if slivers is None else mistakes | within, remains)
    components, _ = _join(parent.clone(), free, edges)  # of the remainder, and of mistakes by their other voxels
    joined = parent.clone()  # the components of the remainder, as far as mistakes join them
    touched = torch.full_like(parent, _NONE)
    many = torch.zeros_like(remains)
    ends = torch.zeros_like(remains)
    launch_edges("touch_affine", edges, mistakes, components, remains, joined, touched, many, ends)
    launch("flatten", joined.numel(), joined, joined.numel())
    if slivers is not None:  # what touches these only is not critical, as if it touched one component
        roots, flat = components[slivers], touched.view(-1)
        flat[roots.long()] = torch.where(flat[roots.long()] == _NONE, roots, flat[roots.long()])
    critical = torch.empty_like(mistakes)
    launch_edges("judge_affine", edges, critical, mistakes, components, remains, touched, many)
    untouched = find_roots(components, ends) & (remains == 0) & (touched == _NONE)
    pieces, wholes = find_roots(parent, remains), find_roots(joined, remains)
    return critical, _count(untouched) + _count(pieces) - _count(wholes)


def _count(mask: Tensor) -> Tensor:
    return mask.flatten(1).sum(dim=1, keepdim=True)
