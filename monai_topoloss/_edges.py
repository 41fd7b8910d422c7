"""Both ends of the edges between voxels, as views of images ``(..., *spatial)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Edges = Sequence[Sequence[int]]


def ends(image: Tensor, edge: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return views: the voxels that have a neighbour an edge further, and these neighbours."""
    here = there = image
    for axis, step in enumerate(edge, start=image.ndim - len(edge)):
        first, length = abs(step), max(0, image.shape[axis] - abs(step))
        first = min(first, image.shape[axis])
        here = here.narrow(axis, first if step < 0 else 0, length)
        there = there.narrow(axis, first if step > 0 else 0, length)
    return here, there


def at_edges(image: Tensor, edges: Edges, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Combine an image ``(..., *spatial)`` at both ends of each edge: bool ``(..., edges, *spatial)``.

    False where an edge leaves the image.
    """
    ndim = len(edges[0])
    lead, spatial = image.shape[: image.ndim - ndim], image.shape[image.ndim - ndim :]
    result = torch.zeros(*lead, len(edges), *spatial, dtype=torch.bool, device=image.device)
    for index, edge in enumerate(edges):
        ends(result.select(len(lead), index), edge)[0].copy_(combine(*ends(image, edge)))
    return result


def join_equal(ids: Tensor, edges: Edges) -> Tensor:
    """Say which edges have the same id other than 0 at both ends."""
    return at_edges(ids, edges, lambda here, there: (here == there) & (here != 0))


def inside(spatial: Sequence[int], edges: Edges, device: torch.device) -> Tensor:
    """Say which edges stay in an image of that size: bool ``(edges, *spatial)``."""
    return at_edges(torch.ones(*spatial, dtype=torch.bool, device=device), edges, torch.logical_and)


def either_end(affinity: Tensor, edges: Edges) -> Tensor:
    """Say which voxels are an end of any of the affinities ``(..., edges, *spatial)`` within the image."""
    axis = affinity.ndim - len(edges[0]) - 1
    touched = torch.zeros_like(affinity.select(axis, 0))
    for index, edge in enumerate(edges):
        its = ends(affinity.select(axis, index), edge)[0]
        for voxels in ends(touched, edge):
            voxels.logical_or_(its)
    return touched
