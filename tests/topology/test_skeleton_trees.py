from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
import torch

from monai_topoloss.datasets import synthetic_vessels
from monai_topoloss.topology import label_components, skeleton_trees, skeletonize
from tests.oracles import neuron_scores as oracle


def test_a_line_has_its_length():
    line = np.zeros((5, 20), np.uint8)
    line[2, 3:15] = 7
    graph = skeleton_trees(line, spacing=(3, 0.5))
    assert graph.number_of_nodes() == 12
    assert graph.size(weight="length") == pytest.approx(11 * 0.5)
    assert graph.nodes[0] == {"position": (6.0, 1.5), "object": 7, "radius": 0.5}
    assert sorted(dict(graph.degree()).values()) == [1, 1] + [2] * 10


@pytest.mark.parametrize("spacing", [None, 2.0, (0.5, 1.0, 3.0)])
@pytest.mark.parametrize("seed", range(3))
def test_graphs_of_vessels_are_trees_of_least_length(spacing, seed):
    _, label = synthetic_vessels((40, 42, 44), num_trees=3, seed=seed)
    ids = label_components(label[0] != 0).labels
    graph = skeleton_trees(ids, spacing=spacing)
    sizes = np.broadcast_to(1.0 if spacing is None else spacing, 3)
    assert nx.is_forest(graph)
    assert nx.number_connected_components(graph) == ids.max()
    voxels = np.array([graph.nodes[node]["position"] for node in graph]) / sizes
    expected = np.zeros(ids.shape, bool)
    for value in range(1, ids.max() + 1):
        expected |= skeletonize(ids == value)
    np.testing.assert_allclose(np.sort(voxels.view("f8,f8,f8"), axis=0).view(float), np.argwhere(expected))
    for value, whole in oracle.skeleton_pieces(np.where(expected, ids, 0)).items():
        for a, b, data in whole.edges(data=True):
            data["length"] = math.dist(a * sizes, b * sizes)
        tree = nx.minimum_spanning_tree(whole, weight="length")
        own = graph.subgraph(node for node in graph if graph.nodes[node]["object"] == value)
        assert own.size(weight="length") == pytest.approx(tree.size(weight="length"))


def test_instances_that_touch_have_skeletons_apart():
    ids = np.zeros((9, 30), np.int64)
    ids[:4, 1:29], ids[4:8, 1:29] = 2**40, 3
    graph = skeleton_trees(ids)
    assert nx.number_connected_components(graph) == 2
    assert {data["object"] for _, data in graph.nodes(data=True)} == {3, 2**40}
    lines = np.array([[1] * 9, [2] * 9])  # whose nodes are neighbours
    assert nx.number_connected_components(skeleton_trees(lines)) == 2


def test_a_ring_is_open_at_one_place():
    y, x = np.mgrid[:31, :31] - 15
    ring = np.abs(np.hypot(y, x) - 10) < 1.5
    graph = skeleton_trees(ring)
    assert nx.is_tree(graph)
    assert graph.size(weight="length") == pytest.approx(2 * np.pi * 10, rel=0.1)


@pytest.mark.parametrize("image", [np.zeros((4, 5), bool), np.zeros((0, 5), bool), torch.zeros(3, 4, 5)])
def test_nothing_has_no_nodes(image):
    assert skeleton_trees(image).number_of_nodes() == 0


def test_all_is_one_object_and_single_voxels_are_nodes(device):
    graph = skeleton_trees(torch.full((3, 3), 4, device=device))
    assert {data["object"] for _, data in graph.nodes(data=True)} == {4}
    single = torch.zeros(3, 3, dtype=torch.uint8, device=device)
    single[1, 1] = 2
    graph = skeleton_trees(single)
    assert list(graph.nodes(data="object")) == [(0, 2)]
    assert not graph.edges


@pytest.mark.parametrize(
    ("image", "options", "error", "message"),
    [
        ([1], {}, TypeError, "Expected `instances` to be a torch.Tensor or a numpy.ndarray"),
        (np.zeros(3), {}, ValueError, "Expected `instances` to have 2 or 3 axes"),
        (np.zeros((2, 2)) - 1, {}, ValueError, "Expected `instances` to hold no negative class ids"),
        (np.zeros((2, 2)), {"spacing": (1, 1, 1)}, ValueError, "Expected `spacing` to be a positive number or 2"),
        (np.zeros((2, 2)), {"spacing": 0}, ValueError, "Expected `spacing` to be a positive number or 2"),
        (np.zeros((2, 2)), {"spacing": "1"}, TypeError, "Expected `spacing` to be a number"),
        (np.zeros((2, 2)), {"method": "hilditch"}, ValueError, "Expected `method` to be one of"),
    ],
)
def test_bad_arguments(image, options, error, message):
    with pytest.raises(error, match=message):
        skeleton_trees(image, **options)
