"""What losses have in common that read probabilities at the voxels of skeletons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
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
from monai_topoloss._checks.options import check_ignore_index, check_int, check_option, check_reduction
from monai_topoloss._checks.targets import (
    check_label,
    check_logits,
    check_one_channel,
    check_probabilities,
    check_skeleton,
    check_skeleton_in_label,
    split_target,
)
from monai_topoloss._labels import drop_ignored
from monai_topoloss.backends import BACKENDS
from monai_topoloss.losses._common import Activation, Target, reduce_classes, sum_samples, to_probabilities
from monai_topoloss.losses._gather import gather_voxels
from monai_topoloss.topology import tubed_skeleton

SMOOTH = 1e-5  # as published


class SkeletonLoss(_Loss):
    """Options and steps of a loss of skeletons; see `SkeletonRecallLoss` for the arguments."""

    class_weight: Tensor | None

    def __init__(
        self,
        *,
        include_background: bool | None,
        weight: Sequence[float] | float | Tensor | None,
        to_onehot_y: bool,
        sigmoid: bool,
        softmax: bool,
        other_act: Activation | None,
        radius: int,
        smooth_nr: float,
        smooth_dr: float,
        batch: bool,
        ignore_index: int | None,
        reduction: LossReduction | str,
        backend: str,
    ) -> None:
        super().__init__(reduction=check_reduction(reduction, LossReduction).value)
        check_activation(sigmoid=sigmoid, softmax=softmax, other_act=other_act)
        check_include_background(include_background, to_onehot_y=to_onehot_y)
        check_int("radius", radius, minimum=0)
        check_ignore_index(ignore_index)
        check_option("backend", backend, BACKENDS)
        self.include_background = include_background
        self.register_buffer("class_weight", check_class_weight(weight, one_for_all=True))
        self.to_onehot_y = to_onehot_y
        self.sigmoid = sigmoid
        self.softmax = softmax
        self.other_act = other_act
        self.radius = radius
        self.smooth_nr, self.smooth_dr = check_smoothing(smooth_nr, smooth_dr)
        self.batch = batch
        self.ignore_index = ignore_index
        self.backend = backend

    def check(self, input: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return input, label and skeleton (or None) as plain tensors; raise if they do not fit."""
        input = check_logits(input)
        label, skeleton = split_target(target)
        channels, first = input.shape[1], self.first_class(input.shape[1])
        check_one_channel(input, softmax=self.softmax, to_onehot_y=self.to_onehot_y)
        check_label(label, input, to_onehot_y=self.to_onehot_y)
        num_ids = channels if self.to_onehot_y else 2
        check_class_ids("target", label, num_classes=num_ids, ignore_index=self.ignore_index)
        if skeleton is not None:
            check_skeleton(skeleton, input, has_background=first > 0)
        if self.class_weight is not None:
            check_number_of_weights(self.class_weight, channels - first)
        return input, label, skeleton

    def first_class(self, channels: int) -> int:
        """Return the first channel that counts."""
        if self.include_background is None:
            return int(channels > 1 and (self.softmax or self.to_onehot_y))
        return int(channels > 1 and not self.include_background)

    def tubed_skeleton(self, label: Tensor, channels: int) -> Tensor:
        """Make the skeleton of a label as the loss would, for an input of that many channels.

        Args:
            label: as `forward` takes it.
            channels: number of channels of the input.

        Returns:
            The tubed skeleton, of the shape and dtype of ``label``.
        """
        skip = 0 if self.to_onehot_y else self.first_class(channels)
        tubes = tubed_skeleton(
            label[:, skip:],
            radius=self.radius,
            ignore_index=self.ignore_index,
            spatial_dims=label.ndim - 2,
            backend=self.backend,
        )
        return F.pad(tubes, (0, 0) * (label.ndim - 2) + (skip, 0)) if skip else tubes

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities (N, C) of some voxels."""
        values = to_probabilities(logits, sigmoid=self.sigmoid, softmax=self.softmax, other_act=self.other_act)
        if not (self.sigmoid or self.softmax):
            check_probabilities(values.detach(), from_other_act=self.other_act is not None)
        return values

    def share(self, part: Tensor, whole: Tensor, per_sample: list[int]) -> Tensor:
        """Return which share one sum over voxels is of another, smoothed, of (N, classes) each: (B, classes)."""
        found, total = sum_samples(torch.stack([part, whole]), per_sample, batch=self.batch)
        share: Tensor = (found + self.smooth_nr) / (total + self.smooth_dr)
        return share

    def reduce(self, loss: Tensor, spatial_dims: int) -> Tensor:
        """Weigh the classes of (B, classes), and reduce."""
        if self.class_weight is not None:
            loss = loss * self.class_weight.to(loss)
        return reduce_classes(loss, self.reduction, spatial_dims)


class Voxels(NamedTuple):
    """Skeleton voxels of a batch, in the order of the samples."""

    position: Tensor  # (N,), position in the flattened (B, *spatial)
    classes: Tensor  # (N, classes that count), bool: of which classes' skeletons it is
    per_sample: list[int]  # how many each sample has


def find_voxels(skeleton: Tensor, label: Tensor, channels: int, first: int, ignore_index: int | None) -> Voxels:
    """Find the skeleton voxels of the classes from ``first`` on, outside ignored ones.

    Args:
        skeleton: ``(B, 1, *spatial)`` of class ids, or ``(B, C, *spatial)`` of a channel for each class.
        label: likewise.
        channels: how many there are of classes, C.
        first: the first class that counts.
        ignore_index: a label of voxels that are no skeleton.

    Raises:
        ValueError: if the skeleton holds other ids than there are, or hardly lies in the label.
    """
    id_map = skeleton.shape[1] == 1 and channels > 1
    foreground = (skeleton if id_map else skeleton[:, first:]).ne(0).any(dim=1).flatten(1)
    index = foreground.flatten().nonzero()[:, 0]  # ascending
    ends = torch.arange(1 + len(foreground), device=index.device) * foreground.shape[1]
    per_sample = torch.searchsorted(index, ends).diff().tolist()
    values, true_values = gather_voxels(skeleton, index), gather_voxels(label, index)  # (N, 1 or C)
    values = drop_ignored(values, true_values, ignore_index)
    check_class_ids("skeleton", values, num_classes=channels if id_map else 2)
    classes = _is_of_class(values, channels) & (values != 0)
    check_skeleton_in_label((classes & _is_of_class(true_values, channels))[classes.any(dim=1)].any(dim=1))
    return Voxels(index, classes[:, first:], per_sample)


def _is_of_class(values: Tensor, channels: int) -> Tensor:
    """Return values (N, 1 or C) of class ids, or of channels of 0 and 1, as booleans (N, C)."""
    if values.shape[1] == channels:
        return values != 0
    return values == torch.arange(channels, device=values.device)
