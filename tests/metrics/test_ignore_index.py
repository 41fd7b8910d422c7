"""Voxels that count for nothing: as if they had been cut away, or were background where nothing can be cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.networks import one_hot

from monai_topoloss.metrics import (
    compute_adapted_rand_error,
    compute_betti_error,
    compute_centerline_dice,
    compute_critical_error,
    compute_variation_of_information,
)

VOI, ARE = compute_variation_of_information, compute_adapted_rand_error
CASES = [
    *((compute_centerline_dice, {"score": score}) for score in ("cldice", "precision", "sensitivity")),
    *((compute_betti_error, {"kind": kind}) for kind in (0, 1, "sum", "euler")),
    (compute_betti_error, {"patch_size": 6}),  # the cut is between patches
    *(
        (compute_critical_error, {"kind": kind})
        for kind in ("splits", "merges", "splits_per_object", "merges_per_object", "fraction")
    ),
    *((VOI, {"score": score, "foreground_only": only}) for score in ("split", "merge") for only in (True, False)),
    *((ARE, {"score": score, "foreground_only": only}) for score in ("precision", "recall") for only in (True, False)),
]
FUNCTIONS = [compute_centerline_dice, compute_betti_error, compute_critical_error, VOI, ARE]


def make_pair(shape=(2, 2, 18, 24), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return ((torch.rand(shape, generator=generator) < (0.35 if len(shape) == 4 else 0.15)).float() for _ in range(2))


@pytest.mark.parametrize(("function", "options"), CASES)
@pytest.mark.parametrize("shape", [(2, 2, 18, 24), (2, 1, 6, 6, 12)])
@pytest.mark.parametrize("value", [255, -1])
def test_equals_cutting_away(function, options, shape, value, device):
    pred, label = (x.to(device) for x in make_pair(shape))
    half = shape[-1] // 2
    expected = function(pred[..., :half], label[..., :half], include_background=True, **options)
    assert not torch.equal(function(pred, label, include_background=True, **options), expected)
    label[..., half:] = value
    pred[..., half:] = torch.nan  # what is predicted there does not matter, whatever it is
    found = function(pred, label, include_background=True, ignore_index=value, **options)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_channel_has_its_own(function):
    pred, label = make_pair()
    label[0, 0, 3:9], label[0, 1, :, 20:], label[1, 1, 5, 5] = 7, 7, 7
    found = function(pred, label, include_background=True, ignore_index=7)
    each = [function(pred[:, [c]], label[:, [c]], ignore_index=7) for c in range(2)]
    torch.testing.assert_close(found, torch.cat(each, dim=1))
    torch.testing.assert_close(function(pred, label, ignore_index=7), found[:, 1:])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_class_ids_as_the_documentation_encodes_them(function):
    generator = torch.Generator().manual_seed(1)
    pred, label = (torch.randint(0, 3, (2, 1, 18, 24), generator=generator) for _ in range(2))
    expected = function(*(one_hot(ids[..., :12], num_classes=3) for ids in (pred, label)))
    label[..., 12:] = 255
    ignored = label == 255
    onehot = one_hot(label.masked_fill(ignored, 0), num_classes=3).masked_fill(ignored, 255)
    torch.testing.assert_close(function(one_hot(pred, num_classes=3), onehot, ignore_index=255), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_value_that_the_dtype_cannot_hold_is_nowhere(function):
    pred, label = (x.to(torch.uint8) for x in make_pair())
    torch.testing.assert_close(function(pred, label, ignore_index=-1), function(pred, label))
    label[..., 12:] = 255
    with pytest.raises(ValueError, match="Expected `y` to hold"):
        function(pred, label, ignore_index=-1)
    expected = function(pred[..., :12], label[..., :12])
    torch.testing.assert_close(function(pred, label, ignore_index=255), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_label_that_is_ignored_is_empty(function, share):
    pred, label = torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    label[..., : int(8 * share)] = 5
    assert function(pred, label, ignore_index=5, ignore_empty=True).isnan()
    empty = torch.zeros_like(pred)
    perfect = function(empty, label, ignore_index=5, ignore_empty=False)
    assert perfect == (function is compute_centerline_dice)
    if share == 1:
        torch.testing.assert_close(function(pred, label, ignore_index=5, ignore_empty=False), perfect)


@pytest.mark.parametrize("function", [VOI, ARE])
@pytest.mark.parametrize("foreground_only", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_ids_of_other_voxels_alone_are_compared(function, foreground_only, seed):
    rng = np.random.default_rng(seed)
    pred, label = rng.integers(0, 4, (2, 2, 9, 10))
    label[rng.random(label.shape) < 0.3] = -1
    options = {"instances": True, "foreground_only": foreground_only}
    found = function(*(torch.from_numpy(x)[:, None] for x in (pred, label)), ignore_index=-1, **options)
    for item in range(2):
        valid = label[item] != -1
        voxels = [torch.from_numpy(x[item][valid])[None, None, None] for x in (pred, label)]
        torch.testing.assert_close(found[[item]], function(*voxels, **options))


def test_an_object_across_an_ignored_band_is_two():
    label = torch.zeros(1, 1, 5, 12)
    label[..., 2, :] = 1
    half = label.clone()
    half[..., 6:] = 0
    assert compute_critical_error(half, label) == 0  # shorter
    label[..., 4:7] = 9
    assert compute_critical_error(half, label, ignore_index=9) == 1  # the second is dropped
    assert compute_critical_error(half, label, ignore_index=9, kind="splits_per_object") == 0.5
    assert compute_betti_error(half, label, ignore_index=9, kind=0) == 1


def test_patches_without_a_voxel_that_counts_are_left_out():
    pred, label = torch.zeros(2, 1, 4, 12), torch.zeros(2, 1, 4, 12)
    pred[:, :, 1, 1] = 1  # one mistake in the first of three patches
    options = {"kind": 0, "patch_size": 4}
    torch.testing.assert_close(compute_betti_error(pred, label, **options), torch.full((2, 1), 1 / 3))
    label[0, ..., 8:], label[1, ..., 9:] = 3, 3
    expected = torch.tensor([[1 / 2], [1 / 3]])
    torch.testing.assert_close(compute_betti_error(pred, label, ignore_index=3, **options), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("ignore_index", "error", "message"),
    [
        (0, ValueError, "Expected `ignore_index` to be another value than 0, which is the background, got 0"),
        (1, ValueError, "Expected `ignore_index` to be another value than 1, which is foreground, got 1"),
        ("255", TypeError, "Expected `ignore_index` to be an int, got str"),
        (True, TypeError, "Expected `ignore_index` to be an int, got bool"),
    ],
)
def test_bad_values(function, ignore_index, error, message):
    mask = torch.ones(1, 1, 5, 5)
    with pytest.raises(error, match=message):
        function(mask, mask, ignore_index=ignore_index)


@pytest.mark.parametrize("function", [VOI, ARE])
def test_one_is_an_id_like_others(function):
    pred, label = make_pair((1, 1, 9, 9))
    options = {"instances": True, "foreground_only": True}
    found = function(pred, 1 + 2 * label, ignore_index=1, **options)
    torch.testing.assert_close(found, function(pred, 3 * label, **options))
