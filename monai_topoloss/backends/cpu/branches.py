"""Skeletons as branches between ends and junctions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.base import Branches
from monai_topoloss.backends.cpu.links import Links, Neighbours, list_neighbours, walk


def trace_branches(links: Links, sizes: NDArray[np.float64]) -> Branches:
    """Find the branches of a skeleton; ``sizes`` are those of a voxel along each of its axes."""
    neighbours = list_neighbours(links)
    counts = np.diff(neighbours.starts)
    places = links.places()[:, 3 - len(sizes) :]
    firsts = _find_nodes(neighbours, counts)
    path, limits = walk(*neighbours, firsts >= 0)
    rings = path[limits[:-1]]
    rings = rings[firsts[rings] < 0]
    firsts[rings] = rings
    # Links within a junction lead nowhere.
    inside = (np.diff(limits) == 2) & (firsts[path[limits[:-1]]] == firsts[path[limits[1:] - 1]])
    path = path[np.repeat(~inside, np.diff(limits))]
    limits = np.concatenate([[0], np.cumsum(np.diff(limits)[~inside])])
    node_of = np.unique(np.append(firsts, -1), return_inverse=True)[1][:-1] - 1
    positions = _mean_of_each(places * sizes, node_of)
    lengths = _measure(places * sizes, positions, node_of, path, limits)
    return Branches(places, counts, node_of, positions, path, limits, lengths)


def _find_nodes(neighbours: Neighbours, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each voxel the first one of the node that it is of, or -1."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    starts, others = neighbours
    firsts = np.where(counts < 2, np.arange(len(counts)), -1)
    crossings = np.flatnonzero(counts > 2)
    all_links = csr_array((np.ones(len(others), np.bool_), others, starts), shape=(len(counts),) * 2)
    _, groups = connected_components(all_links[crossings][:, crossings], directed=False)
    first_of_group = np.unique(groups, return_index=True)[1]
    firsts[crossings] = crossings[first_of_group[groups]]
    return firsts


def _mean_of_each(positions: NDArray[np.float64], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean position of all with each number from 0 on."""
    some = numbers >= 0
    counts = np.bincount(numbers[some])
    sums = [np.bincount(numbers[some], values, len(counts)) for values in positions[some].T]
    means: NDArray[np.float64] = np.stack(sums, axis=1) / counts[:, None]
    return means


def _measure(
    positions: NDArray[np.float64],
    nodes: NDArray[np.float64],
    node_of: NDArray[np.int64],
    path: NDArray[np.int64],
    limits: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the length of each branch, from the position of one node to that of the other."""
    if len(limits) == 1:
        return np.zeros(0)
    steps = np.append(np.linalg.norm(np.diff(positions[path], axis=0), axis=1), 0)
    steps[limits[1:] - 1] = 0
    lengths: NDArray[np.float64] = np.add.reduceat(steps, limits[:-1])
    for ends in (path[limits[:-1]], path[limits[1:] - 1]):
        lengths += np.linalg.norm(positions[ends] - nodes[node_of[ends]], axis=1)
    return lengths
