from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.morphology import skeletonize

from monai_topoloss.metrics import CenterlineDiceMetric, compute_centerline_dice
from tests.images import KINDS, random_mask


def by_scikit_image(pred, label):
    pred_skeleton, label_skeleton = skeletonize(pred), skeletonize(label)
    # scikit-image's skeleton of a solid block is empty.
    precision = (pred_skeleton & label).sum() / max(pred_skeleton.sum(), 1)
    sensitivity = (label_skeleton & pred).sum() / max(label_skeleton.sum(), 1)
    total = precision + sensitivity
    return [2 * precision * sensitivity / total if total else 0.0, precision, sensitivity]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("empty", "plane", "column")])
@pytest.mark.parametrize("seed", range(3))
def test_against_scikit_image(ndim, kind, seed, device):
    label = random_mask(kind, ndim, seed)
    pred = label ^ (np.random.default_rng(seed).random(label.shape) < 0.1)
    if not label.any():
        pytest.skip("nothing to find")
    batch = [torch.from_numpy(x)[None, None].to(device) for x in (pred, label)]
    method = "lee_skimage" if ndim == 3 else None  # what scikit-image computes
    for score, expected in zip(("cldice", "precision", "sensitivity"), by_scikit_image(pred, label), strict=True):
        found = compute_centerline_dice(*batch, score=score, method=method)
        np.testing.assert_allclose(found.item(), expected, rtol=1e-6)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_identical_masks_score_exactly_one(ndim, seed):
    mask = torch.from_numpy(random_mask("noise", ndim, seed))[None, None]
    for score in ("cldice", "precision", "sensitivity"):
        assert compute_centerline_dice(mask, mask, ignore_empty=False, score=score) == 1


def test_little_in_common():
    """Two lines that cross in one voxel: the mean of two small shares is that share."""
    pred, label = torch.zeros(2, 1, 1, 301, 301)
    pred[..., 150, :], label[..., :, 150] = 1, 1
    torch.testing.assert_close(compute_centerline_dice(pred, label), torch.tensor([[1 / 301]]))
    label[..., 150, 150] = 0
    assert compute_centerline_dice(pred, label) == 0


@pytest.mark.parametrize("spacing", [0.5, (3.0, 0.5)])
def test_lengths_count_with_a_spacing(spacing, device):
    """A line along each axis, of which half of the second is found."""
    label = torch.zeros(1, 1, 30, 41, device=device)
    label[..., 3, 2:39], label[..., 10:27, 20] = 1, 1  # 36 steps, 16 steps
    found = label.clone()
    found[..., 18:, :] = 0
    sizes = np.broadcast_to(spacing, 2)
    total, inside = 36 * sizes[1] + 16 * sizes[0], 36 * sizes[1] + 7.5 * sizes[0]  # half of the step that is cut
    options = {"spacing": spacing, "method": "zhang"}
    sensitivity = compute_centerline_dice(found, label, score="sensitivity", **options)
    assert sensitivity.item() == pytest.approx(inside / total)
    assert compute_centerline_dice(found, label, score="precision", **options).item() == 1
    metric = CenterlineDiceMetric(score="sensitivity", **options)
    metric(found, label)
    assert metric.aggregate().item() == sensitivity.item()
    assert compute_centerline_dice(torch.zeros_like(label), label, spacing=1) == 0
    assert compute_centerline_dice(label, torch.zeros_like(label), spacing=1, ignore_empty=False) == 0
    for bad in (0, (1, 2, 3)):
        with pytest.raises(ValueError, match="`spacing` to be a positive number or 2 of them"):
            compute_centerline_dice(found, label, spacing=bad)


def test_batches_and_channels_have_lengths_of_their_own():
    rng = np.random.default_rng(0)
    label, found = (torch.from_numpy(rng.random((2, 3, 12, 13, 14)) < 0.3) for _ in range(2))
    options = {"spacing": (0.5, 1, 2), "include_background": True}
    together = compute_centerline_dice(found, label, **options)
    for b in range(2):
        for c in range(3):
            alone = compute_centerline_dice(found[b, c][None, None], label[b, c][None, None], **options)
            assert alone.item() == together[b, c].item()


def test_empty_masks():
    empty, full = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    assert compute_centerline_dice(empty, full) == 0
    assert compute_centerline_dice(full, empty).isnan()
    assert compute_centerline_dice(full, empty, ignore_empty=False) == 0
    assert compute_centerline_dice(empty, empty, ignore_empty=False) == 1


def test_bad_options():
    with pytest.raises(ValueError, match="Expected `score` to be one of 'cldice', 'precision', 'sensitivity'"):
        CenterlineDiceMetric(score="recall")
