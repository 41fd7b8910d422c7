"""The supervoxel loss: extra weight on the components of the mistakes that split or merge objects.

A. Grim, J. Chandrashekar and U. Sümbül, Efficient Connectivity-Preserving Instance Segmentation with Supervoxel-Based
Loss Function, AAAI 2025, arXiv 2501.01022.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812
from monai.utils import LossReduction
from torch import Tensor, nn

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_int
from monai_topoloss._checks.targets import (
    check_label,
    check_logits,
    check_one_channel,
    check_one_hot_label,
    split_target,
)
from monai_topoloss._checks.tensors import check_no_nan
from monai_topoloss.losses._common import as_channels, as_float, at_least_float32, valid_voxels
from monai_topoloss.losses._critical import Case, Criterion, CriticalCounts, CriticalLoss
from monai_topoloss.topology import critical_components

__all__ = ["SupervoxelLoss"]


class SupervoxelLoss(CriticalLoss):
    r"""Supervoxel loss.

    .. math::

        L = \frac{1}{|V|} \sum_v \bigl[(1 - \alpha) + \alpha \left(\beta S_v + (1 - \beta) M_v\right)\bigr] L_{0,v}

    with a voxel-wise criterion :math:`L_0`, the voxels :math:`S` of *splits*, components of what is missed that break
    or drop an object, and :math:`M` of *merges*, components of what is invented that join or make objects; see
    `monai_topoloss.topology.critical_components`. Components that only make an object thinner or thicker keep the
    weight :math:`1 - \alpha`. A larger :math:`\beta` makes splits weigh more, as in the released code.

    What ``input`` and ``target`` mean:

    - One channel: a mask, or a map of instance ids, as target. Touching instances are told apart where one of them is
      missed; the criterion sees ``target > 0``. Two that touch and are predicted as one hold no wrong voxel, and are no
      merge: that takes affinities, see `SupervoxelAffinityLoss`.
    - Several channels: the classes may overlap. The target has a channel of 0 and 1 for each, or with ``to_onehot_y``
      is a label map of class ids, ``(B, 1, *spatial)``, in which 0 is background.
    - With ``softmax`` the classes exclude each other, and the target is one-hot, or with ``to_onehot_y`` a label map.
      The prediction is the class with the largest logit. A voxel of class a that is predicted as b may belong to a
      split of a, and to a merge of b.

    At the start of a training, nearly all is wrong and nothing critical: train a few epochs with ``alpha=0``, which
    skips the search, and then raise ``alpha``, as `monai_topoloss.handlers.LossWeightSchedule` does.

    How many splits and merges the last call found is kept in ``last_counts``, on the input's device, where nothing
    waits for it; `monai_topoloss.handlers.SupervoxelCounts` logs the means of each epoch.

    A mean over all voxels divides each gradient by their number. In float16 many are too small to be held: train with a
    gradient scaler, as MONAI's trainers do with ``amp=True``, or in bfloat16.

    Args:
        criterion: the loss of each voxel, called with logits and target: any with ``reduction="none"``, returning
            ``(B, C, *spatial)`` or ``(B, *spatial)``. Default: binary cross entropy with logits, or cross entropy with
            ``softmax``. With ``softmax`` it gets class ids, int64 ``(B, 1, *spatial)``; `torch.nn.CrossEntropyLoss` and
            `torch.nn.NLLLoss` get them without the channel.
        alpha: how much critical components weigh, from 0 to 1. It may be set at any time.
        beta: how much of that is for splits, from 0 to 1; the rest is for merges.
        threshold: logits above are foreground, where there is no ``softmax``.
        to_onehot_y: the target is a label map of class ids, ``(B, 1, *spatial)``, for an input of several channels.
            Channel 0 is the background then, and has no splits and merges.
        softmax: the channels of ``input`` exclude each other, and channel 0 is the background.
        connectivity: in how many axes at once neighbours may differ. Default: all, which is 8 neighbours in 2-D and 26
            in 3-D.
        ignore_index: a label of voxels that do not count: no part of any object, and 0 in the loss. Means are over the
            others, and 0 if there are none.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``, which returns the weighed map.
        backend: where critical components are searched, ``"auto"`` follows the input.

    Raises:
        TypeError: if ``criterion`` is not callable, or a number is none.
        ValueError: if ``criterion`` has another reduction than ``"none"``, or ``alpha`` or ``beta`` is out of range.

    Example:
        >>> import torch
        >>> target = torch.zeros(1, 1, 8, 8)
        >>> target[..., 4, :] = 1
        >>> logits = 4 * target - 2
        >>> logits[..., 4, 3] = -2  # a gap
        >>> output = SupervoxelLoss().with_counts(logits, target)
        >>> output.n_splits.item(), output.n_merges.item()
        (1, 0)
    """

    def __init__(
        self,
        criterion: Criterion | None = None,
        alpha: float = 0.5,
        beta: float = 0.5,
        threshold: float = 0.0,
        to_onehot_y: bool = False,
        softmax: bool = False,
        connectivity: int | None = None,
        ignore_index: int | None = None,
        reduction: LossReduction | str = LossReduction.MEAN,
        backend: str = "auto",
    ) -> None:
        super().__init__(criterion, alpha, beta, threshold, ignore_index, reduction, backend)
        if connectivity is not None:
            check_int("connectivity", connectivity, minimum=1)
        self.connectivity = connectivity
        self.to_onehot_y = to_onehot_y
        self.softmax = softmax

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """Compute the loss.

        Args:
            input: logits, ``(B, C, *spatial)`` in 2-D or 3-D.
            target: the label; of a pair of label and skeleton, the skeleton is left alone.

        Returns:
            The loss in float32, or float64 for an ``input`` of that type: a scalar, or the weighed map.

        Raises:
            TypeError: if ``input`` is no floating-point tensor or ``target`` no tensor.
            ValueError: if shapes, devices or ids do not fit, ``criterion`` returns no map, or ``input`` holds NaN and
                critical components are searched.
        """
        return super().forward(input, target)

    def _default_criterion(self, input: Tensor, truth: Tensor) -> Tensor:
        if self.softmax:
            return F.cross_entropy(input, truth[:, 0], reduction="none")
        return F.binary_cross_entropy_with_logits(input, truth, reduction="none")

    def _criterion(self, input: Tensor, truth: Tensor) -> Tensor:
        if isinstance(self.criterion, nn.CrossEntropyLoss | nn.NLLLoss) and self.softmax:
            return at_least_float32(self.criterion(input, truth[:, 0]))
        return super()._criterion(input, truth)

    def _prepare(self, input: Tensor, target: Any, *, search: bool) -> Case:
        input = at_least_float32(check_logits(input))
        channels = input.shape[1]
        label, _ = split_target(target)
        check_one_channel(input, softmax=self.softmax, to_onehot_y=self.to_onehot_y, instead="leaving it out")
        check_label(label, input, to_onehot_y=self.to_onehot_y)
        valid = valid_voxels(label, self.ignore_index)
        if valid is not None:
            if self.softmax:
                valid = valid.all(dim=1, keepdim=True)
            label, input = label.masked_fill(~valid, 0), input.masked_fill(~valid, 0)
        ids_below = channels if self.to_onehot_y else (2 if channels > 1 else None)
        highest = check_class_ids("target", label, num_classes=ids_below)
        if self.softmax and not self.to_onehot_y:
            check_one_hot_label(label, valid)
            label = label.to(torch.uint8).argmax(dim=1, keepdim=True)
        elif self.to_onehot_y and not self.softmax:
            label = as_channels(label, channels, to_onehot_y=True, dtype=torch.bool)
        elif highest is not None and highest <= 1 and not self.softmax:
            label = label != 0  # a mask, which is faster than ids
        truth = label.long() if self.softmax else as_float(label.ne(0), input.dtype)
        found = self._search(input.detach(), label, valid) if search else (None, None, None)
        return Case(input, truth, valid, *found)

    @torch.no_grad()
    def _search(self, input: Tensor, label: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, CriticalCounts]:
        """Find the critical components of the prediction; masks (B, C or 1, *spatial), counts (B, C or classes)."""
        check_no_nan("input", input)
        prediction = input.argmax(dim=1, keepdim=True) if self.softmax else input > self.threshold
        if valid is not None:
            prediction = prediction * valid
        first = int(self.to_onehot_y and not self.softmax)  # a channel for each class, of which 0 is the background
        found = critical_components(
            prediction[:, first:],
            label[:, first:],
            num_classes=input.shape[1] if self.softmax else None,
            connectivity=self.connectivity,
            spatial_dims=input.ndim - 2,
            backend=self.backend,
        )
        splits, merges, n_splits, n_merges = (cast(Tensor, each) for each in found)
        if self.softmax:  # one channel of class ids
            n_splits, n_merges = n_splits[:, 0], n_merges[:, 0]
        if first:
            splits, merges = (F.pad(mask, (0, 0) * (mask.ndim - 2) + (first, 0)) for mask in (splits, merges))
        return splits, merges, CriticalCounts(n_splits, n_merges)
