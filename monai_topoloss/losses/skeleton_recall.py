"""Skeleton Recall: how much of the tubed skeleton of the label the prediction finds.

Y. Kirchhoff, M. R. Rokuss et al., Skeleton Recall Loss for Connectivity Conserving and Resource Efficient Segmentation
of Thin Tubular Structures, ECCV 2024, arXiv 2404.03010.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from monai.losses import DiceLoss
from monai.networks import one_hot
from monai.utils import LossReduction
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.losses import (
    check_activation,
    check_class_weight,
    check_include_background,
    check_number_of_weights,
    check_smoothing,
)
from monai_topoloss._checks.options import check_ignore_index, check_int, check_option, check_weight
from monai_topoloss._checks.targets import (
    check_label,
    check_logits,
    check_one_channel,
    check_probabilities,
    check_skeleton,
    check_skeleton_in_label,
    split_target,
)
from monai_topoloss._labels import drop_ignored, has_id
from monai_topoloss.backends import BACKENDS
from monai_topoloss.losses._dtype import at_least_float32
from monai_topoloss.losses._gather import gather_voxels
from monai_topoloss.topology import tubed_skeleton
from monai_topoloss.topology.skeleton import RADIUS

__all__ = ["SMOOTH", "DiceCESkeletonRecallLoss", "SkeletonRecallLoss"]

SMOOTH = 1e-5  # as published

Activation = Callable[[Tensor], Tensor]
Target = Tensor | tuple[Tensor, Tensor] | list[Tensor]


class SkeletonRecallLoss(_Loss):
    r"""Skeleton Recall loss.

    .. math::

        L = 1 - \frac{1}{C} \sum_c \mathrm{recall}_c, \qquad
        \mathrm{recall}_c = \frac{\sum_v p_{c,v} S_{c,v} + s_{nr}}{\sum_v S_{c,v} + s_{dr}}

    with the predicted probabilities :math:`p` and the tubed skeleton :math:`S` of the label (see
    `monai_topoloss.topology.tubed_skeleton`), one-hot for each class. It differs from the published loss by the
    constant 1, so that it lies in [0, 1] and a perfect prediction gives 0. Recall alone is content with predicting
    foreground everywhere: add it to Dice or cross entropy, as `DiceCESkeletonRecallLoss` does.

    Of ``input``, only skeleton voxels are read. For the backward pass the loss keeps memory for these only, and makes
    one gradient of the size of ``input``. A class without skeleton in a sample has recall 1 (with the default
    smoothing) and no gradient.

    Args:
        include_background: whether channel 0 counts. Default None: it does not where it is the background, that is with
            several channels and ``softmax`` or ``to_onehot_y``; it does otherwise. A label map has no skeleton of the
            background, so that True does not go with ``to_onehot_y``.
        weight: one number, or one for each class that counts; multiplies the class's loss before the reduction.
        to_onehot_y: the target is a label map of class ids, ``(B, 1, *spatial)``, for an input of several channels.
        sigmoid: apply a sigmoid to ``input``.
        softmax: apply a softmax to ``input``.
        other_act: another activation that gives probabilities; it sees the values of N skeleton voxels, ``(N, C)``.
        radius: of the tubes in voxels, where the skeleton is computed here; for other options of `TubedSkeletonize`
            precompute it.
        smooth_nr: added to the numerator, from 0 to ``smooth_dr``.
        smooth_dr: added to the denominator, positive.
        batch: sum over the batch before dividing, and over all processes if ``torch.distributed`` is initialised and
            the input requires a gradient. The gradient then fits DistributedDataParallel, which averages it.
        ignore_index: a label of voxels that do not count.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``, over samples and classes.
        backend: where skeletons are computed, ``"auto"`` follows the label.

    Raises:
        TypeError: if ``other_act`` is not callable, or ``radius`` or ``ignore_index`` no int.
        ValueError: for more than one activation, smoothing outside 0 <= ``smooth_nr`` <= ``smooth_dr`` > 0, negative
            weights, or ``include_background=True`` with ``to_onehot_y``.

    Example:
        >>> import torch
        >>> label = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
        >>> label[..., 6:10, 2:14] = 1
        >>> logits = torch.cat([torch.zeros(1, 1, 16, 16), 4.0 * label - 2.0], dim=1)
        >>> loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True)
        >>> round(loss(logits, label).item(), 4)
        0.1192
    """

    class_weight: Tensor | None

    def __init__(
        self,
        include_background: bool | None = None,
        weight: Sequence[float] | float | Tensor | None = None,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Activation | None = None,
        radius: int = RADIUS,
        smooth_nr: float = SMOOTH,
        smooth_dr: float = SMOOTH,
        batch: bool = False,
        ignore_index: int | None = None,
        reduction: LossReduction | str = LossReduction.MEAN,
        backend: str = "auto",
    ) -> None:
        super().__init__(reduction=LossReduction(reduction).value)
        check_activation(sigmoid=sigmoid, softmax=softmax, other_act=other_act)
        check_include_background(include_background, to_onehot_y=to_onehot_y)
        check_int("radius", radius, minimum=0)
        check_smoothing(smooth_nr, smooth_dr)
        check_ignore_index(ignore_index)
        check_option("backend", backend, BACKENDS)
        self.include_background = include_background
        self.register_buffer("class_weight", check_class_weight(weight, one_for_all=True))
        self.to_onehot_y = to_onehot_y
        self.sigmoid = sigmoid
        self.softmax = softmax
        self.other_act = other_act
        self.radius = radius
        self.smooth_nr = smooth_nr
        self.smooth_dr = smooth_dr
        self.batch = batch
        self.ignore_index = ignore_index
        self.backend = backend

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # sizes depend on the data: one graph break instead of several
    def forward(self, input: Tensor, target: Target) -> Tensor:
        """Compute the loss.

        Args:
            input: logits, or probabilities if no activation is asked for, ``(B, C, *spatial)`` in 2-D or 3-D.
            target: the label, or a pair of the label and its precomputed tubed skeleton.

                The label has a channel of 0 and 1 for each channel of ``input``, or with ``to_onehot_y`` one channel of
                class ids. The skeleton, which `TubedSkeletonized` makes, has one channel of class ids or a channel for
                each channel of ``input``.

        Returns:
            The loss in float32, or float64 for an ``input`` of that type: a scalar, or with ``reduction="none"`` of
            shape ``(B, classes that count, 1, 1[, 1])``, where B is 1 with ``batch``.

        Raises:
            TypeError: if ``input`` is no floating-point tensor or ``target`` neither a tensor nor a pair of tensors.
            ValueError: if shapes, devices, class ids or probabilities do not fit; the message says which and how.
        """
        return self._of_checked(*self._check(input, target))

    def _check(self, input: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return input, label and skeleton (or None) as plain tensors; raise if they do not fit."""
        input = check_logits(input)
        label, skeleton = split_target(target)
        check_one_channel(input, softmax=self.softmax, to_onehot_y=self.to_onehot_y)
        check_label(label, input, to_onehot_y=self.to_onehot_y)
        check_class_ids("target", label, num_classes=self._num_ids(input.shape[1]), ignore_index=self.ignore_index)
        if skeleton is not None:
            check_skeleton(skeleton, input)
        return input, label, skeleton

    def _of_checked(self, input: Tensor, label: Tensor, skeleton: Tensor | None) -> Tensor:
        """Compute the loss of what `_check` returned."""
        if skeleton is None:
            skeleton = self.tubed_skeleton(label, input.shape[1])
        first = self._first_class(input.shape[1])
        voxels = _find_voxels(skeleton, label, input.shape[1], first, self.ignore_index)
        p = self._activate(gather_voxels(input, voxels.position))[:, first:]
        s = voxels.classes.to(p.dtype)
        found, total = self._sum(torch.stack([p * s, s]), voxels.per_sample)
        recall = (found + self.smooth_nr) / (total + self.smooth_dr)
        loss = 1 - recall
        if self.class_weight is not None:
            check_number_of_weights(self.class_weight, loss.shape[1])
            loss = loss * self.class_weight.to(loss)
        return _reduce(loss, self.reduction, input.ndim - 2)

    def tubed_skeleton(self, label: Tensor, channels: int) -> Tensor:
        """Make the skeleton of a label as the loss would, for an input of that many channels.

        Args:
            label: as `forward` takes it.
            channels: number of channels of the input.

        Returns:
            The tubed skeleton, of the shape and dtype of ``label``.
        """
        skip = 0 if self.to_onehot_y else self._first_class(channels)
        tubes = tubed_skeleton(
            label[:, skip:],
            radius=self.radius,
            ignore_index=self.ignore_index,
            spatial_dims=label.ndim - 2,
            backend=self.backend,
        )
        return F.pad(tubes, (0, 0) * (label.ndim - 2) + (skip, 0)) if skip else tubes

    def _num_ids(self, channels: int) -> int:
        """Return how many class ids a label may hold: those of all channels, or 0 and 1 in each channel."""
        return channels if self.to_onehot_y else 2

    def _first_class(self, channels: int) -> int:
        """Return the first channel that counts."""
        if self.include_background is None:
            return int(channels > 1 and (self.softmax or self.to_onehot_y))
        return int(channels > 1 and not self.include_background)

    def _sum(self, values: Tensor, per_sample: list[int]) -> Tensor:
        """Sum (K, N, classes) over the voxels of each sample to (K, B, classes), or over all to (K, 1, classes)."""
        if self.batch:
            return _sum_over_ranks(values.sum(dim=1, keepdim=True))
        samples = [sample.sum(dim=1) for sample in values.split(per_sample, dim=1)]
        return torch.stack(samples, dim=1) if samples else values

    def _activate(self, values: Tensor) -> Tensor:
        """Turn logits (N, C) into probabilities, in float32 at least."""
        values = at_least_float32(values)
        if self.sigmoid:
            return values.sigmoid()
        if self.softmax:
            return values.t().softmax(dim=0).t()  # several times as fast on the CPU as over rows of a few numbers
        if self.other_act is not None:
            shape = values.shape
            values = self.other_act(values)
            if values.shape != shape:
                raise ValueError(f"Expected `other_act` to keep the shape {tuple(shape)}, got {tuple(values.shape)}.")
        check_probabilities(values.detach(), from_other_act=self.other_act is not None)
        return values


class DiceCESkeletonRecallLoss(_Loss):
    r"""Dice, cross entropy and Skeleton Recall together, as published: :math:`L = L_{Dice} + L_{CE} + w L_{recall}`.

    Dice and cross entropy are those of `monai.losses.DiceCELoss`, with two differences: ``sigmoid=True`` means binary
    cross entropy for any number of channels, where MONAI's takes the softmax of several, and there is ``ignore_index``.

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
            ``input``. The recall is not weighted.
        lambda_dice: weight of Dice.
        lambda_ce: weight of the cross entropy.
        lambda_recall: weight of Skeleton Recall.
        label_smoothing: of the cross entropy with ``softmax``.
        radius: of the tubes in voxels, where the skeleton is computed here.
        ignore_index: a label of voxels that do not count. Means are over the others, and 0 if there are none.
        backend: where skeletons are computed, ``"auto"`` follows the label.

    Raises:
        TypeError: if ``other_act`` is not callable, or ``radius`` or ``ignore_index`` no int.
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
        radius: int = RADIUS,
        ignore_index: int | None = None,
        backend: str = "auto",
    ) -> None:
        check_option("reduction", str(LossReduction(reduction).value), ("mean", "sum"))
        super().__init__(reduction=LossReduction(reduction).value)
        check_weight("lambda_dice", lambda_dice)
        check_weight("lambda_ce", lambda_ce)
        check_weight("lambda_recall", lambda_recall)
        self.skeleton_recall = SkeletonRecallLoss(
            include_background=None if include_background else False,
            to_onehot_y=to_onehot_y,
            sigmoid=sigmoid,
            softmax=softmax,
            other_act=other_act,
            radius=radius,
            smooth_nr=smooth_nr,
            smooth_dr=smooth_dr,
            batch=batch,
            ignore_index=ignore_index,
            reduction=reduction,
            backend=backend,
        )
        self.register_buffer("class_weight", check_class_weight(weight, one_for_all=False))
        self.dice = DiceLoss(  # sees probabilities and one-hot labels, ignored voxels set to 0 in both
            include_background=include_background,
            squared_pred=squared_pred,
            jaccard=jaccard,
            reduction=reduction,
            smooth_nr=smooth_nr,
            smooth_dr=smooth_dr,
            batch=batch,
            weight=None if self.class_weight is None else self.class_weight[0 if include_background else 1 :],
        )
        self.lambda_dice = lambda_dice
        self.lambda_ce = lambda_ce
        self.lambda_recall = lambda_recall
        self.label_smoothing = label_smoothing
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
        loss, input, label = self._recall(input, target)
        if not input.numel():
            return loss + input.sum()
        valid = None
        if self.ignore_index is not None:
            valid = ~has_id(label, self.ignore_index)
            label = label.masked_fill(~valid, 0)
            # Not even infinite logits may reach the sums from where nothing is valid.
            input = input.masked_fill(~(valid if self.skeleton_recall.sigmoid else valid.any(dim=1, keepdim=True)), 0)
        if self.lambda_dice:
            loss = loss + self.lambda_dice * self._dice(input, label, valid)
        if self.lambda_ce:
            loss = loss + self.lambda_ce * self._cross_entropy(input, label, valid)
        return loss

    def tubed_skeleton(self, label: Tensor, channels: int) -> Tensor:
        """See `SkeletonRecallLoss.tubed_skeleton`."""
        return self.skeleton_recall.tubed_skeleton(label, channels)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _recall(self, input: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor]:
        """Check everything; return the weighted recall term, and input and label for the other terms."""
        input, label, skeleton = self.skeleton_recall._check(input, target)
        if self.class_weight is not None:
            check_number_of_weights(self.class_weight, input.shape[1])
        if self.lambda_recall:
            recall = self.lambda_recall * self.skeleton_recall._of_checked(input, label, skeleton)
        else:
            recall = input.new_zeros((), dtype=torch.promote_types(input.dtype, torch.float32))
        return recall, at_least_float32(input), label

    def _dice(self, input: Tensor, label: Tensor, valid: Tensor | None) -> Tensor:
        recall = self.skeleton_recall
        if recall.sigmoid:
            input = input.sigmoid()
        elif recall.softmax:
            input = input.softmax(dim=1)
        elif recall.other_act is not None:
            input = recall.other_act(input)
        onehot = self._channels(label, input)
        if valid is not None:
            input, onehot = input * valid, onehot * valid
        dice: Tensor = self.dice(input, onehot)
        return dice

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
        if self.skeleton_recall.to_onehot_y:
            onehot: Tensor = one_hot(label, num_classes=input.shape[1], dtype=input.dtype)
            return onehot
        return label.to(input.dtype)


class _Voxels(NamedTuple):
    """Skeleton voxels of a batch, in the order of the samples."""

    position: Tensor  # (N,), position in the flattened (B, *spatial)
    classes: Tensor  # (N, classes that count), bool: of which classes' skeletons it is
    per_sample: list[int]  # how many each sample has


def _find_voxels(skeleton: Tensor, label: Tensor, channels: int, first: int, ignore_index: int | None) -> _Voxels:
    """Find the skeleton voxels of the classes from ``first`` on, outside ignored ones."""
    id_map = skeleton.shape[1] == 1 and channels > 1
    if id_map and first == 0:
        raise ValueError(
            f"Expected `skeleton` with {channels} channels, as channel 0 counts, got a map of class ids, in which 0 is"
            " background; pass `include_background=False` to leave channel 0 out."
        )
    foreground = (skeleton if id_map else skeleton[:, first:]).ne(0).any(dim=1).flatten(1)
    index = foreground.flatten().nonzero()[:, 0]  # ascending
    ends = torch.arange(1 + len(foreground), device=index.device) * foreground.shape[1]
    per_sample = torch.searchsorted(index, ends).diff().tolist()
    values, true_values = gather_voxels(skeleton, index), gather_voxels(label, index)  # (N, 1 or C)
    values = drop_ignored(values, true_values, ignore_index)
    check_class_ids("skeleton", values, num_classes=channels if id_map else 2)
    classes = _as_channels(values, channels) & (values != 0)
    check_skeleton_in_label((classes & _as_channels(true_values, channels))[classes.any(dim=1)].any(dim=1))
    return _Voxels(index, classes[:, first:], per_sample)


def _as_channels(values: Tensor, channels: int) -> Tensor:
    """Return values (N, 1 or C) of class ids, or of channels of 0 and 1, as booleans (N, C)."""
    if values.shape[1] == channels:
        return values != 0
    return values == torch.arange(channels, device=values.device)


def _sum_over_ranks(local: Tensor) -> Tensor:
    """Sum over all processes in training; the gradient fits DistributedDataParallel, which averages over processes.

    There is no collective in the backward pass, and none at all without gradients, so that one process may validate
    alone.
    """
    if not (local.requires_grad and dist.is_available() and dist.is_initialized()):
        return local
    total = local.detach().clone()
    dist.all_reduce(total)
    return total + dist.get_world_size() * (local - local.detach())


def _reduce(loss: Tensor, reduction: str, spatial_dims: int) -> Tensor:
    """Reduce (B, classes) as MONAI does; ``"none"`` keeps a shape that broadcasts with the input."""
    if reduction == LossReduction.MEAN:
        return loss.mean() if loss.numel() else loss.sum()
    if reduction == LossReduction.SUM:
        return loss.sum()
    return loss.reshape(*loss.shape, *[1] * spatial_dims)
