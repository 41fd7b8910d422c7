from __future__ import annotations

import math
import warnings

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from monai_topoloss.backends.cpu.links import link, list_neighbours
from monai_topoloss.cli.files import read_picture
from monai_topoloss.datasets import synthetic_vessels
from monai_topoloss.topology import betti_numbers, skeleton_graph, skeletonize
from tests.images import KINDS, random_mask


def branches_of(graph):
    return [data for *_, data in graph.edges(data=True)]


def test_a_line_is_a_branch():
    line = np.zeros((5, 20), np.uint8)
    line[2, 3:15] = 7
    graph = skeleton_graph(line, spacing=(3, 0.5))
    assert dict(graph.nodes(data=True)) == {
        0: {"position": (6.0, 1.5), "object": 7, "kind": "end", "radius": 0.5},
        1: {"position": (6.0, 7.0), "object": 7, "kind": "end", "radius": 0.5},
    }
    (branch,) = branches_of(graph)
    path = branch.pop("path")
    np.testing.assert_allclose(path, [(6.0, k * 0.5) for k in range(3, 15)])
    assert branch == {"object": 7, "length": 5.5, "tortuosity": 1.0, "mean_radius": 2.0, "min_radius": 1.0}


def test_radii_are_those_of_a_distance_transform():
    _, label = synthetic_vessels((60, 60, 60), num_trees=2, seed=1)
    mask = label[0] != 0
    sizes = (0.5, 1.0, 0.8)
    distance = distance_transform_edt(mask, sampling=sizes)
    graph = skeleton_graph(mask, spacing=sizes)
    for _, data in graph.nodes(data=True):
        if data["kind"] == "end":
            place = tuple(np.round(np.array(data["position"]) / sizes).astype(int))
            assert data["radius"] == pytest.approx(distance[place])
    for branch in branches_of(graph):
        voxels = np.round(branch["path"] / sizes)
        exact = np.abs(voxels * sizes - branch["path"]).max(axis=1) < 1e-9  # no middle of a junction
        radii = distance[tuple(voxels[exact].astype(int).T)]
        assert branch["min_radius"] == pytest.approx(radii[1:-1].min() if len(radii) > 2 else radii.min(), rel=0.5)
        assert branch["min_radius"] <= branch["mean_radius"]


def test_a_tube_has_its_radius_length_and_tortuosity():
    """Half a turn of a torus: pi R long, 2 R apart."""
    z, y, x = np.indices((21, 90, 90)) - np.array([10, 5, 45]).reshape(3, 1, 1, 1)
    torus = (np.hypot(np.hypot(y, x) - 30, z) <= 6) & (y >= 0)
    graph = skeleton_graph(torus, prune_factor=1.5)
    (branch,) = branches_of(graph)
    assert branch["mean_radius"] == pytest.approx(6, abs=0.5)
    assert branch["length"] == pytest.approx(math.pi * 30, rel=0.1)  # steps of a grid are longer than an arc
    assert branch["tortuosity"] == pytest.approx(math.pi / 2, rel=0.12)


def test_kinds_of_nodes():
    image = np.zeros((20, 40), bool)
    image[3, 3] = True  # a point
    image[10, 2:12], image[5:16, 7] = True, True  # a cross
    image[4:9, 20:25] = True  # a ring
    image[5:8, 21:24] = False
    image[15, 25:30] = True  # a line
    graph = skeleton_graph(image)
    kinds = [kind for _, kind in graph.nodes(data="kind")]
    assert {kind: kinds.count(kind) for kind in kinds} == {"point": 1, "junction": 1, "end": 6, "ring": 1}
    assert sorted(round(branch["length"], 3) for branch in branches_of(graph)) == [
        4, 4, 5, 5, 5, round(8 + 4 * math.sqrt(2), 3)
    ]  # fmt: skip
    assert [branch["tortuosity"] for branch in branches_of(graph)].count(math.inf) == 1


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_components_and_loops_are_those_of_the_mask(kind, ndim):
    for seed in range(8):
        mask = random_mask(kind, ndim, seed, size=18)
        graph = skeleton_graph(mask, method="lee")
        components, loops, *cavities = map(int, betti_numbers(mask, spatial_dims=ndim))
        assert nx.number_connected_components(graph) == components
        if not any(cavities):
            found = graph.number_of_edges() - graph.number_of_nodes() + components
            assert found == loops or (found < loops and kind in ("noise", "plane"))  # some are within a junction


def test_all_voxels_are_in_branches_or_nodes():
    for seed in range(6):
        mask = random_mask("tubes", 3, seed, size=24)
        links = link(skeletonize(mask))
        graph = skeleton_graph(mask)
        found = {tuple(place) for branch in branches_of(graph) for place in branch["path"].tolist()}
        found |= {position for _, position in graph.nodes(data="position")}
        counts = np.diff(list_neighbours(links).starts)
        assert {tuple(place) for place in links.places()[counts < 3].astype(float).tolist()} <= found


def test_lengths_add_up_along_paths():
    _, label = synthetic_vessels((50, 50, 50), num_trees=3, seed=2)
    sizes = (1.5, 0.5, 1.0)
    graph = skeleton_graph(label[0] != 0, spacing=sizes)
    for one, other, branch in graph.edges(data=True):
        steps = np.linalg.norm(np.diff(branch["path"], axis=0), axis=1)
        assert branch["length"] == pytest.approx(steps.sum())
        ends = {graph.nodes[one]["position"], graph.nodes[other]["position"]}
        assert {tuple(branch["path"][0]), tuple(branch["path"][-1])} == ends
        if one != other:
            assert branch["tortuosity"] >= 1 - 1e-9


def test_pruning_measures_as_the_graph_does():
    cross = np.zeros((21, 61), bool)
    cross[10], cross[5:11, 30] = True, True
    for spacing, length, count in ((0.5, 2.6, 1), (0.5, 2.4, 3), ((2.0, 0.5), 9.9, 3), ((2.0, 0.5), 10.1, 1)):
        assert skeleton_graph(cross, spacing=spacing, prune=length).number_of_edges() == count


def test_instances_that_touch_have_graphs_apart(device):
    ids = torch.zeros((10, 30), dtype=torch.int64, device=device)
    ids[1:5, 1:29], ids[5:9, 1:29] = 2**40, 3
    graph = skeleton_graph(ids)
    assert nx.number_connected_components(graph) == 2
    assert {data["object"] for _, data in graph.nodes(data=True)} == {3, 2**40}
    assert all(data["radius"] < 3 for _, data in graph.nodes(data=True))  # another instance is background


@pytest.mark.parametrize("shape", [(0, 4), (4, 5), (3, 4, 5)])
def test_nothing_to_see(shape):
    graph = skeleton_graph(np.zeros(shape, bool))
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None,), TypeError, "`instances` to be a torch.Tensor"),
        ((np.zeros(4),), ValueError, "`instances`"),
        ((-np.ones((4, 4), int),), ValueError, "negative"),
        ((np.zeros((4, 4)), {"spacing": 0}), ValueError, "`spacing` to be a positive number"),
        ((np.zeros((4, 4)), {"prune": -1}), ValueError, "`prune` to be at least 0"),
        ((np.zeros((4, 4)), {"prune_factor": "1"}), TypeError, "`prune_factor` to be a number"),
        ((np.zeros((4, 4)), {"method": "hilditch"}), ValueError, "`method`"),
        ((np.zeros((4, 4)), {"backend": "gpu"}), ValueError, "`backend`"),
    ],
)
def test_errors(arguments, error, message):
    image, *options = arguments
    with pytest.raises(error, match=message):
        skeleton_graph(image, **(options[0] if options else {}))


def test_ends_and_branches_of_skan(real_data):
    """The same ends, each with a branch as long but for the way within its junction."""
    skan = pytest.importorskip("skan")
    (path,) = (real_data / "vesselexpress_patch" / "labels").iterdir()
    mask = read_picture(path).array != 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what skan says about its future
        table = skan.summarize(skan.Skeleton(skeletonize(mask)), separator="_")
    graph = skeleton_graph(mask)
    kinds = [{graph.nodes[one]["kind"], graph.nodes[other]["kind"]} for one, other in graph.edges()]
    assert kinds.count({"end", "junction"}) == (table.branch_type == 1).sum() == 57
    assert kinds.count({"end"}) == (table.branch_type == 0).sum() == 4
    assert (kinds.count({"junction"}), (table.branch_type == 2).sum()) == (56, 59)
    places = np.array([[table[f"image_coord_{end}_{axis}"] for axis in range(3)] for end in ("src", "dst")])
    theirs = {
        tuple(place): length for each in places for place, length in zip(each.T, table.branch_distance, strict=True)
    }
    for *ends, length in graph.edges(data="length"):
        for node in ends:
            if graph.nodes[node]["kind"] == "end":
                assert length == pytest.approx(theirs[graph.nodes[node]["position"]], abs=1)
    assert graph.size(weight="length") == pytest.approx(table.branch_distance.sum(), rel=0.005)


def test_branches_of_skan_in_an_image(real_data):
    skan = pytest.importorskip("skan")
    mask = read_picture(real_data / "chase_db1" / "Image_01L_1stHO.png").array != 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = skan.summarize(skan.Skeleton(skeletonize(mask.T, method="lee")), separator="_")
    graph = skeleton_graph(mask.T, method="lee")
    kinds = [{graph.nodes[one]["kind"], graph.nodes[other]["kind"]} for one, other in graph.edges()]
    for kind, branch_type, count in (({"end", "junction"}, 1, 59), ({"end"}, 0, 2), ({"junction"}, 2, 89)):
        assert kinds.count(kind) == (table.branch_type == branch_type).sum() == count
    assert graph.size(weight="length") == pytest.approx(table.branch_distance.sum(), rel=1e-3)
