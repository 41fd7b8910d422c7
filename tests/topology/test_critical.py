from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from scipy import ndimage

from monai_topoloss.topology import critical_components
from tests.oracles import supervoxel

KINDS = ["masks", "instances", "instances and mask", "mask and instances", "classes"]


def make_pair(seed, ndim, kind):
    """Make an input and a target that resemble each other, with touching objects, and ids in no order."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, (0, 0, 12, 6)[ndim], ndim))
    ids = np.array([0, 1]) if kind == "masks" else np.concatenate([[0], rng.choice(np.arange(1, 40), 3, replace=False)])
    if kind == "classes":
        ids = np.arange(4)
    target = ids[rng.integers(0, len(ids), shape)] * (rng.random(shape) < 0.9)
    if rng.random() < 0.5 and kind != "masks":  # larger objects
        target = ids[np.minimum(np.indices(shape).sum(axis=0) // 4, 3)] * (rng.random(shape) < 0.9)
    wrong = rng.random(shape) < rng.random()
    input = np.where(wrong, ids[rng.integers(0, len(ids), shape)], target)
    if kind in ("masks", "instances and mask"):
        target = target != 0
    if kind in ("masks", "mask and instances"):
        input = input != 0
    return input, target


def as_ids(image):
    """Ids of an image with a single foreground, or with several."""
    return image.astype(np.int64)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), connectivity=st.integers(1, 3), ignore=st.booleans())
def test_linear_rule(ndim, kind, seed, connectivity, ignore):
    connectivity = min(connectivity, ndim)
    input, target = make_pair(seed, ndim, kind)
    classes = kind == "classes"
    reference, other = as_ids(target), as_ids(input)
    options = {"connectivity": connectivity, "num_classes": 4 if classes else None}
    if ignore:
        ignored = np.random.default_rng(seed + 1).random(target.shape) < 0.1
        target = np.where(ignored, 255, reference)
        reference, other = np.where(ignored, 0, reference), np.where(ignored, 0, other)
        options["ignore_index"] = 255
    found = critical_components(input, target, **options)
    splits, broken = supervoxel.linear(reference, other, connectivity, classes=classes)
    merges, joined = supervoxel.linear(other, reference, connectivity, classes=classes)
    np.testing.assert_array_equal(found.splits, splits)
    np.testing.assert_array_equal(found.merges, merges)
    if classes:
        assert found.n_splits.tolist() == [broken.count(k) for k in (1, 2, 3)]
        assert found.n_merges.tolist() == [joined.count(k) for k in (1, 2, 3)]
    else:
        assert (found.n_splits, found.n_merges) == (len(broken), len(joined))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", KINDS[:4])
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), connectivity=st.integers(1, 3))
def test_what_breaks_an_object_alone_is_critical(ndim, kind, seed, connectivity):
    connectivity = min(connectivity, ndim)
    input, target = make_pair(seed, ndim, kind)
    found = critical_components(input, target, connectivity=connectivity)
    input, target = as_ids(input), as_ids(target)
    for critical, reference, other in (found.splits, target, input), (found.merges, input, target):
        literal = supervoxel.literal(reference, other, connectivity)
        assert not (literal & ~critical).any()
        mistakes = list(supervoxel.mistake_components(reference, other, connectivity))
        for _, component in mistakes:  # a prediction with this mistake alone
            alone = critical_components(reference * ~component, reference, connectivity=connectivity)
            np.testing.assert_array_equal(
                alone.splits, supervoxel.literal(reference, reference * ~component, connectivity)
            )


def test_a_ring_with_two_gaps_is_two_splits_and_with_one_none():
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    both, one = ring.copy(), ring.copy()
    both[0, 1] = both[2, 1] = one[0, 1] = False
    assert critical_components(one, ring).n_splits == 0
    found = critical_components(both, ring)
    assert found.n_splits == 2
    assert not supervoxel.literal(ring, both, 2).any()  # either gap alone leaves the ring in one piece


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", KINDS[:4])
@pytest.mark.parametrize("seed", range(50))
def test_mixed_connectivities_are_the_released_algorithm(ndim, kind, seed):
    input, target = make_pair(seed, ndim, kind)
    found = critical_components(input, target, object_connectivity=1, mistake_connectivity=ndim)
    # Ids with one value are a mask.
    input, target = (side != 0 if len(np.unique(side[side != 0])) <= 1 else side for side in (input, target))
    for critical, count, reference, other in (
        (found.splits, found.n_splits, target, input),
        (found.merges, found.n_merges, input, target),
    ):
        expected, expected_count = supervoxel.released(reference, other)
        np.testing.assert_array_equal(critical, expected)
        assert count == expected_count


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(30))
def test_any_two_connectivities(ndim, seed):
    """Objects of masks are their components; a component of mistakes belongs to one of them."""
    input, target = make_pair(seed, ndim, "masks")
    for objects, mistakes in ((a, b) for a in range(1, ndim + 1) for b in range(1, ndim + 1)):
        found = critical_components(input, target, object_connectivity=objects, mistake_connectivity=mistakes)
        expected = np.zeros(target.shape, bool)
        ids, _ = ndimage.label(target, supervoxel.structure(ndim, objects))
        remainder, _ = ndimage.label(target & input, supervoxel.structure(ndim, objects))
        for value, component in supervoxel.mistake_components(ids, input, mistakes):
            around = ndimage.binary_dilation(component, supervoxel.structure(ndim, mistakes)) & (ids == value)
            if np.count_nonzero(np.unique(remainder[around])) != 1:
                expected |= component
        np.testing.assert_array_equal(found.splits, expected)


def test_masks_that_view_other_bytes():
    target, input = np.array([[[1, 1, 1, 0, 1, 1, 0]], [[1, 0, 1, 1, 1, 1, 0]]], bool)
    expected = critical_components(input, target)
    found = critical_components(*((255 * side.astype(np.uint8)).view(bool) for side in (input, target)))
    np.testing.assert_array_equal(found.splits, expected.splits)
    assert (found.n_splits, found.n_merges) == (expected.n_splits, expected.n_merges) == (1, 1)


@pytest.mark.parametrize("mixed", [False, True])
def test_classes_are_taken_one_against_the_rest(mixed):
    options = {"object_connectivity": 1, "mistake_connectivity": 2} if mixed else {}
    rng = np.random.default_rng(0)
    for _ in range(20):
        target, input = rng.integers(0, 4, (2, 9, 11))
        found = critical_components(input, target, num_classes=4, **options)
        alone = [critical_components(input == k, target == k, **options) for k in (1, 2, 3)]
        np.testing.assert_array_equal(found.splits, np.any([each.splits for each in alone], axis=0))
        np.testing.assert_array_equal(found.merges, np.any([each.merges for each in alone], axis=0))
        assert found.n_splits.tolist() == [int(each.n_splits) for each in alone]
        assert found.n_merges.tolist() == [int(each.n_merges) for each in alone]


def test_instances_that_touch_are_told_apart():
    target = np.array([[1, 1, 1, 2, 2, 2]])
    input = np.array([[1, 1, 0, 0, 2, 2]])
    assert critical_components(input, target).n_splits == 0  # both only got shorter
    assert critical_components(input != 0, target != 0).n_splits == 1
    assert critical_components(target != 0, target).n_merges == 0  # joined without a wrong voxel


def test_an_ignored_band_cuts_an_object():
    target = np.array([[1, 1, 255, 1, 1, 0]])
    found = critical_components(np.array([[0, 0, 1, 1, 1, 0]]), target, ignore_index=255)
    assert found.n_splits == 1  # the left piece is an object of its own, and dropped
    assert found.splits.tolist() == [[True, True, False, False, False, False]]


@pytest.mark.parametrize("ndim", [2, 3])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_flips_transpositions_and_names_do_not_matter(ndim, seed):
    input, target = make_pair(seed, ndim, "instances")
    found = critical_components(input, target)
    for change in (np.flip, np.transpose):
        changed = critical_components(change(input), change(target))
        np.testing.assert_array_equal(changed.splits, change(found.splits))
        np.testing.assert_array_equal(changed.merges, change(found.merges))
    names = np.concatenate([[0], np.random.default_rng(seed).permutation(np.arange(1, 40)) * 10**8])
    renamed = critical_components(names[input], names[target])
    np.testing.assert_array_equal(renamed.splits, found.splits)
    np.testing.assert_array_equal(renamed.merges, found.merges)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.int64, torch.float16, torch.float64])
def test_kinds_shapes_and_devices(device, dtype):
    rng = np.random.default_rng(0)
    batch = torch.from_numpy(rng.integers(0, 2, (2, 2, 3, 9, 70))).to(device, dtype)
    input, target = batch
    found = critical_components(input.mT, target.mT, spatial_dims=3)
    assert found.splits.shape == (2, 3, 70, 9)
    assert found.n_splits.shape == (2,)
    assert {part.device.type for part in found} == {device.type}
    for k in range(2):
        alone = critical_components(input[k].mT.cpu().numpy(), target[k].mT.cpu().numpy())
        assert isinstance(alone.splits, np.ndarray)
        np.testing.assert_array_equal(found.splits[k].cpu(), alone.splits)
        assert found.n_splits[k] == alone.n_splits
    flat = critical_components(input, target, spatial_dims=2)
    assert flat.n_merges.shape == (2, 3)
    classes = critical_components(input, target, spatial_dims=2, num_classes=2)
    assert classes.n_merges.shape == (2, 3, 1)


def test_metadata_is_kept_on_images_only():
    image = MetaTensor(torch.ones(4, 4), affine=2 * torch.eye(4))
    found = critical_components(image, torch.ones(4, 4))
    assert isinstance(found.splits, MetaTensor)
    assert not isinstance(found.n_splits, MetaTensor)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1, 1), (0, 3, 3), (1, 1, 1)])
def test_degenerate_shapes(shape):
    found = critical_components(np.zeros(shape, bool), np.ones(shape, bool))
    assert found.n_splits == int(np.prod(shape) > 0)
    assert found.n_merges == 0


def test_real_labels(real_data):
    """Gaps and bridges drawn into real labels are found; their labels are as large as they come."""
    from PIL import Image

    paths = sorted((real_data / "topomortar").rglob("*.png"))
    labels = [np.asarray(Image.open(path)) for path in paths if "accurate" in str(path) or "label" in str(path)][:10]
    assert labels
    rng = np.random.default_rng(0)
    for label in labels:
        target = (label if label.ndim == 2 else label[..., 0]) > 0
        input = target ^ ndimage.binary_dilation(rng.random(target.shape) < 0.001, iterations=2)
        found = critical_components(input, target)
        cross = np.ones((3, 3))
        remainder, _ = ndimage.label(target & input, cross)
        for mistakes, critical, count in (
            (target & ~input, found.splits, found.n_splits),
            (input & ~target, found.merges, found.n_merges),
        ):
            components, total = ndimage.label(mistakes, cross)
            expected = 0
            for k, tight in enumerate(ndimage.find_objects(components), start=1):
                box = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in tight)
                one = components[box] == k
                touched = np.unique(remainder[box][ndimage.binary_dilation(one, cross)])
                is_critical = np.count_nonzero(touched) != 1
                assert critical[box][one].all() if is_critical else not critical[box][one].any()
                expected += is_critical
            assert (count, total > 0) == (expected, True)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"input": "x"},
            TypeError,
            "Expected `input` to be a torch.Tensor or a numpy.ndarray",
        ),
        (
            {"target": np.zeros((3, 4))},
            ValueError,
            r"`target` of the shape of `input`, \(3, 3\), got \(3, 4\)",
        ),
        ({"input": np.zeros(3), "target": np.zeros(3)}, ValueError, "Expected `input` to have 2 or 3 axes"),
        ({"input": np.full((3, 3), np.nan)}, ValueError, "whole numbers, got NaN"),
        ({"input": np.full((3, 3), 1e19)}, ValueError, "Expected `input` to hold class ids up to"),
        ({"input": np.full((3, 3), -1)}, ValueError, "Expected `input` to hold no negative class ids, got -1"),
        ({"target": np.full((3, 3), 3), "num_classes": 3}, ValueError, "`target` to hold class ids below 3"),
        ({"input": np.full((3, 3), 4), "num_classes": 3}, ValueError, "`input` to hold class ids below 3"),
        ({"num_classes": 1}, ValueError, "Expected `num_classes` to be at least 2, got 1"),
        ({"connectivity": 3}, ValueError, "Expected `connectivity` from 1 to 2, the number of spatial axes, got 3"),
        ({"object_connectivity": 0}, ValueError, "Expected `object_connectivity` from 1 to 2"),
        ({"mistake_connectivity": 1.5}, TypeError, "Expected `mistake_connectivity` to be an int"),
        ({"ignore_index": 0}, ValueError, "Expected `ignore_index` to be another value than 0"),
        ({"backend": "gpu"}, ValueError, "Expected `backend` to be one of"),
    ],
)
def test_bad_arguments(change, error, message):
    arguments = {"input": np.zeros((3, 3), int), "target": np.zeros((3, 3), int), **change}
    with pytest.raises(error, match=message):
        critical_components(**arguments)
