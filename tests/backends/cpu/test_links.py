from __future__ import annotations

import itertools
import math

import networkx as nx
import numpy as np
import pytest

from monai_topoloss.backends.cpu.links import STEPS, count_steps, delete, link, list_neighbours, smooth, step_lengths
from monai_topoloss.topology import skeletonize
from tests.images import random_mask
from tests.oracles import lee


def literal_graph(skeleton):
    """Neighbours, but for pairs with a third voxel that is nearer to both."""
    voxels = list(map(tuple, np.argwhere(skeleton).tolist()))
    graph = nx.Graph()
    graph.add_nodes_from(voxels)
    near = {
        v: [w for w in voxels if w != v and max(abs(a - b) for a, b in zip(v, w, strict=True)) == 1] for v in voxels
    }
    for v, w in itertools.combinations(voxels, 2):
        if w in near[v]:
            third = set(near[v]) & set(near[w])
            if not any(max(math.dist(v, each), math.dist(w, each)) < math.dist(v, w) for each in third):
                graph.add_edge(v, w)
    return graph


def found_graph(skeleton):
    links = link(skeleton)
    places = list(map(tuple, links.places()[:, 3 - skeleton.ndim :].tolist()))
    starts, others = list_neighbours(links)
    graph = nx.Graph()
    graph.add_nodes_from(places)
    graph.add_edges_from(
        (places[k], places[other]) for k in range(len(places)) for other in others[starts[k] : starts[k + 1]]
    )
    return graph


@pytest.mark.parametrize("shape", [(7, 8), (1, 9), (5, 4, 6), (1, 1, 1), (2, 1, 7)])
@pytest.mark.parametrize("density", [0.2, 0.5, 0.9])
def test_links_equal_their_definition(shape, density):
    mask = np.random.default_rng(0).random(shape) < density
    found, expected = found_graph(mask), literal_graph(mask)
    assert set(found) == set(expected)
    assert {frozenset(edge) for edge in found.edges} == {frozenset(edge) for edge in expected.edges}


@pytest.mark.parametrize("shape", [(12, 13), (6, 7, 8)])
@pytest.mark.parametrize("sizes", [1.0, 0.3])
def test_steps_add_up_to_the_length_of_the_graph(shape, sizes):
    rng = np.random.default_rng(1)
    skeleton, mask = rng.random(shape) < 0.2, rng.random(shape) < 0.5
    spacing = sizes * np.arange(1, len(shape) + 1)
    graph = literal_graph(skeleton)
    total = inside = 0
    for voxel in graph:
        ways = [math.dist(*(np.array(each) * spacing for each in (voxel, other))) / 2 for other in graph[voxel]]
        length = sum(ways) if ways else spacing.mean()
        total, inside = total + length, inside + length * mask[voxel]
    assert count_steps(skeleton, mask).T @ step_lengths(spacing) == pytest.approx([total, inside])


def test_a_margin_is_looked_at_and_not_counted():
    rng = np.random.default_rng(2)
    skeleton, mask = rng.random((9, 10, 11)) < 0.3, rng.random((9, 10, 11)) < 0.5
    whole = count_steps(np.pad(skeleton, 1), np.pad(mask, 1), 1)
    np.testing.assert_array_equal(whole, count_steps(skeleton, mask))
    parts = [count_steps(np.pad(each[0], 1)[:, :, p], np.pad(each[1], 1)[:, :, p], 1)
             for each in [(skeleton, mask)] for p in (slice(0, 6), slice(4, 13))]  # fmt: skip
    np.testing.assert_array_equal(sum(parts), whole)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_deleting_keeps_the_topology_whatever_is_asked_for(ndim, seed):
    rng = np.random.default_rng(seed)
    skeleton = skeletonize(random_mask("tubes", ndim, seed, size=20), method="lee")
    links = link(skeleton)
    order = rng.permutation(links.voxels)
    count = delete(links.volume, order, np.sort(rng.integers(0, len(order) + 1, 9)))
    left = links.volume[1:-1, 1:-1, 1:-1].astype(bool)
    left = left if ndim == 3 else left[0]
    assert count == skeleton.sum() - left.sum()
    assert lee.betti_numbers(left) == lee.betti_numbers(skeleton)
    smooth(links.volume, links.voxels)
    smoothed = links.volume[1:-1, 1:-1, 1:-1].astype(bool)
    assert lee.betti_numbers(smoothed if ndim == 3 else smoothed[0]) == lee.betti_numbers(skeleton)


def test_all_steps_to_neighbours():
    assert {tuple(step) for step in STEPS.tolist()} == set(itertools.product((-1, 0, 1), repeat=3)) - {(0, 0, 0)}
