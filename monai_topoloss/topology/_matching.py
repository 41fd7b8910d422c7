"""Which predicted and true instances match."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

LOWEST_IOU = 0.5  # below, an object may match several


class Matches(NamedTuple):
    """Numbers of instances and of matches."""

    predicted: int
    true: int
    matched: int
    overlap: float  # IoU of the matched ones, added up


def match_instances(found: Tensor, true: Tensor, iou_threshold: float) -> Matches:
    """Count the voxels that instances share, pair by pair of those that meet."""
    (ids, of_voxel), (true_ids, of_true_voxel) = (each.unique(return_inverse=True) for each in (found, true))
    size, true_size = torch.bincount(of_voxel.flatten()), torch.bincount(of_true_voxel.flatten())
    pairs, shared = (of_voxel * len(true_ids) + of_true_voxel).unique(return_counts=True)
    here, there = pairs // max(len(true_ids), 1), pairs % max(len(true_ids), 1)
    iou = shared.double() / (size[here] + true_size[there] - shared)
    iou = iou[(ids[here] != 0) & (true_ids[there] != 0) & (iou > iou_threshold)]
    return Matches(int((ids != 0).sum()), int((true_ids != 0).sum()), len(iou), float(iou.sum()))


def score_matches(matches: Matches, score: str) -> float:
    """Return F1 and others, see `monai_topoloss.metrics.compute_instance_score`."""
    predicted, true, matched, overlap = matches
    if not predicted and not true:
        return 1.0
    values = {
        "f1": 2 * matched / (predicted + true),
        "precision": matched / max(predicted, 1),
        "recall": matched / max(true, 1),
        "pq": 2 * overlap / (predicted + true),
        "sq": overlap / max(matched, 1),
    }
    return values[score]
