"""Soft clDice, as published and as in MONAI, in a small part of the time and memory.

S. Shit, J. C. Paetzold et al., clDice - a Novel Topology-Preserving Loss Function for Tubular Structure Segmentation,
CVPR 2021, arXiv 2003.07311.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.utils import LossReduction
from torch import Tensor

from monai_topoloss._checks.losses import check_weight_per_class
from monai_topoloss._checks.options import check_int, check_positive, check_weight
from monai_topoloss._checks.targets import check_skeleton_in_label
from monai_topoloss.losses._classes import ClassLoss
from monai_topoloss.losses._common import Activation, Target, class_masks, sum_over_ranks, valid_voxels
from monai_topoloss.topology.soft_skeleton import ITERATIONS, soft_skeleton

__all__ = ["SoftCenterlineDiceLoss"]


class SoftCenterlineDiceLoss(ClassLoss):
    r"""Soft clDice loss: values and gradients of `monai.losses.SoftclDiceLoss`, many times as fast and small.

    .. math::

        L = 1 - \frac{(1 + \beta^2) P R}{\beta^2 P + R + s}, \qquad
        P = \frac{\sum_v \sigma(p)_v y_v + s_{nr}}{\sum_v \sigma(p)_v + s_{dr}}, \qquad
        R = \frac{\sum_v \sigma(y)_v p_v + s_{nr}}{\sum_v \sigma(y)_v + s_{dr}}

    with the predicted probabilities :math:`p`, the label :math:`y` and the soft skeleton :math:`\sigma`, see
    `monai_topoloss.topology.soft_skeleton`. Sums run over the voxels and classes of each sample. With the published
    :math:`\beta = 1` it is the harmonic mean of precision and recall. As its authors do, add it to Dice or cross
    entropy. The first ten arguments are MONAI's, in its order.

    Args:
        iter_: how often the soft skeleton erodes; half the width of the thickest structures in voxels, or more.
        smooth_nr: added to the numerators of precision and recall.
        smooth_dr: added to their denominators.
        smooth: added to the denominator of their harmonic mean, positive.
        include_background: whether channel 0 counts, as in MONAI by default; without, thin structures decide.
        to_onehot_y: the target is a label map of class ids, ``(B, 1, *spatial)``, for an input of several channels.
        sigmoid: apply a sigmoid to ``input``.
        softmax: apply a softmax to ``input``.
        other_act: another activation that gives probabilities, called with ``input``.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``, over samples, and classes with ``per_class``.
        weight: with ``per_class``, one number, or one for each class that counts; multiplies the class's loss.
        beta: how much recall weighs beside precision: with less than 1, inventions count more than what is missed. That
            goes with Skeleton Recall, which minds the latter.
        per_class: take the sums of each class on its own, so that a small one counts as much as a large one.
        batch: sum over the batch before dividing, and over all processes as `SkeletonRecallLoss` does.
        ignore_index: a label of voxels that do not count: background in prediction and label, without a gradient.
        skeleton_in_target: the target is a pair of the label and its soft skeleton, which `SoftSkeletonized` makes with
            the same ``iter_``. By default the second of a pair is left alone, as it may be another loss's skeleton.

    Raises:
        TypeError: if ``other_act`` is not callable, or ``iter_`` or ``ignore_index`` no int.
        ValueError: for more than one activation, negative ``iter_``, ``smooth_nr``, ``beta`` or weights, weights
            without ``per_class``, or if ``smooth_dr`` or ``smooth`` is not positive.

    Example:
        >>> import torch
        >>> label = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
        >>> label[..., 6:10, 2:14] = 1
        >>> logits = torch.cat([torch.zeros(1, 1, 16, 16), 4.0 * label - 2.0], dim=1)
        >>> loss = SoftCenterlineDiceLoss(softmax=True, to_onehot_y=True, include_background=False)
        >>> round(loss(logits, label).item(), 4)
        0.0602
    """

    def __init__(
        self,
        iter_: int = ITERATIONS,
        smooth_nr: float = 1.0,
        smooth_dr: float = 1.0,
        smooth: float = 1e-4,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Activation | None = None,
        reduction: LossReduction | str = LossReduction.MEAN,
        weight: Sequence[float] | float | Tensor | None = None,
        beta: float = 1.0,
        per_class: bool = False,
        batch: bool = False,
        ignore_index: int | None = None,
        skeleton_in_target: bool = False,
    ) -> None:
        super().__init__(
            include_background=include_background,
            weight=weight,
            to_onehot_y=to_onehot_y,
            sigmoid=sigmoid,
            softmax=softmax,
            other_act=other_act,
            batch=batch,
            ignore_index=ignore_index,
            reduction=reduction,
        )
        check_int("iter_", iter_, minimum=0)
        self.iter = iter_
        self.smooth_nr = check_weight("smooth_nr", smooth_nr)
        self.smooth_dr = check_positive("smooth_dr", smooth_dr)
        self.smooth = check_positive("smooth", smooth)
        self.beta = check_weight("beta", beta)
        check_weight_per_class(weight, per_class=per_class)
        self.per_class = per_class
        self.skeleton_in_target = skeleton_in_target

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # kernels; one graph break instead of several
    def forward(self, input: Tensor, target: Target) -> Tensor:
        """Compute the loss.

        Args:
            input: logits, or probabilities if no activation is asked for, ``(B, C, *spatial)`` in 2-D or 3-D.
            target: the label, with a channel of 0 and 1 for each channel of ``input``, or with ``to_onehot_y`` one
                channel of class ids; or a pair of that and a skeleton, see ``skeleton_in_target``.

        Returns:
            The loss in float32, or float64 for an ``input`` of that type: a scalar, or with ``reduction="none"`` of
            shape ``(B,)``, with ``per_class`` ``(B, classes that count, 1, 1[, 1])``, where B is 1 with ``batch``.

        Raises:
            TypeError: if ``input`` is no floating-point tensor or ``target`` neither a tensor nor a pair of tensors.
            ValueError: if shapes, devices, class ids or probabilities do not fit; the message says which and how.
        """
        return self.compute(*self._masked(*self.check(input, target, with_skeleton=self.skeleton_in_target)))

    def compute(self, p: Tensor, y: Tensor, skeleton: Tensor | None) -> Tensor:
        """Compute the loss of the classes that count, ``(B, classes, *spatial)``.

        Args:
            p: probabilities, 0 where voxels do not count.
            y: masks of the labels, bool, likewise.
            skeleton: masks of their soft skeletons; computed if None.
        """
        spatial_dims = p.ndim - 2
        if skeleton is None:
            skeleton = soft_skeleton(y, iterations=self.iter, spatial_dims=spatial_dims)
        predicted = soft_skeleton(p, iterations=self.iter, spatial_dims=spatial_dims)
        precision = self.share(*self._sums(torch.where(y, predicted, 0), predicted))
        recall = self.share(*self._sums(torch.where(skeleton, p, 0), skeleton.to(p.dtype)))
        square = self.beta**2
        loss = 1 - (1 + square) * precision * recall / (square * precision + recall + self.smooth)
        if not self.per_class and self.reduction == LossReduction.NONE:
            return loss[:, 0]
        return self.reduce(loss, spatial_dims)

    def _masked(self, input: Tensor, label: Tensor, skeleton: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the probabilities of the classes that count, and masks of their labels and skeletons."""
        channels, first = input.shape[1], self.first_class(input.shape[1])
        y = class_masks(label, channels, first)
        if skeleton is not None:
            skeleton = class_masks(skeleton, channels, first)
            check_skeleton_in_label(y[skeleton])
        valid = valid_voxels(label, self.ignore_index)
        if valid is None:
            return self.probabilities(input)[:, first:], y, skeleton
        # Not even infinite logits may reach the sums from where nothing is valid.
        input = input.masked_fill(~(valid if self.sigmoid else valid.any(dim=1, keepdim=True)), 0)
        valid = valid[:, first:] if valid.shape[1] == channels else valid
        p = self.probabilities(input)[:, first:].masked_fill(~valid, 0)
        return p, y & valid, None if skeleton is None else skeleton & valid

    def _sums(self, *volumes: Tensor) -> Tensor:
        """Sum over the voxels of each sample: (volumes, B, 1), or (volumes, B, classes) with ``per_class``."""
        sums = torch.stack([each.flatten(2).sum(dim=2) for each in volumes])
        if not self.per_class:
            sums = sums.sum(dim=2, keepdim=True)
        return sum_over_ranks(sums.sum(dim=1, keepdim=True)) if self.batch else sums
