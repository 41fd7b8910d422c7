"""What losses have in common that compare probabilities with a label, class by class."""

from __future__ import annotations

from collections.abc import Sequence

from monai.utils import LossReduction
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.losses import (
    check_activation,
    check_class_weight,
    check_number_of_weights,
)
from monai_topoloss._checks.options import check_ignore_index, check_reduction
from monai_topoloss._checks.targets import (
    check_label,
    check_logits,
    check_one_channel,
    check_probabilities,
    check_skeleton,
    split_target,
)
from monai_topoloss.losses._common import Activation, Target, reduce_classes, to_probabilities


class ClassLoss(_Loss):
    """Options and steps of such a loss; see `SkeletonRecallLoss` for the arguments."""

    class_weight: Tensor | None
    smooth_nr: float
    smooth_dr: float

    def __init__(
        self,
        *,
        include_background: bool | None,
        weight: Sequence[float] | float | Tensor | None,
        to_onehot_y: bool,
        sigmoid: bool,
        softmax: bool,
        other_act: Activation | None,
        batch: bool,
        ignore_index: int | None,
        reduction: LossReduction | str,
    ) -> None:
        super().__init__(reduction=check_reduction(reduction, LossReduction).value)
        check_activation(sigmoid=sigmoid, softmax=softmax, other_act=other_act)
        check_ignore_index(ignore_index)
        self.include_background = include_background
        self.register_buffer("class_weight", check_class_weight(weight, one_for_all=True))
        self.to_onehot_y = to_onehot_y
        self.sigmoid = sigmoid
        self.softmax = softmax
        self.other_act = other_act
        self.batch = batch
        self.ignore_index = ignore_index

    def check(
        self, input: Tensor, target: Target, *, with_skeleton: bool = True
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return input, label and skeleton (or None) as plain tensors; raise if they do not fit.

        Without ``with_skeleton``, the skeleton of a target that has one is left alone.
        """
        input = check_logits(input)
        label, skeleton = split_target(target)
        skeleton = skeleton if with_skeleton else None
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

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of some voxels ``(N, C)``, or of all ``(B, C, *spatial)``."""
        values = to_probabilities(logits, sigmoid=self.sigmoid, softmax=self.softmax, other_act=self.other_act)
        if not (self.sigmoid or self.softmax):
            check_probabilities(values.detach(), from_other_act=self.other_act is not None)
        return values

    def share(self, part: Tensor, whole: Tensor) -> Tensor:
        """Return which share one sum is of another, smoothed."""
        share: Tensor = (part + self.smooth_nr) / (whole + self.smooth_dr)
        return share

    def reduce(self, loss: Tensor, spatial_dims: int) -> Tensor:
        """Weigh the classes of (B, classes), and reduce."""
        if self.class_weight is not None:
            loss = loss * self.class_weight.to(loss)
        return reduce_classes(loss, self.reduction, spatial_dims)
