from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import compute_panoptic_quality

from monai_topoloss.metrics import InstanceScoreMetric, compute_instance_score

SCORES = {"f1": "rq", "pq": "pq", "sq": "sq"}


def draw(seed, ndim):
    """True instances, of which some are merged, moved or dropped in the prediction."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 6, (3,) * ndim)
    for axis in range(ndim):
        true = true.repeat(5, axis)
    found = np.where(true == 5, 4, true) * (true != 3)
    found = np.roll(found, rng.integers(0, 3), axis=-1) * 7
    return torch.from_numpy(found), torch.from_numpy(true)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("iou_threshold", [0.5, 0.7])
def test_equals_monais_panoptic_quality(ndim, seed, iou_threshold, device):
    found, true = draw(seed, ndim)
    for ours, theirs in SCORES.items():
        value = compute_instance_score(
            found[None, None].to(device), true[None, None].to(device), score=ours, iou_threshold=iou_threshold
        )
        assert value.device.type == device.type
        expected = compute_panoptic_quality(found, true, theirs, match_iou_threshold=iou_threshold)
        torch.testing.assert_close(value[0, 0].cpu(), expected.float(), atol=1e-5, rtol=0)


def test_precision_and_recall():
    true = torch.tensor([1, 1, 1, 1, 0, 2, 2, 0, 3, 3]).reshape(1, 1, 1, 10)
    found = torch.tensor([1, 1, 1, 0, 0, 2, 2, 0, 0, 4]).reshape(1, 1, 1, 10)
    values = {score: compute_instance_score(found, true, score).item() for score in ("precision", "recall", "f1")}
    assert values == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3})  # half of an object is no match
    found[0, 0, 0, 4] = 9
    assert compute_instance_score(found, true, "precision").item() == pytest.approx(2 / 4)


def test_high_ids():
    true = torch.tensor([2**61, 2**61, 2**61 + 1, 0]).reshape(1, 1, 1, 4)
    found = torch.tensor([2**60, 2**60, 0, 2**62]).reshape(1, 1, 1, 4)
    assert compute_instance_score(found, true) == 0.5
    assert compute_instance_score(found[..., :2], true[..., :2]) == 1


def test_empty_images():
    something, nothing = torch.ones(1, 1, 4, 4, dtype=torch.int64), torch.zeros(1, 1, 4, 4, dtype=torch.int64)
    assert compute_instance_score(something, nothing).isnan()
    for score in ("f1", "precision", "recall", "pq", "sq"):
        assert compute_instance_score(something, nothing, score, ignore_empty=False) == 0
        assert compute_instance_score(nothing, something, score) == 0
        assert compute_instance_score(nothing, nothing, score, ignore_empty=False) == 1
    assert compute_instance_score(something[:0], nothing[:0]).shape == (0, 1)


def test_ignored_voxels_do_not_count():
    found, true = draw(0, 2)
    expected = compute_instance_score(found[None, None, :9], true[None, None, :9])
    true[9:] = 255
    assert compute_instance_score(found[None, None], true[None, None], ignore_index=255) == expected


def test_over_a_data_set():
    pairs = [draw(seed, 2) for seed in range(4)]
    metric = InstanceScoreMetric("pq", reduction="mean_batch", iou_threshold=0.6)
    for found, true in pairs:
        metric(found[None, None], true[None, None])
    values = [compute_instance_score(f[None, None], t[None, None], "pq", 0.6) for f, t in pairs]
    torch.testing.assert_close(metric.aggregate(), torch.cat(values).mean(0))


@pytest.mark.parametrize("options", [{"score": "rq"}, {"iou_threshold": 0.3}, {"iou_threshold": 1}])
def test_bad_options(options):
    image = torch.ones(1, 1, 4, 4)
    with pytest.raises(ValueError, match=f"Expected `{next(iter(options))}`"):
        compute_instance_score(image, image, **options)
    with pytest.raises(ValueError, match=f"Expected `{next(iter(options))}`"):
        InstanceScoreMetric(**options)
    with pytest.raises(ValueError, match=r"Expected `y_pred` of shape \(B, 1, \*spatial\)"):
        compute_instance_score(torch.ones(1, 2, 4, 4), torch.ones(1, 2, 4, 4))
