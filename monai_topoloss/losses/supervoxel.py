"""The supervoxel loss: extra weight on the components of the mistakes that split or merge objects.

A. Grim, J. Chandrashekar and U. Sümbül, Efficient Connectivity-Preserving Instance Segmentation with Supervoxel-Based
Loss Function, AAAI 2025, arXiv 2501.01022.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F  # noqa: N812
from monai.utils import LossReduction
from torch import Tensor, nn
from torch.nn.modules.loss import _Loss

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.losses import check_criterion, check_loss_map
from monai_topoloss._checks.options import check_finite_number, check_ignore_index, check_int, check_option, check_share
from monai_topoloss._checks.targets import check_label, check_logits, check_one_channel, split_target
from monai_topoloss._checks.tensors import check_no_nan
from monai_topoloss._labels import has_id
from monai_topoloss.backends import BACKENDS
from monai_topoloss.losses._dtype import as_float, at_least_float32
from monai_topoloss.topology import CriticalComponentsResult, critical_components

__all__ = ["SupervoxelLoss", "SupervoxelLossOutput", "weigh_critical"]

Criterion = Callable[[Tensor, Tensor], Tensor]


class SupervoxelLossOutput(NamedTuple):
    """A loss, and how many critical components it found."""

    loss: Tensor
    n_splits: Tensor
    n_merges: Tensor


def weigh_critical(loss: Tensor, splits: Tensor, merges: Tensor, alpha: float, beta: float) -> Tensor:
    r"""Weigh a loss map: :math:`(1 - \alpha) L_0 + \alpha \left(\beta S + (1 - \beta) M\right) L_0`.

    Args:
        loss: the loss of each voxel, :math:`L_0`.
        splits: the voxels of splits, :math:`S`; broadcasts to ``loss``.
        merges: the voxels of merges, :math:`M`, of the same shape.
        alpha: how much critical components weigh, from 0 to 1.
        beta: how much of that is for splits, from 0 to 1.

    Returns:
        The weighed map, of the shape of ``loss``.
    """
    weight = as_float(splits, loss.dtype).mul_(alpha * beta)
    weight.add_(as_float(merges, loss.dtype), alpha=alpha * (1 - beta)).add_(1 - alpha)
    return loss * weight


class CriticalLoss(_Loss, ABC):
    """What the losses have in common that weigh critical components; see `SupervoxelLoss` for the arguments."""

    def __init__(
        self,
        criterion: Criterion | None,
        alpha: float,
        beta: float,
        threshold: float,
        connectivity: int | None,
        ignore_index: int | None,
        reduction: LossReduction | str,
        backend: str,
    ) -> None:
        super().__init__(reduction=LossReduction(reduction).value)
        check_criterion(criterion)
        if connectivity is not None:
            check_int("connectivity", connectivity, minimum=1)
        check_ignore_index(ignore_index)
        check_option("backend", backend, BACKENDS)
        check_finite_number("threshold", threshold)
        self.criterion = criterion
        self.alpha = alpha
        self.beta = beta
        self.threshold = threshold
        self.connectivity = connectivity
        self.ignore_index = ignore_index
        self.backend = backend

    @property
    def alpha(self) -> float:
        """How much critical components weigh, from 0 to 1; 0 skips the search."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        self._alpha = check_share("alpha", value)

    @property
    def beta(self) -> float:
        """How much of that is for splits, from 0 to 1."""
        return self._beta

    @beta.setter
    def beta(self, value: float) -> None:
        self._beta = check_share("beta", value)

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """Compute the loss."""
        loss, _ = self._compute(input, target, search=self.alpha > 0)
        return loss

    def with_counts(self, input: Tensor, target: Any) -> SupervoxelLossOutput:
        """Compute the loss, and say how many splits and merges there are, for logging.

        Args:
            input: see `forward`.
            target: see `forward`.

        Returns:
            ``loss`` as `forward` returns it; ``n_splits`` and ``n_merges``, int64, of shape ``(B, C)`` for objects of
            C channels, ``(B, C - 1)`` for the classes from 1 on with ``softmax``, and ``(B, 1)`` for affinities.
        """
        loss, found = self._compute(input, target, search=True)
        found = cast(CriticalComponentsResult, found)
        return SupervoxelLossOutput(loss, cast(Tensor, found.n_splits), cast(Tensor, found.n_merges))

    @abstractmethod
    def _compute(self, input: Tensor, target: Any, *, search: bool) -> tuple[Tensor, CriticalComponentsResult | None]:
        """Return the loss, and the critical components if they are searched."""


class SupervoxelLoss(CriticalLoss):
    r"""Supervoxel loss.

    .. math::

        L = \frac{1}{|V|} \sum_v \bigl[(1 - \alpha) + \alpha \left(\beta S_v + (1 - \beta) M_v\right)\bigr] L_{0,v}

    with a voxel-wise criterion :math:`L_0`, the voxels :math:`S` of *splits*, components of what is missed that break
    or drop an object, and :math:`M` of *merges*, components of what is invented that join or make objects; see
    `monai_topoloss.topology.critical_components`. Components that only make an object thinner or thicker keep the
    weight :math:`1 - \alpha`. A larger :math:`\beta` makes splits weigh more, as in the released code.

    What ``input`` and ``target`` mean:

    - One channel: a mask, or a map of instance ids, as target. Touching instances are told apart; the criterion sees
      ``target > 0``.
    - Several channels: the classes may overlap, and the target has a channel of 0 and 1 for each.
    - With ``softmax`` the classes exclude each other, and the target is a label map of class ids, ``(B, 1, *spatial)``.
      The prediction is the class with the largest logit. A voxel of class a that is predicted as b may belong to a
      split of a, and to a merge of b.

    At the start of a training, nearly all is wrong and nothing critical: train a few epochs with ``alpha=0``, which
    skips the search, and then raise ``alpha``, as `monai_topoloss.handlers.LossWeightSchedule` does.

    Args:
        criterion: the loss of each voxel, called with logits and target: any with ``reduction="none"``, returning
            ``(B, C, *spatial)`` or ``(B, *spatial)``. Default: binary cross entropy with logits, or cross entropy with
            ``softmax``. With ``softmax`` it gets class ids, int64 ``(B, 1, *spatial)``; `torch.nn.CrossEntropyLoss` and
            `torch.nn.NLLLoss` get them without the channel.
        alpha: how much critical components weigh, from 0 to 1. It may be set at any time.
        beta: how much of that is for splits, from 0 to 1; the rest is for merges.
        threshold: logits above are foreground, where there is no ``softmax``.
        softmax: the channels of ``input`` exclude each other.
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
        softmax: bool = False,
        connectivity: int | None = None,
        ignore_index: int | None = None,
        reduction: LossReduction | str = LossReduction.MEAN,
        backend: str = "auto",
    ) -> None:
        super().__init__(criterion, alpha, beta, threshold, connectivity, ignore_index, reduction, backend)
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

    def _compute(self, input: Tensor, target: Any, *, search: bool) -> tuple[Tensor, CriticalComponentsResult | None]:
        input = at_least_float32(check_logits(input))
        label, _ = split_target(target)
        check_one_channel(input, softmax=self.softmax, to_onehot_y=False, instead="leaving out `softmax`")
        check_label(label, input, to_onehot_y=self.softmax, option="softmax")
        valid = None
        if self.ignore_index is not None:
            valid = ~has_id(label, self.ignore_index)
            label, input = label.masked_fill(~valid, 0), input.masked_fill(~valid, 0)
        num_classes = input.shape[1] if self.softmax else (None if input.shape[1] == 1 else 2)
        highest = check_class_ids("target", label, num_classes=num_classes)
        if highest is not None and highest <= 1 and not self.softmax:
            label = label != 0  # a mask, which is faster than ids
        loss = self._criterion(input, label)
        has_channels = loss.ndim == input.ndim
        if not has_channels:
            loss = loss.unsqueeze(1)
        found = self._search(input.detach(), label, valid) if search else None
        if found is not None and self.alpha > 0:
            splits, merges = cast(Tensor, found.splits), cast(Tensor, found.merges)
            loss = weigh_critical(loss, splits, merges, self.alpha, self.beta)
        return self._reduce(loss, valid, has_channels=has_channels), found

    def _criterion(self, input: Tensor, label: Tensor) -> Tensor:
        """Return the loss of each voxel."""
        if self.softmax:
            target = label.long()
            if self.criterion is None:
                return F.cross_entropy(input, target[:, 0], reduction="none")
            if isinstance(self.criterion, nn.CrossEntropyLoss | nn.NLLLoss):
                target = target[:, 0]
        else:
            target = as_float(label.ne(0), input.dtype)
            if self.criterion is None:
                return F.binary_cross_entropy_with_logits(input, target, reduction="none")
        loss = self.criterion(input, target)
        check_loss_map(loss, input.shape, any_channels=self.softmax)
        return at_least_float32(loss)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # depends on the data, and reads counts
    @torch.no_grad()
    def _search(self, input: Tensor, label: Tensor, valid: Tensor | None) -> CriticalComponentsResult:
        """Find the critical components of the prediction; masks (B, C or 1, *spatial), counts (B, C or classes)."""
        check_no_nan("input", input)
        prediction = input.argmax(dim=1, keepdim=True) if self.softmax else input > self.threshold
        if valid is not None:
            prediction = prediction * valid
        found = critical_components(
            prediction,
            label,
            num_classes=input.shape[1] if self.softmax else None,
            connectivity=self.connectivity,
            spatial_dims=input.ndim - 2,
            backend=self.backend,
        )
        if self.softmax:  # one channel of class ids
            found = found._replace(n_splits=found.n_splits[:, 0], n_merges=found.n_merges[:, 0])
        return found

    def _reduce(self, loss: Tensor, valid: Tensor | None, *, has_channels: bool) -> Tensor:
        """Reduce a map (B, 1 or C, *spatial) over its valid voxels."""
        if valid is not None:
            loss = loss.masked_fill(~valid, 0)  # not a product: a criterion may have made NaN of what was put there
        if self.reduction == LossReduction.NONE:
            return loss if has_channels else loss.squeeze(1)
        total = loss.sum()
        if self.reduction == LossReduction.SUM:
            return total
        count: Tensor | int = loss.numel() if valid is None else valid.expand_as(loss).sum()
        return total / (max(count, 1) if isinstance(count, int) else count.clamp(min=1))
