from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_topoloss.metrics import SkeletonScoreMetric, compute_skeleton_score
from monai_topoloss.topology import SkeletonScores, score_skeletons, skeleton_trees
from tests.topology.test_skeleton_scores import two_neurites


@pytest.mark.parametrize("score", SkeletonScores._fields[:-1])
def test_batches(score, device):
    truth = torch.from_numpy(np.stack([two_neurites(), two_neurites() * 0]))[:, None]
    found = truth.clone()
    found[0, 0, 1, 6:] += 4
    values = compute_skeleton_score(found.to(device), truth.to(device), score=score)
    assert values.shape == (2, 1)
    assert values.dtype == torch.float32
    assert values.device.type == device.type
    expected = getattr(score_skeletons(found[0, 0], skeleton_trees(truth[0, 0]))[0], score)
    torch.testing.assert_close(values.cpu()[0, 0], torch.tensor(expected, dtype=torch.float32))
    assert values[1].isnan()
    metric = SkeletonScoreMetric(score=score, spacing=1.0)
    metric(found, truth)
    torch.testing.assert_close(metric.aggregate(), values[0].cpu())


def test_ignored_voxels_have_no_skeletons():
    truth = two_neurites()[None, None]
    truth[..., 6:] = 255
    found = np.where(truth == 255, 0, truth)
    value = compute_skeleton_score(torch.from_numpy(found), torch.from_numpy(truth), ignore_index=255)
    assert value == 1


def test_bad_arguments():
    image = torch.zeros(1, 2, 4, 4)
    with pytest.raises(ValueError, match="Expected `score` to be one of 'correct'"):
        SkeletonScoreMetric(score="length")
    with pytest.raises(ValueError, match="Expected `min_nodes` to be at least 1"):
        SkeletonScoreMetric(min_nodes=0)
    with pytest.raises(ValueError, match=r"Expected `y_pred` of shape \(B, 1, \*spatial\)"):
        compute_skeleton_score(image, image)
    with pytest.raises(ValueError, match="Expected `spacing` to be a positive number or 2"):
        compute_skeleton_score(image[:, :1], image[:, :1], spacing=(1, 2, 3))
