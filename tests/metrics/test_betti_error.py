from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_topoloss.metrics import BettiErrorMetric, compute_betti_error
from monai_topoloss.topology import betti_numbers, euler_number


def make_pair(shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((2, *shape)) < 0.4


@pytest.mark.parametrize("shape", [(20, 23), (7, 8, 9)])
@pytest.mark.parametrize("connectivity", [None, 1])
def test_each_kind(shape, connectivity):
    pred, label = make_pair(shape)
    batch = [torch.from_numpy(x)[None, None] for x in (pred, label)]
    errors = np.abs(betti_numbers(pred, connectivity=connectivity) - betti_numbers(label, connectivity=connectivity))
    for k in range(len(shape)):
        assert compute_betti_error(*batch, kind=k, connectivity=connectivity) == errors[k]
    assert compute_betti_error(*batch, connectivity=connectivity) == errors.sum()
    euler = [euler_number(x, connectivity=connectivity) for x in (pred, label)]
    assert compute_betti_error(*batch, kind="euler", connectivity=connectivity) == abs(euler[0] - euler[1])


@pytest.mark.parametrize(
    ("patch_size", "stride", "starts"),
    [
        (8, None, [(0, 8, 12), (0, 8, 15)]),
        ((10, 23), None, [(0, 10), (0,)]),
        ((20, 10), 10, [(0,), (0, 10, 13)]),
        (10, 5, [(0, 5, 10), (0, 5, 10, 13)]),
        (64, 64, [(0,), (0,)]),
    ],
)
def test_patches(patch_size, stride, starts):
    pred, label = make_pair((20, 23))
    batch = [torch.from_numpy(x)[None, None] for x in (pred, label)]
    height, width = (patch_size,) * 2 if isinstance(patch_size, int) else patch_size
    errors = []
    for y in starts[0]:
        for x in starts[1]:
            patch = np.s_[y : y + height, x : x + width]
            errors.append(abs(betti_numbers(pred[patch])[0] - betti_numbers(label[patch])[0]))
    found = compute_betti_error(*batch, kind=0, patch_size=patch_size, stride=stride)
    np.testing.assert_allclose(found.item(), np.mean(errors), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": 2}, ValueError, "Expected `kind` to be one of 0, 1, 'sum', 'euler', got 2"),
        ({"kind": "all"}, ValueError, "Expected `kind` to be one of 0, 1, 2, 'sum', 'euler', got 'all'"),
        ({"kind": True}, ValueError, "Expected `kind` to be one of"),
        ({"kind": 1.0}, ValueError, "Expected `kind` to be one of"),
        ({"kind": np.zeros(2)}, ValueError, "Expected `kind` to be one of"),
        ({"patch_size": np.array(2.5)}, TypeError, "Expected `patch_size` to be an int"),
        ({"patch_size": 2.5}, TypeError, "Expected `patch_size` to be an int"),
        ({"stride": 3}, ValueError, "Expected `stride` with `patch_size` only"),
        ({"patch_size": (3, 3, 3)}, ValueError, r"Expected `patch_size` to be one number or 2, got \[3, 3, 3\]"),
        ({"patch_size": 0}, ValueError, "Expected `patch_size` to be at least 1"),
        ({"patch_size": (3, 1.5)}, TypeError, "Expected `patch_size` to be an int"),
        ({"connectivity": 3}, ValueError, "Expected `connectivity` from 1 to 2"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        BettiErrorMetric(**options)(torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 5, 5))


def test_sizes_from_numpy():
    pair = torch.eye(6)[None, None], torch.zeros(1, 1, 6, 6)
    for size in (np.int64(3), np.array([3, 3])):
        assert torch.equal(compute_betti_error(*pair, patch_size=size), compute_betti_error(*pair, patch_size=3))


def test_images_without_voxels_have_no_error():
    empty = torch.zeros(2, 1, 0, 4)
    assert compute_betti_error(empty, empty).tolist() == [[0], [0]]
