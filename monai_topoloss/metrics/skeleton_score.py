"""Neuron scores of instances in batches, and over a data set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_topoloss._checks.options import check_int, check_option, check_spacing
from monai_topoloss.metrics._base import SegmentationMetric, prepare
from monai_topoloss.topology.skeleton_scores import MIN_NODES, SkeletonScores, look_up, score_nodes
from monai_topoloss.topology.skeleton_trees import trace_skeletons

__all__ = ["SkeletonScoreMetric", "compute_skeleton_score"]

_SCORES = SkeletonScores._fields[:-1]


def compute_skeleton_score(
    y_pred: Tensor,
    y: Tensor,
    score: str = "normalized_erl",
    spacing: float | Sequence[float] | None = None,
    min_nodes: int = MIN_NODES,
    ignore_empty: bool = True,
    ignore_index: int | None = None,
    backend: str = "auto",
) -> Tensor:
    """Score instances of each image by the skeletons of the true ones.

    What scores mean, says `monai_topoloss.topology.score_skeletons`.

    Args:
        y_pred: ids of predicted instances, ``(B, 1, *spatial)`` in 2-D or 3-D; 0 is background.
        y: ids of true instances, likewise.
        score: ``"normalized_erl"``, ``"erl"``; shares of edges, ``"correct"``, ``"split"``, ``"omitted"`` and
            ``"merged"``; ``"n_splits"`` and ``"n_merges"``; ``"split_rate"`` and ``"merge_rate"``, the length for each.
        spacing: size of a voxel along each axis, or one number for all. Default: 1, lengths are in voxels.
        min_nodes: see `monai_topoloss.topology.score_skeletons`.
        ignore_empty: give NaN where the label is empty, which reductions leave out; else its score is that of an image
            without skeletons.
        ignore_index: a value of ``y`` where nothing counts: skeletons do not run there.
        backend: where to thin, ``"auto"`` follows the prediction.

    Returns:
        The score of all objects of an image together, float32 ``(B, 1)``.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no tensor, or ``spacing`` holds no numbers.
        ValueError: if shapes or devices differ, the rank is not 2-D or 3-D, ids are negative or no whole numbers, or
            ``score`` is unknown.

    Example:
        >>> import torch
        >>> neurite = torch.zeros(1, 1, 3, 13)
        >>> neurite[..., 1, 1:12] = 1
        >>> compute_skeleton_score(neurite, neurite).item()
        1.0
    """
    check_option("score", score, _SCORES)
    check_int("min_nodes", min_nodes, minimum=1)
    pair = prepare(y_pred, y, include_background=True, ignore_index=ignore_index, instances=True)
    sizes = check_spacing(spacing, pair.label.ndim - 2)
    values = torch.full((len(pair.label), 1), torch.nan)
    for index, (found, true) in enumerate(zip(pair.prediction[:, 0], pair.label[:, 0], strict=True)):
        if not ignore_empty or true.any():
            skeletons = trace_skeletons(true, spacing=sizes, backend=backend)
            total, _ = score_nodes(look_up(found.numpy(force=True), skeletons, sizes), skeletons, min_nodes)
            values[index] = getattr(total, score)
    return values.to(pair.prediction.device)


class SkeletonScoreMetric(SegmentationMetric, function=compute_skeleton_score):
    """A neuron score over a data set, see `compute_skeleton_score`.

    Example:
        >>> import torch
        >>> metric = SkeletonScoreMetric(score="n_splits")
        >>> neurite = torch.zeros(1, 1, 3, 13)
        >>> neurite[..., 1, 1:12] = 1
        >>> _ = metric(neurite, neurite)
        >>> metric.aggregate().item()
        0.0
    """

    def _check(self) -> None:
        super()._check()
        check_option("score", self.score, _SCORES)
        check_int("min_nodes", self.min_nodes, minimum=1)
