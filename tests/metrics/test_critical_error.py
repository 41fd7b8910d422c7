from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_topoloss.metrics import CriticalErrorMetric, compute_critical_error
from tests.oracles import supervoxel


def by_definition(label, pred, objects, connectivity):
    """Return each kind of error of ids, of so many objects, by the literal definition."""
    splits, broken = supervoxel.linear(label, pred, connectivity)
    merges, joined = supervoxel.linear(pred, label, connectivity)
    return {
        "splits": len(broken),
        "merges": len(joined),
        "splits_per_object": len(broken) / objects,
        "merges_per_object": len(joined) / objects,
        "fraction": (splits | merges).mean(),
    }


@pytest.mark.parametrize("shape", [(12, 13), (6, 5, 7)])
@pytest.mark.parametrize("connectivity", [1, None])
@pytest.mark.parametrize("seed", range(5))
def test_against_the_definition(shape, connectivity, seed):
    rng = np.random.default_rng(seed)
    label = rng.random(shape) < 0.5
    pred = label ^ (rng.random(shape) < 0.2)
    ids = label.astype(int), pred.astype(int)
    used = connectivity or len(shape)
    objects = ndimage.label(label, supervoxel.structure(len(shape), used))[1]
    expected = by_definition(*ids, objects, used)
    batch = [torch.from_numpy(x)[None, None] for x in (pred, label)]
    for kind, value in expected.items():
        found = compute_critical_error(*batch, kind=kind, connectivity=connectivity)
        np.testing.assert_allclose(found.item(), value, rtol=1e-6)


@pytest.mark.parametrize("shape", [(14, 15), (7, 6, 8)])
@pytest.mark.parametrize("seed", range(5))
def test_instances_against_the_definition(shape, seed):
    """Blocks of ids that touch; the prediction has ids of its own."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 5, tuple(-(-n // 4) for n in shape))
    label = np.kron(blocks, np.ones((4,) * len(shape), int))[tuple(map(slice, shape))] * 50
    pred = (250 - label) * (label > 0) * (rng.random(shape) < 0.7) + 7 * ((label == 0) & (rng.random(shape) < 0.3))
    objects = len(np.unique(label)) - 1
    expected = by_definition(label, pred, objects, len(shape))
    for dtype in (np.uint8, np.float32):
        batch = [torch.from_numpy(x.astype(dtype))[None, None] for x in (pred, label)]
        for kind, value in expected.items():
            found = compute_critical_error(*batch, kind=kind, instances=True)
            np.testing.assert_allclose(found.item(), value, rtol=1e-6)


def test_instances_that_touch_are_told_apart():
    label = torch.zeros(2, 1, 6, 9, dtype=torch.uint8)
    label[:, :, :3], label[0, :, 3:] = 3, 200
    pred = label.clone()
    pred[:, :, :, 4] = 0  # a gap in each
    found = compute_critical_error(pred, label, instances=True)
    torch.testing.assert_close(found, torch.tensor([[2.0], [1.0]]))
    assert (compute_critical_error(pred != 0, label != 0) == 1).all()
    per_object = compute_critical_error(pred, label, instances=True, kind="splits_per_object")
    torch.testing.assert_close(per_object, torch.ones(2, 1))
    empty = torch.zeros_like(label)
    merges = compute_critical_error(label, empty, instances=True, kind="merges_per_object")
    torch.testing.assert_close(merges, found)  # two objects are invented, and one


def test_a_label_without_objects():
    found = compute_critical_error(torch.ones(1, 1, 5, 5), torch.zeros(1, 1, 5, 5), kind="merges_per_object")
    assert found == 1


def test_bad_options():
    with pytest.raises(ValueError, match="Expected `kind` to be one of 'splits', 'merges', 'splits_per_object'"):
        CriticalErrorMetric(kind="errors")
    with pytest.raises(ValueError, match="Expected `connectivity` from 1 to 2"):
        compute_critical_error(torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 5, 5), connectivity=3)
