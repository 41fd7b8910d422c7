"""Affinities by the book: graphs with a node for each voxel or mistake, literal and slow."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


def list_edges(shape, edges):
    """All edges within an image: (index of the edge, voxel, other voxel), voxels as coordinates."""
    for k, edge in enumerate(edges):
        for voxel in product(*map(range, shape)):
            other = tuple(a + b for a, b in zip(voxel, edge, strict=True))
            if all(0 <= a < n for a, n in zip(other, shape, strict=True)):
                yield k, voxel, other


def components(count, pairs):
    """The component of each of some nodes, and how many there are."""
    pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(count, count))
    number, labels = connected_components(graph, directed=False)
    return labels, number


def joined(ids, edges, ignored=None):
    """True affinities."""
    result = np.zeros((len(edges), *ids.shape), bool)
    for k, here, there in list_edges(ids.shape, edges):
        counts = ignored is None or not (ignored[here] or ignored[there])
        result[(k, *here)] = counts and ids[here] == ids[there] != 0
    return result


def label(affinity, edges):
    """Components of affinities, in the order of their first voxels; voxels that are joined to none are 0."""
    shape = affinity.shape[1:]
    index = np.arange(np.prod(shape)).reshape(shape)
    pairs = [(index[a], index[b]) for k, a, b in list_edges(shape, edges) if affinity[(k, *a)]]
    found, _ = components(index.size, pairs)
    labels, number = np.zeros(index.size, np.int32), {}
    ends = {end for pair in pairs for end in pair}
    for voxel in range(index.size):
        if voxel in ends:
            labels[voxel] = number.setdefault(found[voxel], len(number) + 1)
    return labels.reshape(shape)


def find_slivers(target, edges, right, of_remainder, tolerance):
    """Voxels of components that have no voxel deep within right affinities, where another one of their object has."""
    index = np.arange(target.size).reshape(target.shape)
    inside = {(index[here], index[there]) for _, here, there in list_edges(target.shape, edges)}
    broken = {end for pair in inside - set(right) for end in pair}
    for _ in range(tolerance - 1):
        broken = broken | {end for pair in right if set(pair) & broken for end in pair}
    remainder = {end for pair in right for end in pair}
    deep = {of_remainder[voxel] for voxel in remainder - broken}
    objects = {target.flat[voxel] for voxel in remainder - broken}
    return {voxel for voxel in remainder if of_remainder[voxel] not in deep and target.flat[voxel] in objects}


def critical(input, target, edges, ignored=None, tolerance=0):
    """Critical affinities, and what they do to the number of objects: ``splits, merges, n_splits, n_merges``."""
    shape = target.shape
    truth = joined(target, edges, ignored)
    index = np.arange(target.size).reshape(shape)
    places = []
    for k, here, there in list_edges(shape, edges):
        if ignored is None or not (ignored[here] or ignored[there]):
            places.append(((k, *here), index[here], index[there]))
    right = [(a, b) for place, a, b in places if input[place] and truth[place]]
    remainder = {end for pair in right for end in pair}
    of_remainder, _ = components(target.size, right)
    slivers = find_slivers(target, edges, right, of_remainder, tolerance) if tolerance else set()
    remainder -= slivers
    results = []
    for kind in (lambda place: truth[place] and not input[place], lambda place: input[place] and not truth[place]):
        mistakes = [(place, a, b) for place, a, b in places if kind(place)]
        # Mistakes are nodes; they hang together where they share a voxel that is not of the remainder, or a sliver.
        free = [
            {("sliver", of_remainder[end]) if end in slivers else end for end in both if end not in remainder}
            for _, *both in mistakes
        ]
        pairs = [(m, n) for m, ours in enumerate(free) for n, theirs in enumerate(free) if ours & theirs]
        of_mistakes, number = components(len(mistakes), pairs) if mistakes else ([], 0)
        mask, count, bridges = np.zeros(input.shape, bool), 0, []
        for component in range(number):
            members = [mistake for mistake, own in zip(mistakes, of_mistakes, strict=True) if own == component]
            touched = sorted({of_remainder[end] for _, *both in members for end in both if end in remainder})
            if not touched and any(end in slivers for _, *both in members for end in both):
                continue
            if len(touched) != 1:
                for place, _, _ in members:
                    mask[place] = True
            count += not touched
            bridges += [(touched[0], other) for other in touched[1:]]
        whole = {of_remainder[end] for end in remainder}
        bridged, _ = components(target.size, bridges)
        count += len(whole) - len({bridged[one] for one in whole})
        results.append((mask, count))
    return results[0][0], results[1][0], results[0][1], results[1][1]
