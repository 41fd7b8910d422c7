from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest

from monai_topoloss.topology import SkeletonScores, score_skeletons, skeleton_trees
from tests.oracles import neuron_scores as oracle


def two_neurites():
    """Two lines side by side, of ten edges each."""
    truth = np.zeros((4, 13), np.int64)
    truth[1, 1:12], truth[2, 1:12] = 1, 2
    return truth


def scores(segmentation, truth, **options):
    return score_skeletons(segmentation, skeleton_trees(truth), **options)[0]


def test_a_perfect_segmentation():
    truth = two_neurites()
    total, each = score_skeletons(truth + 5 * (truth > 0), skeleton_trees(truth, spacing=2), spacing=2)
    assert total == SkeletonScores(1, 0, 0, 0, 20, 1, 0, 0, math.inf, math.inf, 40)
    assert each == {1: total._replace(length=20), 2: total._replace(length=20)}


def test_a_cut_is_a_split():
    truth = two_neurites()
    halves = truth.copy()
    halves[1, 7:12] = 9
    total, each = score_skeletons(halves, skeleton_trees(truth))
    assert each[2].normalized_erl == 1
    assert each[1] == SkeletonScores(0.9, 0.1, 0, 0, 4.1, 0.41, 1, 0, 10, math.inf, 10)
    assert total == SkeletonScores(0.95, 0.05, 0, 0, 7.05, 0.705, 1, 0, 20, math.inf, 20)


def test_an_object_in_several_pieces_is_met_by_itself():
    """As one that leaves a crop and comes back: what was never in one piece is not split."""
    truth = np.zeros((5, 41), int)
    truth[2, 1:20] = truth[2, 21:40] = 1
    total = scores(truth, truth)
    assert (total.normalized_erl, total.n_splits, total.correct, total.erl) == (1, 0, 1, 18)
    other = truth.copy()
    other[2, 21:40] = 2  # the other piece is another segment: still nothing is cut
    assert scores(other, truth) == total
    other[2, 30:40] = 3
    found = scores(other, truth)
    assert (found.n_splits, found.normalized_erl) == (1, (18**2 + 8**2 + 9**2) / (2 * 18**2))
    other[2, 21:40] = 0
    assert scores(other, truth).n_splits == 0


def test_what_is_not_found_is_omitted():
    truth = two_neurites()
    gap = truth.copy()
    gap[1, 6] = 0
    each = score_skeletons(gap, skeleton_trees(truth))[1]
    assert each[1] == SkeletonScores(0.8, 0, 0.2, 0, 3.2, 0.32, 1, 0, 10, math.inf, 10)
    nothing = scores(np.zeros_like(truth), truth)
    assert nothing == SkeletonScores(0, 0, 1, 0, 0, 0, 0, 0, math.inf, math.inf, 20)


def test_a_segment_of_two_is_merged():
    truth = two_neurites()
    both = (truth > 0) * 3
    total, each = score_skeletons(both, skeleton_trees(truth))
    assert total == SkeletonScores(0, 0, 0, 1, 0, 0, 0, 2, math.inf, 10, 20)
    assert each[1].n_merges == each[2].n_merges == 1
    some = truth.copy()
    some[2, 1:6] = 1  # five nodes of the other one
    few = scores(some, truth, min_nodes=6)
    assert few.merged == 4 / 20  # of the second, in the segment of the first
    assert few.n_merges == 0  # of fewer nodes than count
    many, each = score_skeletons(some, skeleton_trees(truth), min_nodes=5)
    assert each[1].merged == 1
    assert each[2] == SkeletonScores(0.5, 0.1, 0, 0.4, 2.5, 0.25, 1, 1, 10, 10, 10)
    assert many.n_merges == 2


def test_a_node_lies_in_the_voxel_around_it():
    halves = np.array([[1, 1, 2, 2]])
    found = score_skeletons(halves, pair(place=(0, 1.4)))[0], score_skeletons(halves, pair(place=(0, 1.6)))[0]
    assert (found[0].correct, found[1].split) == (1, 1)


def test_nodes_outside_of_the_image_are_omitted():
    graph = nx.Graph()
    graph.add_node("a", position=(0, 0), object=3)
    graph.add_node("b", position=(0, 2), object=3)
    graph.add_node("c", position=(0, 9), object=3)
    graph.add_edges_from([("a", "b"), ("b", "c")])
    total, each = score_skeletons(np.ones((1, 4)), graph)
    assert (total.correct, total.omitted, total.length) == (0.5, 0.5, 9)
    assert list(each) == [3]


def test_no_skeletons_have_no_scores():
    total, each = score_skeletons(np.ones((3, 4)), nx.Graph())
    assert not each
    assert math.isnan(total.erl)
    assert math.isnan(total.correct)
    assert (total.n_splits, total.length) == (0, 0)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_scores_are_those_of_the_definition(ndim, seed):
    rng = np.random.default_rng(seed)
    shape = (16, 18, 14)[:ndim]
    coarse = rng.integers(0, 5, tuple(-(-n // 6) for n in shape))
    truth = coarse.repeat(6, 0).repeat(6, 1) if ndim == 2 else coarse.repeat(6, 0).repeat(6, 1).repeat(6, 2)
    truth = truth[tuple(slice(n) for n in shape)]
    segmentation = np.where(rng.random(shape) < 0.1, rng.integers(0, 4, shape), (truth + truth // 3) * (truth != 2))
    spacing = (0.5, 1.5, 2.0)[:ndim]
    graph = skeleton_trees(truth, spacing=spacing)
    for min_nodes in (1, 3, 10):
        total, each = score_skeletons(segmentation, graph, spacing=spacing, min_nodes=min_nodes)
        expected, of_each = oracle.score(segmentation, graph, spacing, min_nodes)
        assert set(each) == set(of_each)
        for found, theirs in [(total, expected), *((each[value], of_each[value]) for value in each)]:
            for name, value in theirs.items():
                np.testing.assert_allclose(getattr(found, name), value, rtol=1e-12, err_msg=name)


def pair(first=1, second=1, length=1, place=(0, 1), kind=nx.Graph):
    """Two nodes and an edge."""
    graph = kind()
    graph.add_node(0, position=(0, 0), object=first)
    graph.add_node(1, position=place, object=second)
    graph.add_edge(0, 1, length=length)
    return graph


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph])
def test_graphs_of_any_kind(kind):
    total, _ = score_skeletons(np.ones((3, 3)), pair(length=5, kind=kind))
    assert (total.correct, total.length, total.normalized_erl) == (1, 5, 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: score_skeletons(np.zeros((3, 3)), [1]), TypeError, "Expected `skeletons` to be a networkx.Graph"),
        (
            lambda: score_skeletons(np.zeros((3, 3)), nx.path_graph(2)),
            TypeError,
            "to have a `position` and an `object`",
        ),
        (
            lambda: scores(two_neurites()[None, None], two_neurites()),
            ValueError,
            r"2 or 3 axes, got shape \(1, 1, 4, 13\)\.$",
        ),
        (lambda: score_skeletons(np.zeros((3, 3)), pair(first=1.5)), TypeError, "an `object`, an int"),
        (lambda: score_skeletons(np.zeros((3, 3)), pair(second=2)), ValueError, "between nodes of one `object`"),
        (lambda: score_skeletons(np.zeros((3, 3)), pair(length=-1)), ValueError, "Expected each `length`"),
        (lambda: score_skeletons(np.zeros((3, 3)), pair(place=(0, np.inf))), ValueError, "Expected each `position`"),
        (
            lambda: score_skeletons(np.zeros((3, 3, 3)), skeleton_trees(two_neurites())),
            ValueError,
            "Expected each `position` in `skeletons` to have 3 coordinates",
        ),
        (lambda: scores(two_neurites() - 1, two_neurites()), ValueError, "no negative class ids"),
        (lambda: scores(two_neurites(), two_neurites(), min_nodes=0), ValueError, "Expected `min_nodes`"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
