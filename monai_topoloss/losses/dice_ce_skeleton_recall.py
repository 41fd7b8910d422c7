"""Dice, cross entropy and Skeleton Recall together, as published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from monai.losses import DiceLoss
from monai.utils import LossReduction
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_topoloss._checks.losses import check_class_weight, check_number_of_weights
from monai_topoloss._checks.options import check_option, check_share, check_weight
from monai_topoloss.losses._common import (
    Activation,
    Target,
    as_channels,
    at_least_float32,
    to_probabilities,
    valid_voxels,
)
from monai_topoloss.losses._skeleton import SMOOTH
from monai_topoloss.losses.skeleton_precision import THRESHOLDS, SkeletonPrecisionLoss
from monai_topoloss.losses.skeleton_recall import SkeletonRecallLoss
from monai_topoloss.losses.soft_centerline_dice import SoftCenterlineDiceLoss
from monai_topoloss.topology.skeleton import RADIUS

__all__ = ["CLDICE_BETA", "CLDICE_ITERATIONS", "DiceCESkeletonRecallLoss"]

CLDICE_BETA = 0.5  # what is missed is for Skeleton Recall
CLDICE_ITERATIONS = 10  # more than most structures need, as each is cheap


class DiceCESkeletonRecallLoss(_Loss):
    r"""Dice, cross entropy and Skeleton Recall together, and two terms that mind what is invented.

    .. math::

        L = \lambda_{dice} L_{Dice} + \lambda_{ce} L_{CE} + \lambda_{recall} L_{recall}
            + \lambda_{cldice} L_{clDice} + \lambda_{precision} L_{precision}

    By default it is the published loss, with neither `SoftCenterlineDiceLoss` nor `SkeletonPrecisionLoss`;
    ``lambda_recall=2, lambda_cldice=3`` is what we recommend, see :doc:`/when`. Dice and cross entropy are those of
    `monai.losses.DiceCELoss`, with two differences: ``sigmoid=True`` means binary cross entropy for any number of
    channels, where MONAI's takes the softmax of several, and there is ``ignore_index``.

    Args:
        include_background: whether Dice counts channel 0. The recall leaves it out anyway where it is the background,
            see `SkeletonRecallLoss`, and with False everywhere.
        to_onehot_y: the target is a label map of class ids, ``(B, 1, *spatial)``, for an input of several channels.
        sigmoid: the channels of ``input`` are independent: sigmoid, and binary cross entropy.
        softmax: the channels of ``input`` exclude each other: softmax, and cross entropy.
        other_act: another activation for Dice and Skeleton Recall; it has to act on dimension 1.
        squared_pred: see `monai.losses.DiceLoss`.
        jaccard: see `monai.losses.DiceLoss`.
        reduction: ``"mean"`` or ``"sum"``.
        smooth_nr: added to the numerators of Dice and recall.
        smooth_dr: added to the denominators of Dice and recall.
        batch: sum over the batch before dividing, in Dice and recall; the recall sums over all processes too.
        weight: class weights of Dice and cross entropy, as in `monai.losses.DiceCELoss`: one for each channel of
            ``input``. The recall takes those of the classes that it counts; of a single channel, only the cross entropy
            takes it.
        lambda_dice: weight of Dice.
        lambda_ce: weight of the cross entropy.
        lambda_recall: weight of Skeleton Recall.
        lambda_cldice: weight of soft clDice, class by class of those that the recall counts.
        lambda_precision: weight of the skeleton precision.
        label_smoothing: of the cross entropy with ``softmax``.
        radius: of the tubes, in voxels or with ``spacing`` a length, where the skeleton is computed here.
        spacing: size of a voxel along each axis, or one for all; the same for each image.
        iter_: how often soft clDice erodes; half the width of the thickest structures in voxels, or more.
        beta: how much recall weighs beside precision in soft clDice. With less than 1, soft clDice minds what is
            invented first; Skeleton Recall minds what is missed.
        thresholds: of the probabilities whose skeletons the precision takes.
        ignore_index: a label of voxels that do not count. Means are over the others, and 0 if there are none.
        backend: where skeletons are computed, ``"auto"`` follows the label.

    Raises:
        TypeError: if ``other_act`` is not callable, ``ignore_index`` no int, or ``radius`` no int or
            with ``spacing`` no number.
        ValueError: for more than one activation, a negative weight, ``reduction="none"``, or smoothing outside
            0 <= ``smooth_nr`` <= ``smooth_dr`` > 0.

    Example:
        >>> import torch
        >>> loss = DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=True)
        >>> label = torch.ones(2, 1, 8, 8, dtype=torch.uint8)
        >>> loss(torch.zeros(2, 3, 8, 8), label).ndim
        0
    """

    class_weight: Tensor | None

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Activation | None = None,
        squared_pred: bool = False,
        jaccard: bool = False,
        reduction: LossReduction | str = LossReduction.MEAN,
        smooth_nr: float = SMOOTH,
        smooth_dr: float = SMOOTH,
        batch: bool = False,
        weight: Sequence[float] | Tensor | None = None,
        lambda_dice: float = 1.0,
        lambda_ce: float = 1.0,
        label_smoothing: float = 0.0,
        lambda_recall: float = 1.0,
        lambda_cldice: float = 0.0,
        lambda_precision: float = 0.0,
        radius: float = RADIUS,
        spacing: float | Sequence[float] | None = None,
        iter_: int = CLDICE_ITERATIONS,
        beta: float = CLDICE_BETA,
        thresholds: Sequence[float] = THRESHOLDS,
        ignore_index: int | None = None,
        backend: str = "auto",
    ) -> None:
        check_option("reduction", reduction, ("mean", "sum"))
        super().__init__(reduction=LossReduction(reduction).value)
        self.lambda_dice = check_weight("lambda_dice", lambda_dice)
        self.lambda_ce = check_weight("lambda_ce", lambda_ce)
        self.lambda_recall = check_weight("lambda_recall", lambda_recall)
        self.lambda_cldice = check_weight("lambda_cldice", lambda_cldice)
        self.lambda_precision = check_weight("lambda_precision", lambda_precision)
        self.label_smoothing = check_share("label_smoothing", label_smoothing)
        class_weight = check_class_weight(weight, one_for_all=False)
        shared: dict[str, Any] = {
            "include_background": None if include_background else False,
            "to_onehot_y": to_onehot_y,
            "sigmoid": sigmoid,
            "softmax": softmax,
            "other_act": other_act,
            "batch": batch,
            "ignore_index": ignore_index,
            "reduction": reduction,
        }
        of_skeletons: dict[str, Any] = {"smooth_nr": smooth_nr, "smooth_dr": smooth_dr, "backend": backend}
        self.skeleton_recall = SkeletonRecallLoss(**shared, **of_skeletons, radius=radius, spacing=spacing)
        self.skeleton_precision = SkeletonPrecisionLoss(**shared, **of_skeletons, thresholds=thresholds)
        self.centerline_dice = SoftCenterlineDiceLoss(iter_, **shared, beta=beta, per_class=True)
        if class_weight is not None and len(class_weight) > 1:  # as in MONAI's Dice
            counted = class_weight[self.skeleton_recall.first_class(len(class_weight)) :]
            for term in (self.skeleton_recall, self.skeleton_precision, self.centerline_dice):
                term.class_weight = check_class_weight(counted, one_for_all=False)
        self.register_buffer("class_weight", class_weight)
        self.dice = DiceLoss(  # sees probabilities and one-hot labels, ignored voxels set to 0 in both
            include_background=include_background,
            squared_pred=squared_pred,
            jaccard=jaccard,
            reduction=reduction,
            smooth_nr=self.skeleton_recall.smooth_nr,
            smooth_dr=self.skeleton_recall.smooth_dr,
            batch=batch,
            weight=None if class_weight is None else class_weight[0 if include_background else 1 :],
        )
        self.softmax = softmax
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Target) -> Tensor:
        """Compute the loss; ``input`` and ``target`` are those of `SkeletonRecallLoss.forward`.

        Returns:
            A scalar.

        Raises:
            TypeError: see `SkeletonRecallLoss.forward`.
            ValueError: see `SkeletonRecallLoss.forward`.
        """
        loss: Tensor
        input, label, valid, loss = self._check_and_begin(input, target)
        if not input.numel():
            return loss + input.sum()
        if self.lambda_dice or self.lambda_cldice:
            probabilities, onehot = self._regions(input, label, valid)
            if self.lambda_dice:
                loss = loss + self.lambda_dice * self.dice(probabilities, onehot)
            if self.lambda_cldice:
                loss = loss + self.lambda_cldice * self._centerline_dice(probabilities, onehot)
        if self.lambda_ce:
            loss = loss + self.lambda_ce * self._cross_entropy(input, label, valid)
        return loss

    def tubed_skeleton(self, label: Tensor, channels: int) -> Tensor:
        """See `SkeletonRecallLoss.tubed_skeleton`."""
        return self.skeleton_recall.tubed_skeleton(label, channels)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # sizes depend on the data, and ids are looked at
    def _check_and_begin(self, input: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Check everything; return input, label and valid voxels for other terms, and the sum of those at skeletons."""
        recall = self.skeleton_recall
        input, label, skeleton = recall.check(input, target)
        if self.class_weight is not None:
            check_number_of_weights(self.class_weight, input.shape[1])
        losses: list[Tensor] = []
        in_place = recall.other_act is None  # an activation of the user's may do anything with its gradient
        if self.lambda_recall:
            input, loss = recall.compute(input, label, skeleton, in_place=in_place)
            losses.append(self.lambda_recall * loss)
        if self.lambda_precision:
            input, loss = self.skeleton_precision.compute(input, label, in_place=in_place)
            losses.append(self.lambda_precision * loss)
        input = at_least_float32(input)
        loss = sum(losses, input.new_zeros(()))
        valid = valid_voxels(label, self.ignore_index)
        if valid is not None:
            label = label.masked_fill(~valid, 0)
            # Not even infinite logits may reach the sums from where nothing is valid.
            input = input.masked_fill(~(valid if recall.sigmoid else valid.any(dim=1, keepdim=True)), 0)
        return input, label, valid, loss

    def _regions(self, input: Tensor, label: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return probabilities and the label as one-hot channels, both 0 where nothing is valid."""
        recall = self.skeleton_recall
        input = to_probabilities(input, sigmoid=recall.sigmoid, softmax=recall.softmax, other_act=recall.other_act)
        onehot = self._channels(label, input)
        return (input, onehot) if valid is None else (input * valid, onehot * valid)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # own kernels
    def _centerline_dice(self, probabilities: Tensor, onehot: Tensor) -> Tensor:
        first = self.skeleton_recall.first_class(probabilities.shape[1])
        return self.centerline_dice.compute(probabilities[:, first:], onehot[:, first:] != 0, None)

    def _cross_entropy(self, input: Tensor, label: Tensor, valid: Tensor | None) -> Tensor:
        """Cross entropy, or binary cross entropy for independent channels, over the valid voxels."""
        reduction = self.reduction if valid is None else "none"
        weight = None if self.class_weight is None else self.class_weight.to(input)
        independent = self.skeleton_recall.sigmoid or input.shape[1] == 1
        if independent:
            if weight is not None:
                weight = weight.reshape(-1, *[1] * (input.ndim - 2))
            onehot = self._channels(label, input)
            loss = F.binary_cross_entropy_with_logits(input, onehot, pos_weight=weight, reduction=reduction)
        else:
            ids = label[:, 0].long() if label.shape[1] == 1 else label.to(input.dtype)
            loss = F.cross_entropy(input, ids, weight, reduction=reduction, label_smoothing=self.label_smoothing)
        if valid is None:
            return loss
        share = valid.expand_as(loss) if independent else valid.all(dim=1)
        total = (loss * share).sum()
        if self.reduction == "sum":
            return total
        if not independent and weight is not None and label.shape[1] == 1:
            share = share * weight[ids]  # PyTorch's weighted mean over class ids divides by the weights of those ids
        return total / share.sum().clamp(min=torch.finfo(loss.dtype).tiny)

    def _channels(self, label: Tensor, input: Tensor) -> Tensor:
        """Return the label with a channel for each channel of ``input``, in its dtype."""
        return as_channels(label, input.shape[1], to_onehot_y=self.skeleton_recall.to_onehot_y, dtype=input.dtype)
