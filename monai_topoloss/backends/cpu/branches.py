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
    # Relative to the node's first voxel: where an object lies in the image must not matter to the last bit.
    heads = np.unique(firsts[firsts >= 0])
    offsets = (places - places[heads[node_of]]) * (node_of >= 0)[:, None]
    middles = _mean_of_each(offsets, node_of)
    to_middle = np.linalg.norm((offsets - middles[node_of]) * sizes, axis=1) if len(heads) else np.zeros(len(places))
    lengths = _measure(places, sizes, path, limits)
    lengths += to_middle[path[limits[:-1]]] + to_middle[path[limits[1:] - 1]]
    return Branches(places, counts, node_of, (places[heads] + middles) * sizes, path, limits, lengths)


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


def _mean_of_each(places: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean place of all with each number from 0 on."""
    some = numbers >= 0
    counts = np.bincount(numbers[some])
    sums = [np.bincount(numbers[some], values, len(counts)) for values in places[some].T]
    means: NDArray[np.float64] = np.stack(sums, axis=1) / counts[:, None]
    return means


def _measure(
    places: NDArray[np.int64], sizes: NDArray[np.float64], path: NDArray[np.int64], limits: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the length of each branch along its voxels: the number of steps of each kind, times their lengths."""
    kinds = 2 ** len(sizes)  # bits say along which axes a step leads
    codes = np.append(np.abs(np.diff(places[path], axis=0)) @ 2 ** np.arange(len(sizes)), 0)
    codes[limits[1:] - 1] = 0
    branches = np.repeat(np.arange(len(limits) - 1), np.diff(limits))
    counts = np.bincount(kinds * branches + codes, minlength=kinds * (len(limits) - 1)).reshape(-1, kinds)
    bits = np.arange(kinds)[:, None] >> np.arange(len(sizes)) & 1
    steps = np.linalg.norm(bits * sizes, axis=1)
    lengths: NDArray[np.float64] = (counts * steps).sum(axis=1)
    return lengths
