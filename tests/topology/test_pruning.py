from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import gaussian_filter

from monai_topoloss.datasets import synthetic_vessels
from monai_topoloss.topology import skeleton_graph, skeletonize, tubed_skeleton
from tests.images import KINDS, random_mask
from tests.oracles import lee


def draw(*rows):
    return np.array([[character == "#" for character in row] for row in rows])


CROSS = draw(
    "..............................",
    "..........#...................",
    "..........#.........#.........",
    "..........#.........#.........",
    "##############################",
    "....................#.........",
    "....................#.........",
    "....................#.........",
    "....................#.........",
)


@pytest.mark.parametrize(
    ("length", "left"),
    [(0, 39), (2, 39), (2.5, 37), (3, 37), (3.5, 34), (4, 34), (4.5, 30), (9, 30), (1000, 30)],
)
def test_branches_that_are_shorter_go_and_a_line_stays(length, left):
    pruned = skeletonize(CROSS, prune=length)
    assert pruned.sum() == left
    assert pruned[4].all()


def test_lengths_are_those_of_the_spacing():
    assert skeletonize(CROSS, prune=3.5).sum() == 34
    assert skeletonize(CROSS, prune=1.75, spacing=0.5).sum() == 34
    # Rows that are twice as far apart make longer branches.
    assert skeletonize(CROSS, prune=3.5, spacing=(2, 1)).sum() == 39
    assert skeletonize(CROSS, prune=7, spacing=(2, 1)).sum() == 34


def test_a_branch_counts_to_the_middle_of_its_junction():
    graph = skeleton_graph(CROSS)
    ends = [length for *edge, length in graph.edges(data="length") if "end" in {graph.nodes[n]["kind"] for n in edge}]
    assert sorted(ends) == [2, 3, 4, 9, 10]


@pytest.mark.parametrize("seed", range(4))
def test_spurs_of_a_thick_tube_go_by_its_radius(seed):
    """A rough tube has spurs about as long as it is wide, and a branch that is longer."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((40, 60, 120)), 1.5)
    z, y, x = np.indices(noise.shape) - np.array([20, 20, 0]).reshape(3, 1, 1, 1)
    tube = (np.hypot(z, y) + 0.7 * noise / noise.std() <= 7) & (x > 5) & (x < 115)
    tube |= (np.hypot(z, x - 60) <= 3) & (y > 0) & (y < 36)
    assert skeleton_graph(tube).number_of_edges() > 7
    pruned = skeleton_graph(tube, prune_factor=1.5)
    assert sorted(kind for _, kind in pruned.nodes(data="kind")) == ["end", "end", "end", "junction"]
    assert min(length for *_, length in pruned.edges(data="length")) > 30


@pytest.mark.parametrize("method", ["lee", None, "lee_skimage"])
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_topology_is_kept_and_pruning_is_idempotent(kind, ndim, method):
    for seed in range(6):
        mask = random_mask(kind, ndim, seed, size=20)
        skeleton = skeletonize(mask, method=method, spatial_dims=ndim)
        for options in ({"prune": 4}, {"prune": 1e9}, {"prune_factor": 1.5}, {"prune": 3, "prune_factor": 0.5}):
            pruned = skeletonize(mask, method=method, spatial_dims=ndim, **options)
            assert not (pruned & ~skeleton).any()
            assert lee.betti_numbers(pruned) == lee.betti_numbers(skeleton)
            # By the same radii: those of what has been thinned.
            again = skeletonize(mask, method=method, spatial_dims=ndim, **options)
            np.testing.assert_array_equal(again, pruned)
        twice = skeletonize(skeletonize(mask, method="lee", spatial_dims=ndim, prune=4), method="lee",
                            spatial_dims=ndim, prune=4)  # fmt: skip
        np.testing.assert_array_equal(twice, skeletonize(mask, method="lee", spatial_dims=ndim, prune=4))


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=3, max_side=7)), st.floats(0, 8))
def test_topology_of_small_masks(mask, length):
    pruned = skeletonize(mask, method="lee", prune=length)
    assert lee.betti_numbers(pruned) == lee.betti_numbers(mask)


@pytest.mark.parametrize("seed", range(3))
def test_no_short_end_branch_is_left_where_one_could_go(seed):
    _, label = synthetic_vessels((60, 60, 60), num_trees=3, seed=seed)
    graph = skeleton_graph(label[0] != 0, prune=6)
    for one, other, length in graph.edges(data="length"):
        kinds = {graph.nodes[one]["kind"], graph.nodes[other]["kind"]}
        assert kinds != {"end", "junction"} or length >= 6


def test_the_longest_of_a_star_stay():
    star = np.zeros((21, 21), bool)
    star[10, 6:19], star[3:14, 10] = True, True
    assert skeletonize(star, prune=100).sum() == 15  # the two longest of 4, 8, 7 and 3
    ring = np.zeros((15, 15), bool)
    ring[2:13, 2:13] = True
    ring[3:12, 3:12] = False
    ring[7, 12:] = True
    pruned = skeletonize(ring, prune=100)
    assert lee.betti_numbers(pruned) == (1, 1)
    assert set(dict(nx.Graph(skeleton_graph(pruned)).degree()).values()) == {2}


@pytest.mark.parametrize("size", [0.1, 0.3, 0.4, 0.7, 1.1])
def test_a_branch_as_long_as_asked_for_stays_wherever_it_is(size):
    """Floats must not decide."""
    mask = np.zeros((30, 15), bool)
    mask[12, 1:14], mask[5:12, 7] = True, True
    for offset in range(0, 60, 3):
        shifted = np.pad(mask, ((offset, 0), (offset, 0)))
        assert skeletonize(shifted, prune=6 * size, spacing=size, method="lee")[offset + 5, offset + 7]
        assert not skeletonize(shifted, prune=6.01 * size, spacing=size, method="lee")[offset + 5, offset + 7]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(
    "options", [{"prune": 3}, {"prune_factor": 1.5, "spacing": 0.7}, {"prune": 1.2, "spacing": (1.0, 0.4, 0.4)}]
)
def test_padding_changes_nothing(ndim, options):
    options = {name: value[-ndim:] if isinstance(value, tuple) else value for name, value in options.items()}
    for seed in range(20):
        mask = np.random.default_rng(seed).random((60, 60) if ndim == 2 else (20, 20, 20)) < 0.3
        padded = np.pad(mask, [(7, 1), (3, 2), (1, 4)][:ndim])
        inside = tuple(slice(first, first + n) for first, n in zip((7, 3, 1), mask.shape, strict=False))
        found = skeletonize(padded, method="lee", **options)[inside]
        np.testing.assert_array_equal(found, skeletonize(mask, method="lee", **options))


def test_items_and_kinds_of_tensors(device):
    masks = torch.from_numpy(
        np.stack([CROSS, CROSS.T[:9, :30].repeat(1, 0).reshape(9, -1)[:, :9].repeat(4, 1)[:, :30]])
    )
    masks = masks.to(device)
    found = skeletonize(masks, prune=3.5, spatial_dims=2)
    assert found.device == masks.device
    assert found.dtype == torch.bool
    for mask, pruned in zip(masks, found, strict=True):
        torch.testing.assert_close(skeletonize(mask, prune=3.5), pruned)
    assert skeletonize(masks[:0], prune=3, spatial_dims=2).shape == (0, 9, 30)


@pytest.mark.parametrize("options", [{}, {"per_class": True}, {"radius": 1.3, "spacing": (0.5, 1, 0.7)}])
def test_tubes_of_pruned_skeletons(options, device):
    rng = np.random.default_rng(0)
    label = torch.from_numpy((rng.random((2, 16, 17, 18)) < 0.5) * rng.integers(1, 3, (2, 16, 17, 18)).astype("u1"))
    label = label.to(device)
    whole = tubed_skeleton(label, spatial_dims=3, **options)
    assert torch.equal(tubed_skeleton(label, spatial_dims=3, prune=1e-9, **options), whole)
    pruned = tubed_skeleton(label, spatial_dims=3, prune=4, **options)
    assert pruned.dtype == torch.uint8
    assert ((pruned == 0) | (pruned == whole)).all()
    bare = {**options, "radius": 0}
    masks = [label == value for value in (1, 2)] if "per_class" in options else [label != 0]
    skeletons = [skeletonize(m, spatial_dims=3, prune=4, spacing=options.get("spacing")) for m in masks]
    expected = torch.stack(skeletons).any(dim=0)
    assert torch.equal(tubed_skeleton(label, spatial_dims=3, prune=4, **bare) != 0, expected)


def test_without_background_nothing_is_long_enough():
    mask = np.ones((9, 9), bool)
    assert lee.betti_numbers(skeletonize(mask, method="lee", prune_factor=1)) == (1, 0)
