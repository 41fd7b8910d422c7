"""Instance scores: which objects are found, and how well they are covered."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_topoloss._checks.options import check_number, check_option
from monai_topoloss._checks.sizes import check_size_off_cpu
from monai_topoloss.metrics._base import SegmentationMetric, prepare
from monai_topoloss.topology._matching import LOWEST_IOU, match_instances, score_matches

__all__ = ["InstanceScoreMetric", "compute_instance_score"]

_SCORES = ("f1", "precision", "recall", "pq", "sq")


def compute_instance_score(
    y_pred: Tensor,
    y: Tensor,
    score: str = "f1",
    iou_threshold: float = LOWEST_IOU,
    ignore_empty: bool = True,
    ignore_index: int | None = None,
) -> Tensor:
    r"""Compute how many instances of each image are found, and how well.

    A predicted and a true instance match if their intersection is more than ``iou_threshold`` of their union; above 0.5
    there is at most one match for each. With :math:`TP` matches, :math:`FP` predicted instances without, and :math:`FN`
    true ones without:

    .. math::

        F_1 = \frac{TP}{TP + \frac{1}{2} FP + \frac{1}{2} FN}, \qquad SQ = \frac{1}{TP} \sum_{TP} \mathrm{IoU}, \qquad
        PQ = F_1 \cdot SQ

    Args:
        y_pred: ids of predicted instances, ``(B, 1, *spatial)`` in 2-D or 3-D; 0 is background.
        y: ids of true instances, likewise.
        score: ``"f1"``; ``"precision"`` or ``"recall"``, the share of predicted or of true instances that match;
            ``"pq"``, the panoptic quality; ``"sq"``, the mean IoU of those that match.
        iou_threshold: from 0.5 to below 1.
        ignore_empty: give NaN where the label is empty, which reductions leave out.
        ignore_index: a value of ``y`` where nothing counts.

    Returns:
        The score, from 0 to 1, float32 ``(B, 1)``. What has nothing to divide by is 0, or 1 where there are neither
        predicted nor true instances.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no tensor.
        ValueError: if shapes or devices differ, the rank is not 2-D or 3-D, ids are negative or no whole numbers, or
            ``score`` or ``iou_threshold`` is out of range.

    Example:
        >>> import torch
        >>> label = torch.tensor([[[[1, 1, 1, 1, 0, 2, 2, 2]]]])
        >>> prediction = torch.tensor([[[[5, 5, 5, 0, 0, 7, 0, 0]]]])
        >>> compute_instance_score(prediction, label).item(), compute_instance_score(prediction, label, "sq").item()
        (0.5, 0.75)

    References:
        A. Kirillov et al., Panoptic segmentation, CVPR 2019.
    """
    _check_options(score, iou_threshold)
    pair = prepare(y_pred, y, include_background=True, ignore_index=ignore_index, instances=True)
    check_size_off_cpu("y_pred", pair.prediction[:1])  # one after the other
    values = torch.full((len(pair.label), 1), torch.nan, device=pair.prediction.device)
    for index, (found, true) in enumerate(zip(pair.prediction, pair.label, strict=True)):
        if not ignore_empty or true.any():
            values[index] = score_matches(match_instances(found, true, iou_threshold), score)
    return values


class InstanceScoreMetric(SegmentationMetric, function=compute_instance_score):
    """F1 score, panoptic quality and others of instances over a data set, see `compute_instance_score`.

    Example:
        >>> import torch
        >>> metric = InstanceScoreMetric(score="pq")
        >>> instances = torch.ones(1, 1, 8, 8)
        >>> _ = metric(instances, instances)
        >>> metric.aggregate().item()
        1.0
    """

    def _check(self) -> None:
        super()._check()
        _check_options(self.score, self.iou_threshold)


def _check_options(score: str, iou_threshold: float) -> None:
    check_option("score", score, _SCORES)
    if not LOWEST_IOU <= check_number("iou_threshold", iou_threshold) < 1:
        raise ValueError(f"Expected `iou_threshold` from {LOWEST_IOU} to below 1, got {iou_threshold}.")
