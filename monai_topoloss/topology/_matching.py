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
    stride = int(true.max()) + 1 if true.numel() else 1
    if found.numel() and int(found.max()) >= 2**62 // stride:  # numbers of pairs would overflow
        found, true = (ids.unique(return_inverse=True)[1] + int(bool((ids != 0).all())) for ids in (found, true))
        stride = int(true.max()) + 1
    pairs, shared = (found.long() * stride + true.long()).unique(return_counts=True)
    return match_pairs(pairs // stride, pairs % stride, shared, iou_threshold)


def match_pairs(found: Tensor, true: Tensor, shared: Tensor, iou_threshold: float) -> Matches:
    """Match instances, given the pairs of ids that meet and how many voxels each shares, int64 (pairs,)."""
    ids, size, here = _add_up(found, shared)
    true_ids, true_size, there = _add_up(true, shared)
    iou = shared.double() / (size[here] + true_size[there] - shared)
    iou = iou[(ids[here] != 0) & (true_ids[there] != 0) & (iou > iou_threshold)]
    return Matches(int((ids != 0).sum()), int((true_ids != 0).sum()), len(iou), float(iou.sum()))


def _add_up(of_pair: Tensor, shared: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids, how many voxels each has, and which one is of each pair."""
    ids, index = of_pair.unique(return_inverse=True)
    return ids, torch.zeros_like(ids).index_add_(0, index, shared), index


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
