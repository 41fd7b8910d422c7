"""Skeleton precision: how much of the skeleton of the prediction lies in the label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.utils import LossReduction
from torch import Tensor

from monai_topoloss._checks.losses import check_per_class, check_thresholds
from monai_topoloss._checks.options import check_method
from monai_topoloss.losses._common import Activation, Target, class_masks, sum_over_ranks, valid_voxels
from monai_topoloss.losses._gather import gather_beside, gather_voxels
from monai_topoloss.losses._skeleton import SMOOTH, SkeletonLoss, locate
from monai_topoloss.topology import skeletonize, tubed_skeleton

__all__ = ["THRESHOLDS", "SkeletonPrecisionLoss"]

THRESHOLDS = (0.003, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5)


class SkeletonPrecisionLoss(SkeletonLoss):
    r"""Skeleton precision loss: the half that Skeleton Recall lacks.

    .. math::

        L = 1 - \frac{1}{C} \sum_c \frac{1}{K} \sum_k \mathrm{precision}_{k,c}, \qquad
        \mathrm{precision}_{k,c} =
            \frac{\sum_v p_{c,v} S_{k,c,v} y_{c,v} + s_{nr}}{\sum_v p_{c,v} S_{k,c,v} + s_{dr}}

    with the predicted probabilities :math:`p`, the label :math:`y`, and for each threshold :math:`t_k` the skeleton
    :math:`S_{k,c}` of where :math:`p_c > t_k`. Skeletons have no gradient; it flows through the probabilities on them.

    Skeleton Recall minds what is missed and nothing that is invented. This minds what is invented, as the precision in
    soft clDice does, and in the same way sees ridges of low probability long before they are predicted: that is what
    thresholds far below one half are for. Precision alone is content with predicting nothing: add it to
    `DiceCESkeletonRecallLoss`, which has an option for that.

    Of ``input``, all voxels are looked at, once; then only those of skeletons, as in `SkeletonRecallLoss`, so that what
    is kept for the backward pass grows with the skeletons. Thresholds and classes are thinned in one batch. A class of
    which nothing is predicted above a threshold has precision 1 there (with the default smoothing).

    Args:
        include_background: whether channel 0 counts. Default None: it does not where it is the background, that is with
            several channels and ``softmax`` or ``to_onehot_y``; it does otherwise.
        weight: one number, or one for each class that counts; multiplies the class's loss before the reduction.
        to_onehot_y: the target is a label map of class ids, ``(B, 1, *spatial)``, for an input of several channels.
        sigmoid: apply a sigmoid to ``input``.
        softmax: apply a softmax to ``input``.
        other_act: another activation that gives probabilities; it sees the values of N voxels, ``(N, C)``.
        thresholds: of the probabilities, each above 0 and below 1, at most eight.
        radius: of tubes around the predicted skeletons, inside of what is above the threshold; 0 is the bare skeleton.
        spacing: size of a voxel along each axis, or one for all: ``radius`` is a length then.
        per_class: thin what is predicted of each class. Otherwise, with ``softmax``, thin for each threshold what is
            not background, of all classes together: less work with many classes.
        method: thinning method, see `monai_topoloss.topology.skeletonize`.
        smooth_nr: added to the numerator, from 0 to ``smooth_dr``.
        smooth_dr: added to the denominator, positive.
        batch: sum over the batch before dividing, and over all processes as `SkeletonRecallLoss` does.
        ignore_index: a label of voxels that do not count: background in the prediction and the label.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``, over samples and classes.
        backend: where skeletons are computed, ``"auto"`` follows the input.

    Raises:
        TypeError: if ``other_act`` is not callable, ``thresholds`` no sequence of numbers, or ``radius`` or
            ``ignore_index`` no int.
        ValueError: for more than one activation, thresholds outside of (0, 1), none or too many, smoothing outside 0 <=
            ``smooth_nr`` <= ``smooth_dr`` > 0, negative weights, ``include_background=True`` with ``to_onehot_y``, or
            ``per_class=False`` without ``softmax`` or with the background.

    Example:
        >>> import torch
        >>> label = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
        >>> label[..., 6:10, 2:14] = 1
        >>> logits = 8.0 * label - 4.0
        >>> logits[..., 1, 2:8] = 4.0  # invented
        >>> round(SkeletonPrecisionLoss(sigmoid=True)(logits, label).item(), 4)
        0.2857
    """

    def __init__(
        self,
        include_background: bool | None = None,
        weight: Sequence[float] | float | Tensor | None = None,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Activation | None = None,
        thresholds: Sequence[float] = THRESHOLDS,
        radius: float = 0,
        spacing: float | Sequence[float] | None = None,
        per_class: bool = True,
        method: str | None = None,
        smooth_nr: float = SMOOTH,
        smooth_dr: float = SMOOTH,
        batch: bool = False,
        ignore_index: int | None = None,
        reduction: LossReduction | str = LossReduction.MEAN,
        backend: str = "auto",
    ) -> None:
        super().__init__(
            include_background=include_background,
            weight=weight,
            to_onehot_y=to_onehot_y,
            sigmoid=sigmoid,
            softmax=softmax,
            other_act=other_act,
            radius=radius,
            spacing=spacing,
            smooth_nr=smooth_nr,
            smooth_dr=smooth_dr,
            batch=batch,
            ignore_index=ignore_index,
            reduction=reduction,
            backend=backend,
        )
        check_method(method)
        self.thresholds = check_thresholds(thresholds)
        check_per_class(per_class, softmax=softmax, include_background=include_background)
        self.per_class = per_class
        self.method = method

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # sizes depend on the data: one graph break instead of several
    def forward(self, input: Tensor, target: Target) -> Tensor:
        """Compute the loss.

        Args:
            input: logits, or probabilities if no activation is asked for, ``(B, C, *spatial)`` in 2-D or 3-D.
            target: the label, with a channel of 0 and 1 for each channel of ``input``, or with ``to_onehot_y`` one
                channel of class ids; of a pair of label and skeleton, the skeleton is left alone.

        Returns:
            The loss in float32, or float64 for an ``input`` of that type: a scalar, or with ``reduction="none"`` of
            shape ``(B, classes that count, 1, 1[, 1])``, where B is 1 with ``batch``.

        Raises:
            TypeError: if ``input`` is no floating-point tensor or ``target`` neither a tensor nor a pair of tensors.
            ValueError: if shapes, devices, class ids or probabilities do not fit; the message says which and how.
        """
        input, label, _ = self.check(input, target, with_skeleton=False)
        return self.compute(input, label)[1]

    def compute(self, input: Tensor, label: Tensor, *, in_place: bool = False) -> tuple[Tensor, Tensor]:
        """Compute the loss of what ``check`` returned; see `SkeletonRecallLoss.compute`."""
        channels, first = input.shape[1], self.first_class(input.shape[1])
        codes = self._predicted_skeletons(input, label)
        position, per_sample = locate(codes.amax(dim=1) if codes.shape[1] > 1 else codes)
        code = gather_voxels(codes, position)
        y = class_masks(gather_voxels(label, position), channels, first)
        input, logits = gather_beside(input, position, in_place=in_place)
        p = self.probabilities(logits)[:, first:]
        precision = self.share(*self._sums(p, code, y, per_sample))
        return input, self.reduce(1 - precision.mean(dim=2), input.ndim - 2)

    def _sums(self, p: Tensor, code: Tensor, y: Tensor, per_sample: list[int]) -> tuple[Tensor, Tensor]:
        """Sum probabilities over what of each skeleton is in the label, and over all of it: (B, classes, thresholds).

        Voxels of a sample and class that are in the same skeletons are summed first, in the label and outside: that is
        one pass over them instead of two for each threshold.
        """
        classes, number = p.shape[1], 2 ** len(self.thresholds)
        sample = torch.tensor(per_sample, dtype=torch.int64, device=p.device)
        sample = torch.arange(len(per_sample), device=p.device).repeat_interleave(sample, output_size=len(p))
        key = (sample.unsqueeze(1) * classes + torch.arange(classes, device=p.device)) * 2 + y
        sums = p.new_zeros(len(per_sample) * classes * 2 * number, dtype=torch.float64)  # of very many
        sums = sums.index_add(0, (key * number + code).flatten(), p.double().flatten())
        codes = torch.arange(number, device=p.device).unsqueeze(1)
        in_skeleton = codes >> torch.arange(len(self.thresholds), device=p.device) & 1
        sums = sums.reshape(len(per_sample), classes, 2, number) @ in_skeleton.double()
        if self.batch:
            sums = sum_over_ranks(sums.sum(dim=0, keepdim=True))
        sums = sums.to(p.dtype)
        return sums[:, :, 1], sums.sum(dim=2)

    @torch.no_grad()
    def _predicted_skeletons(self, input: Tensor, label: Tensor) -> Tensor:
        """Return which skeletons a voxel is in, bit k for the k-th threshold's: uint8 (B, classes or 1, *spatial)."""
        channels, first, spatial_dims = input.shape[1], self.first_class(input.shape[1]), input.ndim - 2
        p = input if self.other_act is None else input.movedim(1, -1).flatten(0, -2)
        p = self.probabilities(p)
        if self.other_act is not None:
            p = p.unflatten(0, (len(input), *input.shape[2:])).movedim(-1, 1)
        p = p[:, first:] if self.per_class else 1 - p[:, :1]
        thresholds = torch.tensor(self.thresholds, dtype=p.dtype, device=p.device)
        masks = (p <= thresholds.reshape(-1, *[1] * p.ndim)).logical_not_()  # (thresholds, B, ...); NaN has to show
        valid = valid_voxels(label, self.ignore_index)
        if valid is not None:
            if valid.shape[1] == channels:
                valid = valid[:, first:] if self.per_class else valid.all(dim=1, keepdim=True)
            masks &= valid
        options: dict[str, Any] = {"method": self.method, "spatial_dims": spatial_dims, "backend": self.backend}
        skeletons = (
            tubed_skeleton(masks, radius=self.radius, spacing=self.spacing, **options)
            if self.radius
            else skeletonize(masks, **options)
        )
        codes = torch.zeros(skeletons.shape[1:], dtype=torch.uint8, device=p.device)
        for k, skeleton in enumerate(skeletons):
            codes |= skeleton.view(torch.uint8) << k
        return codes
