"""Skeleton Recall: how much of the tubed skeleton of the label the prediction finds.

Y. Kirchhoff, M. R. Rokuss et al., Skeleton Recall Loss for Connectivity Conserving and Resource Efficient Segmentation
of Thin Tubular Structures, ECCV 2024, arXiv 2404.03010.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.utils import LossReduction
from torch import Tensor

from monai_topoloss.losses._common import Activation, Target, sum_samples
from monai_topoloss.losses._gather import gather_beside
from monai_topoloss.losses._skeleton import SMOOTH, SkeletonLoss, find_voxels
from monai_topoloss.topology.skeleton import RADIUS

__all__ = ["SkeletonRecallLoss"]


class SkeletonRecallLoss(SkeletonLoss):
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
        radius: of the tubes, in voxels or with ``spacing`` a length, where the skeleton is computed here; for other
            options of `TubedSkeletonize` precompute it.
        spacing: size of a voxel along each axis, or one for all; the same for each image.
        smooth_nr: added to the numerator, from 0 to ``smooth_dr``.
        smooth_dr: added to the denominator, positive.
        batch: sum over the batch before dividing, and over all processes if ``torch.distributed`` is initialised and
            the input requires a gradient. The gradient then fits DistributedDataParallel, which averages it.
        ignore_index: a label of voxels that do not count.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``, over samples and classes.
        backend: where skeletons are computed, ``"auto"`` follows the label.

    Raises:
        TypeError: if ``other_act`` is not callable, ``ignore_index`` no int, or ``radius`` no int or
            with ``spacing`` no number.
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

    def __init__(
        self,
        include_background: bool | None = None,
        weight: Sequence[float] | float | Tensor | None = None,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Activation | None = None,
        radius: float = RADIUS,
        spacing: float | Sequence[float] | None = None,
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
        return self.compute(*self.check(input, target))[1]

    def compute(
        self, input: Tensor, label: Tensor, skeleton: Tensor | None, *, in_place: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Compute the loss of what ``check`` returned, and return ``input`` for the other terms of a sum, and the loss.

        Terms that are computed from what is returned share one gradient with this loss, which adds to it ``in_place``
        if that may be: if their operations hand it to nobody else.
        """
        if skeleton is None:
            skeleton = self.tubed_skeleton(label, input.shape[1])
        first = self.first_class(input.shape[1])
        position, s, per_sample = find_voxels(skeleton, label, input.shape[1], first, self.ignore_index)
        input, logits = gather_beside(input, position, in_place=in_place)
        p = self.probabilities(logits)[:, first:]
        # Not a product: what is ignored in one channel, and skeleton in another, may be NaN.
        sums = torch.stack([torch.where(s, p, 0), s.to(p.dtype)])
        recall = self.share(*sum_samples(sums, per_sample, batch=self.batch))
        return input, self.reduce(1 - recall, input.ndim - 2)
