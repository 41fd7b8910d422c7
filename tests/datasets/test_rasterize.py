from __future__ import annotations

from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from scipy import ndimage

from monai_topoloss.datasets import rasterize_swc, read_swc, write_swc
from monai_topoloss.topology import score_skeletons

HALF = Fraction(1, 2)


def draw(graph, shape, spacing=None):
    """The definition, for each edge and voxel of a small image."""
    sizes = np.broadcast_to(1.0 if spacing is None else spacing, len(shape))
    centres = np.stack(np.indices(shape), -1) * sizes
    out, nearest = np.zeros(shape, int), np.full(shape, np.inf)
    for edge in [*graph.edges, *((node, node) for node in graph if not graph.degree[node])]:
        a, b = sorted((graph.nodes[node] for node in edge), key=lambda node: node["radius"])
        start, end = np.array(a["position"], float), np.array(b["position"], float)
        step = end - start
        share = ((centres - start) @ step / (step @ step)).clip(0, 1) if step.any() else np.ones(shape)
        distance = np.linalg.norm(centres - (start + share[..., None] * step), axis=-1)
        is_there = distance <= (a["radius"] + share * (b["radius"] - a["radius"])) * (1 + 1e-6)
        for voxel in list_line(start, end, sizes):
            if all(0 <= k < size for k, size in zip(voxel, shape, strict=True)):
                is_there[voxel] = True
        wins = (distance < nearest) | ((distance == nearest) & (a["object"] < out))
        out[is_there & wins], nearest[is_there & wins] = a["object"], distance[is_there & wins]
    return out


def list_line(start, end, sizes):
    """The voxels that a segment runs through, in exact numbers."""
    start, end = (
        [Fraction(p) / Fraction(float(size)) for p, size in zip(each, sizes, strict=True)] for each in (start, end)
    )
    step = [b - a for a, b in zip(start, end, strict=True)]
    axis = max(range(len(step)), key=lambda k: abs(step[k]))
    low, high = sorted((start[axis], end[axis]))
    points = [start, end]
    if step[axis]:
        for plane in range((low + HALF).__floor__(), (high + HALF).__floor__() + 1):
            share = (min(max(Fraction(plane), low), high) - start[axis]) / step[axis]
            points.append([a + share * d for a, d in zip(start, step, strict=True)])
    return {tuple((p + HALF).__floor__() for p in point) for point in points}


def random_trees(seed, shape, sizes, *, widest, n_objects=3, n_nodes=12, margin=0.4):
    """Trees that leave the image here and there, with nodes that are alone or at the place of others."""
    rng = np.random.default_rng(seed)
    extent = np.array(shape) * sizes
    graph, number = nx.Graph(), 0
    for owner in rng.permutation(n_objects) + 1:
        place = rng.uniform(0, extent)
        for k in range(n_nodes):
            kind = rng.random()
            if kind > 0.9:
                place = rng.uniform(-margin, 1 + margin, len(shape)) * extent
            elif kind > 0.1:
                place = place + rng.normal(size=len(shape)) * extent / 4
            radius = float(rng.choice([0, rng.uniform(0, widest)]))
            graph.add_node(number, position=tuple(place.tolist()), object=int(owner), radius=radius)
            if k and rng.random() < 0.9:
                graph.add_edge(number - 1, number)
            number += 1
    return graph


def line(*places, radius=0.0, owner=1):
    graph = nx.path_graph(len(places))
    radii = np.broadcast_to(radius, len(places)).tolist()
    for node, place in enumerate(places):
        graph.add_node(node, position=place, object=owner, radius=radii[node])
    return graph


def count_pieces(mask):
    return ndimage.label(mask, np.ones((3,) * mask.ndim))[1]


@pytest.mark.parametrize("widest", [0.0, 0.7, 3.0, 20.0])
@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((9, 14, 11), None), ((6, 17, 12), (3.1, 0.8, 1.3)), ((20, 5, 9), 0.25), ((15, 19), (0.7, 2.0)), ((1, 8, 1), 1)],
)
def test_against_the_definition(shape, spacing, widest):
    sizes = np.broadcast_to(1.0 if spacing is None else spacing, len(shape))
    for seed in range(4):
        graph = random_trees(seed, shape, sizes, widest=widest * sizes.min())
        found = rasterize_swc(graph, shape, spacing=spacing)
        np.testing.assert_array_equal(found, draw(graph, shape, spacing))


def test_tapering_edges_at_any_angle():
    """Cones that are wider than long hold all of one ball."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        places = [tuple(place) for place in rng.uniform(2, 14, (2, 3)).tolist()]
        graph = line(*places, radius=rng.uniform(0, 9, 2))
        np.testing.assert_array_equal(rasterize_swc(graph, (16, 16, 16)), draw(graph, (16, 16, 16)))


def test_order_changes_nothing():
    rng = np.random.default_rng(0)
    shape, sizes = (12, 13, 14), np.array([0.3, 0.1, 0.2])
    graph = random_trees(0, shape, sizes, widest=0.5, n_objects=5)
    # On a lattice, where many are equally near.
    for node in graph:
        graph.nodes[node]["position"] = tuple(
            (np.round(graph.nodes[node]["position"] / sizes / 2) * 2 * sizes).tolist()
        )
    expected = rasterize_swc(graph, shape, spacing=sizes)
    for _ in range(10):
        other = nx.Graph()
        nodes, edges = list(graph), list(graph.edges)
        other.add_nodes_from((nodes[k], graph.nodes[nodes[k]]) for k in rng.permutation(len(nodes)))
        other.add_edges_from(edges[k][:: rng.choice([-1, 1])] for k in rng.permutation(len(edges)))
        np.testing.assert_array_equal(rasterize_swc(other, shape, spacing=sizes), expected)


@pytest.mark.parametrize("size", [1.0, 0.1, 0.3, 7e-9, 3e12])
def test_ties_go_to_the_lower_id(size):
    """Lines in parallel, crossing and in one place."""
    places = [(2, 0), (2, 8)], [(6, 0), (6, 8)], [(0, 3), (8, 3)], [(2, 8), (2, 0)]
    for owners in ([1, 2, 3, 4], [4, 3, 2, 1], [9, 5, 5, 4]):
        lines = [
            line(*((y * size, x * size) for y, x in ends), radius=2 * size, owner=owner)
            for ends, owner in zip(places, owners, strict=True)
        ]
        found = rasterize_swc(nx.disjoint_union_all(lines), (9, 9), spacing=size)
        y, x = np.indices((9, 9))
        distances = np.stack([abs(y - 2), abs(y - 6), abs(x - 3), abs(y - 2)]).astype(float)
        distances[distances > 2] = np.inf
        order = np.argsort(owners, kind="stable")
        np.testing.assert_array_equal(found, np.array(owners)[order][distances[order].argmin(axis=0)])


def test_radii_hold_what_is_as_far_but_for_rounding():
    for size in (0.1, 0.3, 0.4, 0.7):
        tube = rasterize_swc(
            line((5 * size, 5 * size, 0), (5 * size, 5 * size, 9), radius=3 * size), (11, 11, 4), spacing=size
        )
        y, x = np.indices((11, 11)) - 5
        np.testing.assert_array_equal(tube[..., 1], y**2 + x**2 <= 9)


def test_thin_lines_stay_in_one_piece():
    """In any direction, also where a line runs along the border of voxels."""
    rng = np.random.default_rng(0)
    shape = (24, 24, 24)
    for trial in range(200):
        spacing = np.array([1.0, 1.0, 1.0]) if trial % 2 else rng.uniform(0.1, 4, 3)
        places = rng.uniform(0, 23, (4, 3))
        if trial % 3 == 0:
            places = np.round(places * 2) / 2
        if trial % 5 == 0:
            places[1:] = places[0] + rng.choice([-1, 0, 1], (3, 3)) * rng.uniform(0, 9, (3, 1))
        places = np.clip(places, 0, 23) * spacing
        graph = line(*map(tuple, places.tolist()), radius=rng.uniform(0, 0.5, 4) * (trial % 4 > 0))
        found = rasterize_swc(graph, shape, spacing=spacing)
        assert count_pieces(found) == 1
        for place in places:
            assert found[tuple(np.floor(place / spacing + 0.5).astype(int))] == 1
        total, _ = score_skeletons(found, graph, spacing=spacing)
        assert total.omitted == 0


def test_diagonals_along_the_corners_of_voxels():
    """Halves in the other axes, whose rounding could leave a gap."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        size = rng.uniform(0.1, 3)
        start = (np.round(rng.uniform(0, 4, 3)) + rng.choice([0, 0.5, 0.3], 3)) * size
        step = rng.choice([1, 1, 0.5, 1 / 3], 3) * rng.uniform(5, 25) * size
        graph = line(tuple(start.tolist()), tuple((start + step).tolist()))
        assert count_pieces(rasterize_swc(graph, (32, 32, 32), spacing=size)) == 1


def test_thin_lines_are_thin():
    found = rasterize_swc(line((0, 0, 0), (4, 8, 2)), (5, 9, 3))
    assert found.sum() == 9
    found = rasterize_swc(line((0, 0), (5, 5)), (6, 6))
    np.testing.assert_array_equal(found, np.eye(6))


def test_tubes_of_several_pieces_are_connected():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        places = 12 + np.cumsum(rng.normal(size=(8, 3)), axis=0)
        spacing = rng.uniform(0.3, 3, 3)
        graph = line(*map(tuple, places.tolist()), radius=rng.uniform(0, 3, 8))
        shape = tuple(np.ceil((places.max() + 5) / spacing).astype(int))
        assert count_pieces(rasterize_swc(graph, shape, spacing=spacing)) == 1


def test_a_part_is_cut_from_the_whole():
    """Lines and tubes across the border are what they are in a larger image."""
    shape, sizes = (20, 22, 24), np.array([1.5, 1.0, 0.5])
    for seed in range(5):
        graph = random_trees(seed, shape, sizes, widest=2)
        whole = rasterize_swc(graph, shape, spacing=sizes)
        corner = np.array([4, 5, 6])
        moved = graph.copy()
        for node in moved:
            moved.nodes[node]["position"] = tuple(moved.nodes[node]["position"] - corner * sizes)
        part = rasterize_swc(moved, (7, 8, 9), spacing=sizes)
        np.testing.assert_array_equal(part, whole[4:11, 5:13, 6:15])


@pytest.mark.parametrize("far", [1e3, 1e9, 1e18, 1e80, 1e150])
def test_segments_that_are_far_away_or_long(far):
    for place in ((far, 3.0, 3.0), (3.0, -far, 3.0), (-far, far, far)):
        further = tuple(2 * p if abs(p) == far else p for p in place)
        assert not rasterize_swc(line(place, further, radius=9), (7, 7, 7)).any()
    found = rasterize_swc(line((3.0, 3.0, -far), (3.0, 3.0, far), radius=1), (7, 7, 7))
    expected = np.abs(np.indices((7, 7)) - 3).sum(axis=0) <= 1
    np.testing.assert_array_equal(found, np.repeat(expected[:, :, None], 7, axis=2))
    assert rasterize_swc(line((3.0, 3.0, 3.0), radius=far), (7, 7, 7)).all()


def test_types_and_empty_graphs():
    assert rasterize_swc(nx.Graph(), (3, 4)).dtype == np.uint16
    assert rasterize_swc(nx.Graph(), [3, 4, 5]).shape == (3, 4, 5)
    assert rasterize_swc(line((0, 0), (1, 1)), np.array([0, 3])).shape == (0, 3)
    for owner, dtype in ((2**16 - 1, np.uint16), (2**16, np.uint32), (2**32 - 1, np.uint32)):
        found = rasterize_swc(line((1, 1), owner=owner), (3, 3))
        assert found.dtype == dtype
        assert found.max() == found[1, 1] == owner


def test_round_trip_with_a_tube(tmp_path):
    """The skeleton of a tube of known radius has that radius, and its voxels are where the distance is so large."""
    places = [(20.0, 10.0 + k, 10 + 8 * np.sin(k / 12)) for k in range(40)]
    spacing = (2.0, 1.0, 0.5)
    graph = line(*places, radius=5.0)
    write_swc(graph, tmp_path / "a.swc")
    tube = rasterize_swc(read_swc(tmp_path / "a.swc"), (20, 60, 60), spacing=spacing)
    np.testing.assert_array_equal(tube, rasterize_swc(graph, (20, 60, 60), spacing=spacing))
    depth = ndimage.distance_transform_edt(tube, sampling=spacing)
    at = tuple(np.floor(np.array(places) / spacing + 0.5).astype(int).T)
    np.testing.assert_allclose(depth[at], 5, atol=1)
    assert depth.max() < 6
    skeletons = score_skeletons(tube, graph, spacing=spacing)[0]
    assert skeletons.normalized_erl == pytest.approx(1)


def test_loops_are_drawn():
    graph = line((1, 1), (1, 7), (7, 7), (7, 1))
    graph.add_edge(3, 0)
    graph.add_edge(0, 0)
    expected = np.zeros((9, 9))
    expected[1:8, 1:8], expected[2:7, 2:7] = 1, 0
    np.testing.assert_array_equal(rasterize_swc(graph, (9, 9)), expected)


def test_two_radii_at_one_place():
    """The larger one counts, whichever comes first."""
    for radii in ([1, 3], [3, 1]):
        found = rasterize_swc(line((4, 4), (4, 4), radius=radii), (9, 9))
        np.testing.assert_array_equal(found, rasterize_swc(line((4, 4), radius=3), (9, 9)))


def broken(**attributes):
    graph = line((0, 0), (1, 1), (2, 2))
    graph.nodes[1].update(attributes)
    return graph


def without_radius():
    graph = line((0, 0), (1, 1))
    del graph.nodes[1]["radius"]
    return graph


@pytest.mark.parametrize(
    ("graph", "error", "message"),
    [
        (without_radius(), ValueError, "Expected each node of `graph` to have a `radius`, got none for 1"),
        (broken(radius=-1), ValueError, "Expected each `radius` in `graph` to be finite and at least 0, got -1.0"),
        (broken(radius=np.nan), ValueError, "at least 0, got nan"),
        (broken(radius=np.inf), ValueError, "at least 0, got inf"),
        (broken(radius=(1, 2)), TypeError, "Expected each `radius` in `graph` to be a number"),
        (broken(object=2), ValueError, "Expected each edge of `graph` between nodes of one `object`"),
        (broken(object=1.0), TypeError, "Expected the nodes of `graph` to have a `position` and an `object`, an int"),
        (line((0, 0), owner=0), ValueError, "Expected each `object` in `graph` from 1 to 4294967295, got 0"),
        (line((0, 0), owner=2**32), ValueError, "from 1 to 4294967295, got 4294967296"),
        (line((0, 0, 0)), ValueError, "Expected each `position` in `graph` to have 2 coordinates, as `shape` has axes"),
        (line((0, np.nan)), ValueError, "Expected each `position` in `graph` to have 2 coordinates"),
        ([1], TypeError, r"Expected `graph` to be a networkx\.Graph, got list"),
    ],
)
def test_graphs_that_cannot_be_drawn(graph, error, message):
    with pytest.raises(error, match=message):
        rasterize_swc(graph, (5, 5))


@pytest.mark.parametrize(
    ("shape", "spacing", "error", "message"),
    [
        (5, None, TypeError, "Expected `shape` to be a sequence, got int"),
        ((5,), None, ValueError, r"Expected `shape` to be 2 or 3 numbers, got \(5,\)"),
        ((5, 5.0), None, TypeError, "Expected `shape` to be an int, got float"),
        ((5, -1), None, ValueError, "Expected `shape` to be at least 0, got -1"),
        ((5, 5), (1, 1, 1), ValueError, "Expected `spacing` to be a positive number or 2 of them"),
        ((5, 5), 0, ValueError, "Expected `spacing` to be a positive number or 2 of them"),
    ],
)
def test_shapes_and_spacings(shape, spacing, error, message):
    with pytest.raises(error, match=message):
        rasterize_swc(line((0, 0)), shape, spacing=spacing)
