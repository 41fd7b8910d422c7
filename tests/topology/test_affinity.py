from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_topoloss.topology import affinities, critical_affinities, label_affinities
from tests.oracles import affinities as oracle

NEAREST = {2: [(1, 0), (0, 1)], 3: [(1, 0, 0), (0, 1, 0), (0, 0, 1)]}
SETS = [
    NEAREST[2],
    [(-1, 0), (0, -2), (1, 1), (9, 0), (0, 3)],
    NEAREST[3],
    [(0, -1, 0), (1, 1, 1), (0, 0, 2)],
    [(1, 0, 0), (0, -1, 1), (0, 0, 1), (-3, 0, 0)],
]
SHAPES = {2: (7, 8), 3: (3, 4, 5)}


def draw(rng, edges, wrong, values=4):
    """Blocks of ids, and affinities that are wrong here and there."""
    shape = SHAPES[len(edges[0])]
    target = rng.integers(0, values, shape)
    for axis in range(len(shape)):
        if rng.random() < 0.7:
            target = target.repeat(2, axis=axis).take(range(shape[axis]), axis=axis)
    input = oracle.joined(target, edges) ^ (rng.random((len(edges), *shape)) < wrong)
    return input, target.astype(rng.choice([np.uint8, np.int32, np.int64]))


@pytest.mark.parametrize("edges", SETS)
@pytest.mark.parametrize("wrong", [0.02, 0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("tolerance", [0, 1, 2])
def test_critical_affinities_are_those_of_the_definition(edges, wrong, tolerance, device):
    rng = np.random.default_rng(int(100 * wrong))
    for _ in range(25):
        input, target = draw(rng, edges, wrong)
        ignored = target == 3 if rng.random() < 0.3 else None
        found = critical_affinities(
            torch.from_numpy(input).to(device),
            torch.from_numpy(target).to(device),
            edges,
            ignore_index=None if ignored is None else 3,
            tolerance=tolerance,
        )
        for ours, theirs in zip(found, oracle.critical(input, target, edges, ignored, tolerance), strict=True):
            np.testing.assert_array_equal(ours.numpy(force=True), theirs)


LONG = [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 70), (0, 1, -65), (1, 0, 3), (0, 0, -1), (-1, 1, 2)]


@pytest.mark.parametrize("count", range(1, len(LONG) + 1))
@pytest.mark.parametrize("width", [64, 65, 127, 150])
@pytest.mark.parametrize("tolerance", [0, 1, 3])
def test_rows_that_are_longer_than_a_word(count, width, tolerance, device):
    rng, edges = np.random.default_rng(width), LONG[:count]
    for wrong in (0.01, 0.1, 0.5, 1.0):
        target = rng.integers(0, 3, (2, 2, width // 30)).repeat(30, axis=2)
        target = np.pad(target, ((0, 0), (0, 0), (0, width - target.shape[2])), mode="edge")
        blobs = (rng.random((count, *target.shape)) < wrong / 3) | np.roll(rng.random(target.shape) < wrong / 3, 1, -1)
        input = oracle.joined(target, edges) ^ (blobs | np.roll(blobs, 1, -1)) if wrong < 1 else np.ones_like(blobs)
        images = torch.from_numpy(input).to(device), torch.from_numpy(target).to(device)
        found = critical_affinities(*images, edges, tolerance=tolerance)
        for ours, theirs in zip(found, oracle.critical(input, target, edges, None, tolerance), strict=True):
            np.testing.assert_array_equal(ours.numpy(force=True), theirs)
        labels = label_affinities(torch.from_numpy(input).to(device), edges)
        np.testing.assert_array_equal(labels.numpy(force=True), oracle.label(input, edges))


@pytest.mark.parametrize("edges", SETS)
def test_affinities_and_their_components_are_those_of_the_definition(edges, device):
    rng = np.random.default_rng(0)
    for wrong in (0, 0.1, 0.5):
        input, target = draw(rng, edges, wrong)
        found = affinities(torch.from_numpy(target).to(device), edges)
        np.testing.assert_array_equal(found.numpy(force=True), oracle.joined(target, edges))
        found = affinities(target.astype(np.float32), edges, ignore_index=2)
        np.testing.assert_array_equal(found, oracle.joined(np.where(target == 2, 0, target), edges))
        labels = label_affinities(torch.from_numpy(input).to(device), edges)
        np.testing.assert_array_equal(labels.numpy(force=True), oracle.label(input, edges))


def two_neurites():
    """Two neurites side by side, and their affinities."""
    target = np.zeros((9, 12, 12), np.int32)
    target[:, 2:6, 2:10], target[:, 6:10, 2:10] = 4, 7
    return target, affinities(target, NEAREST[3])


def test_nothing_is_critical_in_what_is_right():
    target, input = two_neurites()
    found = critical_affinities(input, target, NEAREST[3])
    assert not found.splits.any()
    assert not found.merges.any()
    assert found.n_splits == found.n_merges == 0


def test_one_affinity_between_touching_neurites_is_a_merge():
    target, input = two_neurites()
    input[1, 4, 5, 5] = True
    found = critical_affinities(input, target, NEAREST[3])
    assert (found.n_splits, found.n_merges) == (0, 1)
    assert found.merges.sum() == 1
    assert found.merges[1, 4, 5, 5]
    input[1, 3:7, 5, 3:8] = True  # a window of them joins the same two
    found = critical_affinities(input, target, NEAREST[3])
    assert (found.n_splits, found.n_merges) == (0, 1)
    assert found.merges.sum() == 4 * 5


@pytest.mark.parametrize("shift", [1, 2])
def test_a_border_that_is_off_is_critical_without_tolerance_only(shift, device):
    target = np.zeros((9, 16, 12), np.int32)
    target[:, 2:8, 2:10], target[:, 8:14, 2:10] = 4, 7
    predicted = target.copy()
    predicted[:, 8 - shift : 8, 2:10] = 7
    input, target = torch.from_numpy(affinities(predicted, NEAREST[3])).to(device), torch.from_numpy(target).to(device)
    found = critical_affinities(input, target, NEAREST[3])
    assert (found.n_splits, found.n_merges) == (1, 1)
    found = critical_affinities(input, target, NEAREST[3], tolerance=1)
    assert (found.n_splits, found.n_merges) == (0, 0)
    assert not found.splits.any()
    assert not found.merges.any()
    input[1, 4, 7 - shift, 5] = True  # across the border as it is predicted
    found = critical_affinities(input, target, NEAREST[3], tolerance=1)
    assert (found.n_splits, found.n_merges) == (0, 1)
    assert found.merges[1, :, 7].any()


def test_a_wide_cut_is_a_split_with_tolerance_also():
    target, input = two_neurites()
    input[0, 3, 2:6] = input[0, 4, 2:6] = False  # a slice of one voxel between the two cuts
    found = critical_affinities(input, target, NEAREST[3])
    assert found.n_splits == 2
    found = critical_affinities(input, target, NEAREST[3], tolerance=1)
    assert found.n_splits == 1
    assert found.splits[0, 3:5, 2:6, 2:10].all()


def test_thin_objects_count_with_any_tolerance():
    target = np.zeros((3, 20), np.uint8)
    target[1] = 1
    input = affinities(target, NEAREST[2])
    input[1, 1, 9] = False
    assert critical_affinities(input, target, NEAREST[2], tolerance=5).n_splits == 1


def test_a_cut_through_a_neurite_is_one_split():
    target, input = two_neurites()
    input[0, 4, 2:6] = False
    found = critical_affinities(input, target, NEAREST[3])
    assert (found.n_splits, found.n_merges) == (1, 0)
    assert found.splits.sum() == 4 * 8
    input[0, 4, 3, 3] = True  # it hangs on a thread
    assert not critical_affinities(input, target, NEAREST[3]).splits.any()


def test_eroded_borders_are_not_critical():
    target, _ = two_neurites()
    eroded = target.copy()
    eroded[:, [2, 5, 6, 9]] = 0
    eroded[:, :, [2, 9]] = 0
    found = critical_affinities(affinities(eroded, NEAREST[3]), target, NEAREST[3])
    assert not found.splits.any()
    assert not found.merges.any()
    grown = target.copy()
    grown[:, 1], grown[:, 10] = grown[:, 2], grown[:, 9]
    found = critical_affinities(affinities(grown, NEAREST[3]), target, NEAREST[3])
    assert not found.splits.any()
    assert not found.merges.any()


def test_what_is_dropped_and_what_is_made_up_is_critical():
    target, input = two_neurites()
    input[:, :, 2:6] = False
    input[:, :, 0, :5] = affinities(np.ones((9, 1, 5), int), NEAREST[3])[:, :, 0]
    found = critical_affinities(input, target, NEAREST[3])
    assert (found.n_splits, found.n_merges) == (1, 1)
    assert found.splits.sum() == affinities(target == 4, NEAREST[3]).sum()
    assert found.merges.sum() == input[:, :, 0].sum()


def test_a_long_affinity_holds_together_what_is_cut():
    edges = [(0, 1), (0, 3)]
    target = np.ones((1, 8), int)
    input = affinities(target, edges)
    input[0, 0, 3] = False
    assert critical_affinities(input, target, edges).n_splits == 0
    input[1, 0, 1:4] = False
    assert critical_affinities(input, target, edges).n_splits == 1


@pytest.mark.parametrize("ndim", [2, 3])
def test_axes_before_count_images(ndim, device):
    edges, rng = NEAREST[ndim], np.random.default_rng(0)
    pairs = [draw(rng, edges, 0.2) for _ in range(6)]
    input, target = (np.stack(part).astype(np.int64) for part in zip(*pairs, strict=True))
    together = critical_affinities(
        torch.from_numpy(input).to(device).unflatten(0, (2, 3)),
        torch.from_numpy(target).to(device).unflatten(0, (2, 3)),
        edges,
    )
    assert together.splits.shape == (2, 3, *input.shape[1:])
    assert together.n_splits.shape == together.n_merges.shape == (2, 3)
    assert together.n_splits.dtype == torch.int64
    assert together.splits.dtype == torch.bool
    alone = [critical_affinities(*pair, edges) for pair in pairs]
    for name in together._fields:
        expected = np.stack([getattr(each, name) for each in alone])
        np.testing.assert_array_equal(getattr(together, name).flatten(0, 1).numpy(force=True), expected)
    labels = label_affinities(together.splits, edges)
    assert labels.shape == (2, 3, *target.shape[1:])
    assert labels.device.type == device.type


def test_kinds_are_kept():
    target, input = two_neurites()
    found = critical_affinities(MetaTensor(input.astype(np.float32)), MetaTensor(target), NEAREST[3])
    assert type(found.splits) is torch.Tensor  # not MONAI's: an axis has come in between
    assert isinstance(critical_affinities(input, target, NEAREST[3]).n_splits, np.ndarray)
    assert label_affinities(input, NEAREST[3]).dtype == np.int32
    assert affinities(target, NEAREST[3]).dtype == np.bool_


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (5, 0), (1, 5)])
def test_small_images(shape):
    target, edges = np.ones(shape, np.uint8), NEAREST[2]
    found = critical_affinities(np.zeros((2, *shape), bool), target, edges)
    assert found.splits.shape == (2, *shape)
    assert found.n_splits == (shape == (1, 5))
    assert label_affinities(np.ones((2, *shape), bool), edges).shape == shape
    assert affinities(target[None][:0], edges).shape == (0, 2, *shape)


@pytest.mark.parametrize(
    "edges",
    [np.eye(2, dtype=np.uint8), list(np.eye(2, dtype=int)), torch.eye(2).int(), [(np.uint8(1), np.int64(0)), [0, 1]]],
)
def test_edges_of_any_kind_of_ints(edges):
    target = np.arange(2 * 300).reshape(300, 2) // 37 + 1
    np.testing.assert_array_equal(affinities(target, edges), affinities(target, NEAREST[2]))
    np.testing.assert_array_equal(
        label_affinities(affinities(target, edges), edges), label_affinities(affinities(target, edges), NEAREST[2])
    )


def test_high_ids_are_told_apart():
    target = np.array([[2**40, 2**40, 2**40 + 2**32, 2**40 + 2**32]]) + 5
    found = critical_affinities(np.array([[[1, 1, 1, 0]]]), target, [(0, 1)])
    assert (found.n_splits, found.n_merges) == (0, 1)


@pytest.mark.parametrize(
    ("input", "target", "options", "error", "message"),
    [
        (np.zeros((2, 4, 4)), np.zeros((4, 4)), {"edges": []}, ValueError, "Expected `edges` to be steps of 2 or 3"),
        (np.zeros((2, 4, 4)), np.zeros((4, 4)), {"edges": 3}, TypeError, "Expected `edges` to be a sequence of steps"),
        (np.zeros((2, 4, 4)), np.zeros((4, 4)), {"ignore_index": 0}, ValueError, "another value than 0"),
        (
            np.zeros((3, 4, 4)),
            np.zeros((4, 4)),
            {},
            ValueError,
            r"Expected `input` of shape \(..., 2, \*spatial\) in 2-D",
        ),
        (np.zeros((2, 4)), np.zeros((4, 4)), {}, ValueError, r"Expected `input` of shape \(..., 2, \*spatial\) in 2-D"),
        (np.full((2, 4, 4), 0.5), np.zeros((4, 4)), {}, ValueError, "logits and probabilities need a threshold"),
        (np.full((2, 4, 4), np.nan), np.zeros((4, 4)), {}, ValueError, "Expected `input` to hold 0 and 1"),
        (np.zeros((2, 4, 4)), np.zeros((4, 5)), {}, ValueError, r"Expected `target` of shape \(4, 4\)"),
        (np.zeros((2, 4, 4)), np.zeros(4), {}, ValueError, r"Expected `target` of shape \(..., \*spatial\) in 2-D"),
        (np.zeros((2, 4, 4)), np.zeros((4, 4)) - 1, {}, ValueError, "Expected `target` to hold no negative class ids"),
        (np.zeros((2, 4, 4)), np.zeros((4, 4)) + 0.5, {}, ValueError, "which are whole numbers"),
        ("x", np.zeros((4, 4)), {}, TypeError, "Expected `input` to be a torch.Tensor or a numpy.ndarray"),
    ],
)
def test_bad_arguments(input, target, options, error, message):
    with pytest.raises(error, match=message):
        critical_affinities(input, target, **{"edges": NEAREST[2], **options})


def test_tolerance_where_neighbours_in_a_row_are_never_joined():
    """Without an edge along rows, each column is on its own, and has its own depth."""
    ids = np.repeat([[1, 2, 3]], 9, axis=0)
    affinity = affinities(ids, [(1, 0)])
    affinity[0, 6] = False  # cuts the last two voxels off each
    assert int(critical_affinities(affinity, ids, [(1, 0)]).n_splits) == 3
    assert int(critical_affinities(affinity, ids, [(1, 0)], tolerance=2).n_splits) == 0
