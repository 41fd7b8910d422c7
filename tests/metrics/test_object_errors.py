"""Variation of information and adapted Rand error, against scikit-image and by their definitions."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import torch
from skimage import measure, metrics

from monai_topoloss.backends.cpu.partitions import compare_partitions
from monai_topoloss.metrics import (
    AdaptedRandErrorMetric,
    VariationOfInformationMetric,
    compute_adapted_rand_error,
    compute_variation_of_information,
)

FUNCTIONS = [compute_variation_of_information, compute_adapted_rand_error]


def as_batch(*arrays):
    return [torch.from_numpy(array)[None, None] for array in arrays]


def make_ids(seed, shape=(4, 5), ids=4):
    return np.random.default_rng(seed).integers(0, ids, (2, *shape))


@pytest.mark.parametrize("shape", [(31, 34), (12, 13, 14)])
@pytest.mark.parametrize("connectivity", [None, 1])
@pytest.mark.parametrize("foreground_only", [True, False])
def test_masks_equal_scikit_image(shape, connectivity, foreground_only):
    pred, label = np.random.default_rng(0).random((2, *shape)) < 0.3
    options = {"connectivity": connectivity, "foreground_only": foreground_only}
    objects = [measure.label(mask, connectivity=connectivity) for mask in (label, pred)]
    ignored = (0,) if foreground_only else ()
    splits, merges = metrics.variation_of_information(*objects, ignore_labels=ignored)
    for score, expected in (("sum", splits + merges), ("split", splits), ("merge", merges)):
        found = compute_variation_of_information(*as_batch(pred, label), score=score, **options)
        np.testing.assert_allclose(found.item(), expected, rtol=1e-6)
    if foreground_only:  # what is missed is as many objects as voxels
        missed = objects[1] == 0
        objects[1][missed] = objects[1].max() + 1 + np.arange(missed.sum())
    error = metrics.adapted_rand_error(*objects, ignore_labels=ignored)[0]
    found = compute_adapted_rand_error(*as_batch(pred, label), **options)
    np.testing.assert_allclose(found.item(), error, rtol=1e-6)


@pytest.mark.parametrize("foreground_only", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_instances_by_the_definitions(seed, foreground_only):
    pred, label = make_ids(seed)
    options = {"instances": True, "foreground_only": foreground_only}
    counted = label != 0 if foreground_only else np.full(label.shape, fill_value=True)
    voxels = list(zip(pred[counted].tolist(), label[counted].tolist(), strict=True))

    def entropy(values):
        shares = np.unique(values, return_counts=True, axis=0)[1] / len(values)
        return -(shares * np.log2(shares)).sum()

    joint = entropy(voxels)
    for score, column in (("split", 1), ("merge", 0)):
        found = compute_variation_of_information(*as_batch(pred, label), score=score, **options)
        np.testing.assert_allclose(found.item(), joint - entropy([v[column] for v in voxels]), atol=1e-6)

    is_object = [voxel[0] != 0 or not foreground_only for voxel in voxels]
    pairs = [
        (a[0] == b[0] and is_object[i] and is_object[j], a[1] == b[1])
        for (i, a), (j, b) in combinations(enumerate(voxels), 2)
    ]
    both, in_pred, in_label = (sum(x) for x in zip(*((p and q, p, q) for p, q in pairs), strict=True))
    expected = {"precision": both / in_pred, "recall": both / in_label, "error": 1 - 2 * both / (in_pred + in_label)}
    for score, value in expected.items():
        found = compute_adapted_rand_error(*as_batch(pred, label), score=score, **options)
        np.testing.assert_allclose(found.item(), value, rtol=1e-6)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32])
def test_names_of_ids_do_not_matter(function, dtype):
    pred, label = make_ids(0)
    expected = function(*as_batch(pred, label), instances=True)
    renamed = np.array([0, 200, 3, 17])
    found = function(*as_batch(renamed[pred].astype(dtype), label.astype(dtype)), instances=True)
    torch.testing.assert_close(found, expected)
    if dtype == np.int64:
        huge = np.array([0, 2**61, 5, 2**62])
        torch.testing.assert_close(function(*as_batch(huge[pred], label), instances=True), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_touching_instances_need_their_ids(function):
    """Two touching objects predicted as one are a merge that masks cannot show."""
    label = torch.zeros(1, 1, 6, 6, dtype=torch.int64)
    label[..., :3, :], label[..., 3:, :] = 1, 2
    one = torch.ones_like(label)
    assert function(one, label, instances=True) > 0
    assert function((one != 0), (label != 0)) == 0
    assert compute_adapted_rand_error(one, label, instances=True, score="precision") < 1
    assert compute_adapted_rand_error(one, label, instances=True, score="recall") == 1
    assert compute_variation_of_information(one, label, instances=True, score="split") == 0


@pytest.mark.parametrize("function", FUNCTIONS)
def test_without_anything_to_compare(function):
    empty, full = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    assert function(full, empty).isnan()
    assert function(full, empty, ignore_empty=False, foreground_only=True) == 0
    assert function(empty, empty, ignore_empty=False, foreground_only=False) == 0
    single = torch.zeros(1, 1, 4, 4)
    single[..., 1, 1] = 1
    assert function(single, single) == 0  # no pairs


@pytest.mark.parametrize("instances", [True, False])
def test_an_empty_prediction_is_not_right(instances):
    label = torch.zeros(1, 1, 9, 9)
    label[..., 4, :] = 1
    empty = torch.zeros_like(label)
    assert compute_adapted_rand_error(empty, label, instances=instances) == 1
    assert compute_adapted_rand_error(empty, label, instances=instances, score="recall") == 0
    assert compute_variation_of_information(empty, label, instances=instances) > 0


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("y_pred", "options", "error", "message"),
    [
        (torch.zeros(1, 2, 4, 4), {"instances": True}, ValueError, r"Expected `y_pred` of shape \(B, 1, \*spatial\)"),
        (torch.full((1, 1, 4, 4), -1), {"instances": True}, ValueError, "no negative class ids"),
        (torch.full((1, 1, 4, 4), 0.5), {"instances": True}, ValueError, "whole numbers"),
        (torch.zeros(1, 1, 4, 4), {"connectivity": 3}, ValueError, "Expected `connectivity` from 1 to 2"),
        (torch.zeros(1, 1, 4, 4), {"score": "dice"}, ValueError, "Expected `score` to be one of"),
    ],
)
def test_bad_input(function, y_pred, options, error, message):
    with pytest.raises(error, match=message):
        function(y_pred, torch.zeros_like(y_pred), **options)


@pytest.mark.parametrize("metric", [VariationOfInformationMetric, AdaptedRandErrorMetric])
def test_bad_score(metric):
    with pytest.raises(ValueError, match="Expected `score` to be one of"):
        metric(score="dice")


def dictionaries(input, target, *, foreground_only):
    """Entropies and shares of pairs by the definitions, voxel by voxel."""
    joint, rows, columns = Counter(), Counter(), Counter()
    for a, b in zip(input.ravel().tolist(), target.ravel().tolist(), strict=True):
        if b or not foreground_only:
            joint[a, b] += 1
            rows[a] += 1
            columns[b] += 1
    total = sum(joint.values())
    splits = -sum(n / total * math.log2(n / columns[b]) for (a, b), n in joint.items())
    merges = -sum(n / total * math.log2(n / rows[a]) for (a, b), n in joint.items())
    pairs = [
        sum(n * (n - 1) for key, n in counts.items() if not (foreground_only and of_background(key)))
        for counts, of_background in (
            (joint, lambda k: k[0] == 0),
            (rows, lambda k: k == 0),
            (columns, lambda _: False),
        )
    ]
    return splits, merges, 1 - 2 * pairs[0] / (pairs[1] + pairs[2]), pairs[0] / pairs[1], pairs[0] / pairs[2]


@pytest.mark.parametrize("foreground_only", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64])
@pytest.mark.parametrize(("count", "length"), [(3, 1), (3, 9), (100, 1), (100, 5), (20000, 1)])
def test_partitions_are_compared_by_the_definitions(count, length, dtype, foreground_only):
    """Few ids and many, in long stretches and single voxels; more pairs than the first table holds."""
    rng = np.random.default_rng(count + length)
    top = min(count, np.iinfo(dtype).max)
    images = [rng.integers(0, top, 6000).repeat(length).reshape(6, -1).astype(dtype) for _ in range(2)]
    expected = dictionaries(*images, foreground_only=foreground_only)
    found = compare_partitions(*images, foreground_only=foreground_only)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_partitions_of_unlike_types_and_huge_ids():
    rng = np.random.default_rng(0)
    small, large = rng.integers(0, 5, (2, 400)), rng.integers(0, 4, (2, 400))
    expected = compare_partitions(small, large, foreground_only=True)
    for input, target in (
        (small.astype(np.uint8), large),
        (small, large * 2**60),
        (small * 2**60, large.astype(np.int8)),
    ):
        np.testing.assert_array_equal(compare_partitions(input, target, foreground_only=True), expected)
    masks = small > 1, large > 0
    as_ids = compare_partitions(*(mask.astype(np.int64) for mask in masks), foreground_only=False)
    np.testing.assert_array_equal(compare_partitions(*masks, foreground_only=False), as_ids)


def test_equal_partitions_have_no_error_at_all():
    ids = np.random.default_rng(0).integers(0, 50, 10000)
    assert compare_partitions(ids, 7 * ids, foreground_only=False).tolist() == [0, 0, 0, 1, 1]
