"""Centreline Dice: do the centrelines of prediction and label lie within each other?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from monai_topoloss._checks.options import check_option, check_spacing
from monai_topoloss.metrics._base import SegmentationMetric, prepare, set_empty_to_nan
from monai_topoloss.topology import skeletonize
from monai_topoloss.topology._lengths import measure_within

__all__ = ["CenterlineDiceMetric", "compute_centerline_dice"]

SCORES = ("cldice", "precision", "sensitivity")


def compute_centerline_dice(
    y_pred: Tensor,
    y: Tensor,
    include_background: bool = False,
    ignore_empty: bool = True,
    score: str = "cldice",
    spacing: float | Sequence[float] | None = None,
    method: str | None = None,
    ignore_index: int | None = None,
    backend: str = "auto",
) -> Tensor:
    r"""Compute the centreline Dice of each image and channel.

    .. math::

        T_{prec} = \frac{|S_P \cap V_L|}{|S_P|}, \qquad T_{sens} = \frac{|S_L \cap V_P|}{|S_L|}, \qquad
        \mathrm{clDice} = \frac{2\, T_{prec} T_{sens}}{T_{prec} + T_{sens}}

    with the voxels V and the skeletons S of prediction and label, see `monai_topoloss.topology.skeletonize`. Skeletons
    are counted in voxels, as published; with a ``spacing`` they are measured: a voxel has half of the way to each one
    that it is linked to, so that diagonal steps and long sides of voxels count for what they are.

    Args:
        y_pred: prediction, one-hot or with a channel of 0 and 1 for each class, ``(B, C, *spatial)`` in 2-D or 3-D.
        y: label, likewise and of the same shape.
        include_background: whether channel 0 of several counts.
        ignore_empty: give NaN where the label is empty, which reductions leave out. Otherwise such a channel scores 1
            if the prediction is empty too, and 0 if not.
        score: ``"cldice"``, the topology ``"precision"`` or the topology ``"sensitivity"``. An empty prediction of a
            label that is not empty scores 0 in all.
        spacing: size of a voxel along each axis, or one for all. Default: voxels are counted.
        method: thinning method, see `monai_topoloss.topology.skeletonize`.
        ignore_index: a value of ``y``, in each channel for itself, where nothing counts: such voxels are foreground on
            neither side, before thinning.
        backend: where to compute, ``"auto"`` follows the prediction.

    Returns:
        The score from 0 to 1, float32 ``(B, C)``, or without the background of several channels ``(B, C - 1)``.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no tensor.
        ValueError: if shapes or devices differ, the rank is not 2-D or 3-D, values are not 0 and 1, or ``spacing`` is
            not positive.

    Example:
        >>> import torch
        >>> line = torch.zeros(1, 1, 5, 9)
        >>> line[..., 2, :] = 1
        >>> half = line.clone()
        >>> half[..., 5:] = 0
        >>> compute_centerline_dice(half, line, score="precision").item()
        1.0

    References:
        S. Shit, J. C. Paetzold et al., clDice - a Novel Topology-Preserving Loss Function for Tubular Structure
        Segmentation, CVPR 2021.
    """
    check_option("score", score, SCORES)
    prediction, label, _ = prepare(y_pred, y, include_background=include_background, ignore_index=ignore_index)
    sizes = None if spacing is None else check_spacing(spacing, prediction.ndim - 2)
    options: dict[str, Any] = {"method": method, "spatial_dims": prediction.ndim - 2, "backend": backend}
    precision = share(*measure_within(skeletonize(prediction, **options), label, sizes))
    sensitivity = share(*measure_within(skeletonize(label, **options), prediction, sizes))
    values = combine_shares(precision, sensitivity, score)
    both_empty = ~(prediction | label).flatten(2).any(dim=2)
    return set_empty_to_nan(values.masked_fill(both_empty, 1), label, ignore_empty=ignore_empty)


def share(inside: Tensor, total: Tensor) -> Tensor:
    """Divide numbers of voxels, or lengths; 0 if there are none."""
    return (inside / total).nan_to_num(0).float() if total.is_floating_point() else inside.float() / total.clamp(min=1)


def combine_shares(precision: Tensor, sensitivity: Tensor, score: str) -> Tensor:
    """Return one of the scores."""
    if score == "cldice":
        return (2 * precision * sensitivity / (precision + sensitivity)).nan_to_num(0)  # 0 / 0: nothing in common
    return precision if score == "precision" else sensitivity


class CenterlineDiceMetric(SegmentationMetric, function=compute_centerline_dice):
    """Centreline Dice over a data set, see `compute_centerline_dice`.

    Example:
        >>> import torch
        >>> metric = CenterlineDiceMetric()
        >>> line = torch.zeros(1, 1, 5, 9)
        >>> line[..., 2, :] = 1
        >>> _ = metric(line, line)
        >>> metric.aggregate().item()
        1.0
    """

    def _check(self) -> None:
        super()._check()
        check_option("score", self.score, SCORES)
