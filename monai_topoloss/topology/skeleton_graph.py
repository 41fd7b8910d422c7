"""Skeletons as graphs: nodes with a position, edges with a length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_method, check_option, check_spacing
from monai_topoloss._checks.sizes import check_graph_size, type_of_numbers
from monai_topoloss._checks.tensors import IDS, check_rank, check_tensor
from monai_topoloss.backends import BACKENDS
from monai_topoloss.topology._items import as_ids
from monai_topoloss.topology.skeleton import skeletonize

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["skeleton_graph"]


class Skeletons(NamedTuple):
    """Skeletons of several objects as arrays."""

    positions: NDArray[np.float64]  # (nodes, spatial axes), in physical units
    objects: NDArray[np.int64]  # (nodes,), whose skeleton a node is of
    edges: NDArray[np.int64]  # (edges, 2), nodes
    lengths: NDArray[np.float64]  # (edges,), in physical units


def skeleton_graph(
    instances: Tensor | NDArray[np.generic],
    *,
    spacing: float | Sequence[float] | None = None,
    method: str | None = None,
    backend: str = "auto",
) -> nx.Graph:
    """Make a graph of the skeleton of each instance, or of a mask.

    Each instance is thinned on its own, so that those that touch have skeletons apart. Nodes are the voxels of the
    skeletons, edges lead to neighbouring ones, across diagonals too. Each component is a tree: of what closes a loop,
    one of the longest edges is left out. So a ring is open at one place, and the crossings of branches hold no small
    triangles that would add to the length.

    Args:
        instances: ids from 0 on, or a mask, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        spacing: size of a voxel along each axis, or one number for all. Default: 1, lengths are in voxels.
        method: of thinning, see `monai_topoloss.topology.skeletonize`.
        backend: where to thin, ``"auto"`` follows ``instances``.

    Returns:
        A `networkx.Graph`. Nodes are numbers from 0 on, with ``position``, the index of the voxel times ``spacing`` as
        a tuple, and ``object``, the id; edges have a ``length`` in the units of ``spacing``.

    Raises:
        TypeError: if ``instances`` is no tensor or array of real numbers, or ``spacing`` holds no numbers.
        ValueError: if the rank is not 2-D or 3-D, ids are negative or no whole numbers, or ``spacing`` is not above 0
            or has another length.

    Example:
        >>> import numpy as np
        >>> line = np.zeros((3, 9), np.uint8)
        >>> line[1, 1:8] = 5
        >>> graph = skeleton_graph(line, spacing=(1.0, 0.5))
        >>> graph.size(weight="length"), graph.nodes[0]["object"], graph.nodes[0]["position"]
        (3.0, 5, (1.0, 0.5))
    """
    import networkx as nx

    found = trace_skeletons(instances, spacing=spacing, method=method, backend=backend)
    graph = nx.Graph()
    nodes = zip(found.positions.tolist(), found.objects.tolist(), strict=True)
    graph.add_nodes_from((k, {"position": tuple(place), "object": owner}) for k, (place, owner) in enumerate(nodes))
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
    """Do what `skeleton_graph` does; return arrays, which are smaller and faster."""
    tensor = check_tensor("instances", instances, keep=IDS)
    spatial_dims = check_rank("instances", tensor)
    sizes = np.array(check_spacing(spacing, spatial_dims))
    check_class_ids("instances", tensor)
    check_method(method, spatial_dims)
    check_option("backend", backend, BACKENDS)
    image = as_ids(tensor).numpy(force=True)
    ids, compact = np.unique(image, return_inverse=True)
    compact = compact.reshape(image.shape).astype(type_of_numbers(len(ids))) + (len(ids) > 0 and ids[0] != 0)
    voxels, owners = [np.zeros((0, spatial_dims), np.int64)], [np.zeros(0, np.int64)]
    for number, box in _find_boxes(compact):
        mask = torch.from_numpy(compact[box] == number).to(tensor.device)
        skeleton = skeletonize(mask, method=method, spatial_dims=spatial_dims, backend=backend).numpy(force=True)
        voxels.append(np.argwhere(skeleton) + [part.start for part in box])
        owners.append(np.full(len(voxels[-1]), image[tuple(voxels[-1][0])], np.int64))
    nodes, objects = np.concatenate(voxels), np.concatenate(owners)
    edges, lengths = _span(nodes, objects, sizes)
    return Skeletons(nodes * sizes, objects, edges, lengths)


def _find_boxes(ids: NDArray[Any]) -> Iterator[tuple[int, tuple[slice, ...]]]:
    """Return each id from 1 on, and the part of the image that it is in."""
    count = int(ids.max(initial=0))
    if not count:
        return
    borders = []
    for axis, length in enumerate(ids.shape):
        is_there = np.zeros((count + 1, length), np.bool_)
        is_there[ids, np.arange(length).reshape(-1, *[1] * (ids.ndim - axis - 1))] = True
        borders.append((is_there.argmax(axis=1), length - is_there[:, ::-1].argmax(axis=1)))
    for number in range(1, count + 1):
        yield number, tuple(slice(int(start[number]), int(end[number])) for start, end in borders)


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
