"""Skeletons as trees of voxels, as neurons are traced: nodes with a position, edges with a length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.sizes import check_graph_size
from monai_topoloss.backends import graph_backend
from monai_topoloss.topology._each_object import Objects

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["skeleton_trees"]


class Skeletons(NamedTuple):
    """Skeletons of several objects as arrays."""

    positions: NDArray[np.float64]  # (nodes, spatial axes), in physical units
    objects: NDArray[np.int64]  # (nodes,), whose skeleton a node is of
    edges: NDArray[np.int64]  # (edges, 2), nodes
    lengths: NDArray[np.float64]  # (edges,), in physical units
    radii: NDArray[np.float64] | None = None  # (nodes,), likewise


def skeleton_trees(
    instances: Tensor | NDArray[np.generic],
    *,
    spacing: float | Sequence[float] | None = None,
    prune: float | None = None,
    prune_factor: float | None = None,
    method: str | None = None,
    backend: str = "auto",
) -> nx.Graph:
    """Make trees of the skeleton of each instance, or of a mask, voxel by voxel: what an SWC file holds.

    Each instance is thinned on its own, so that those that touch have skeletons apart. Nodes are the voxels of the
    skeletons, edges lead to neighbouring ones, across diagonals too. Each component is a tree: of what closes a loop,
    one of the longest edges is left out. So a ring is open at one place, and the crossings of branches hold no small
    triangles that would add to the length. `skeleton_graph` keeps loops, and has branches instead of voxels.

    Args:
        instances: ids from 0 on, or a mask, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        spacing: size of a voxel along each axis, or one number for all. Default: 1, lengths are in voxels.
        prune: how long end branches must be to stay, see `monai_topoloss.topology.skeletonize`. Default: none goes.
        prune_factor: how long they must be, times the radius there. Default: none goes.
        method: of thinning, see `monai_topoloss.topology.skeletonize`.
        backend: where to thin, ``"auto"`` follows ``instances``.

    Returns:
        A `networkx.Graph`. Nodes are numbers from 0 on, with ``position``, the index of the voxel times ``spacing`` as
        a tuple, ``object``, the id, and ``radius``, the distance to the nearest voxel that is not of the object, from
        centre to centre, or infinity if there is none; edges have a ``length`` in the units of ``spacing``.

    Raises:
        TypeError: if ``instances`` is no tensor or array of real numbers, or ``spacing`` holds no numbers.
        ValueError: if the rank is not 2-D or 3-D, ids are negative or no whole numbers, or ``spacing`` is not above 0
            or has another length.

    Example:
        >>> import numpy as np
        >>> line = np.zeros((3, 9), np.uint8)
        >>> line[1, 1:8] = 5
        >>> graph = skeleton_trees(line, spacing=(1.0, 0.5))
        >>> graph.size(weight="length"), graph.nodes[0]["object"], graph.nodes[0]["position"]
        (3.0, 5, (1.0, 0.5))
    """
    return to_trees(Objects(instances, spacing, method=method, backend=backend, prune=prune, prune_factor=prune_factor))


def to_trees(objects: Objects) -> nx.Graph:
    """Return what `skeleton_trees` does of objects."""
    import networkx as nx

    found = _trace(objects, with_radii=True)
    graph = nx.Graph()
    for node, (place, owner) in enumerate(zip(found.positions.tolist(), found.objects.tolist(), strict=True)):
        graph.add_node(node, position=tuple(place), object=owner)
    nx.set_node_attributes(graph, dict(enumerate(cast(Any, found.radii).tolist())), "radius")
    pairs = zip(found.edges.tolist(), found.lengths.tolist(), strict=True)
    graph.add_edges_from((a, b, {"length": length}) for (a, b), length in pairs)
    return graph


def trace_skeletons(
    instances: Tensor | NDArray[np.generic],
    *,
    spacing: float | Sequence[float] | None = None,
    method: str | None = None,
    backend: str = "auto",
) -> Skeletons:
    """Do what `skeleton_trees` does; return arrays, which are smaller and faster, without radii."""
    return _trace(Objects(instances, spacing, method=method, backend=backend), with_radii=False)


def _trace(objects: Objects, *, with_radii: bool) -> Skeletons:
    ndim = len(objects.sizes)
    voxels, owners, radii = [np.zeros((0, ndim), np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for each in objects:
        found = np.argwhere(each.skeleton)
        voxels.append(found + each.corner)
        owners.append(np.full(len(found), each.number, np.int64))
        if with_radii:
            radii.append(graph_backend().radii_at(each.mask, found, objects.sizes))
    nodes, numbers = np.concatenate(voxels), np.concatenate(owners)
    edges, lengths = _span(nodes, numbers, objects.sizes)
    return Skeletons(nodes * objects.sizes, numbers, edges, lengths, np.concatenate(radii) if with_radii else None)


def _span(
    nodes: NDArray[np.int64], objects: NDArray[np.int64], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Join neighbouring nodes of one object by as short edges as possible, without loops."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    if not len(nodes):
        return np.zeros((0, 2), np.int64), np.zeros(0)
    # Neighbours are found by their numbers in an image with a margin, objects one after the other.
    shape = nodes.max(axis=0) + 3
    starts = np.unique(objects, return_inverse=True)[1] * np.prod(shape)
    numbers = np.ravel_multi_index(tuple((nodes + 1).T), shape) + starts
    order = np.argsort(numbers)
    pairs, lengths = [], []
    for step in product((-1, 0, 1), repeat=nodes.shape[1]):
        if step <= (0,) * len(step):
            continue
        other = numbers + np.dot(step, [*np.cumprod(shape[:0:-1])[::-1], 1])
        place = np.minimum(np.searchsorted(numbers, other, sorter=order), len(order) - 1)
        found = np.flatnonzero(numbers[order[place]] == other)
        pairs.append(np.stack([found, order[place[found]]], axis=1))
        lengths.append(np.full(len(found), np.linalg.norm(step * sizes)))
    ends, weights = np.concatenate(pairs), np.concatenate(lengths)
    check_graph_size("instances", len(nodes), len(ends))
    tree = minimum_spanning_tree(coo_array((weights, tuple(ends.T)), shape=(len(nodes),) * 2).tocsr()).tocoo()
    return np.stack([tree.row, tree.col], axis=1).astype(np.int64), tree.data
