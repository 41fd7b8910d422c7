"""What losses have in common that weigh critical components, of voxels or of edges."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from monai.utils import LossReduction
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_topoloss._checks.losses import check_criterion, check_loss_map
from monai_topoloss._checks.options import (
    check_finite_number,
    check_ignore_index,
    check_option,
    check_reduction,
    check_share,
)
from monai_topoloss.backends import BACKENDS
from monai_topoloss.losses._common import as_float, at_least_float32, reduce_map

Criterion = Callable[[Tensor, Tensor], Tensor]


class SupervoxelLossOutput(NamedTuple):
    """A loss, and how many critical components it found."""

    loss: Tensor
    n_splits: Tensor
    n_merges: Tensor


class CriticalCounts(NamedTuple):
    """How many critical components a loss found, detached and where the input is."""

    n_splits: Tensor
    n_merges: Tensor


class Case(NamedTuple):
    """What a loss is computed from, all of it checked."""

    input: Tensor  # logits in float32 at least, 0 where nothing counts
    truth: Tensor  # what the criterion gets as its target
    valid: Tensor | None  # bool, which of the loss map counts, broadcasting to it; None: all
    splits: Tensor | None  # bool, broadcasting to the loss map; None if they were not searched
    merges: Tensor | None
    counts: CriticalCounts | None


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
    """A loss map of a criterion, weighed at critical components; see `SupervoxelLoss` for the arguments.

    Attributes:
        last_counts: how many splits and merges the last call found, or None if it did not search.
    """

    last_counts: CriticalCounts | None

    def __init__(
        self,
        criterion: Criterion | None,
        alpha: float,
        beta: float,
        threshold: float,
        ignore_index: int | None,
        reduction: LossReduction | str,
        backend: str,
    ) -> None:
        super().__init__(reduction=check_reduction(reduction, LossReduction).value)
        check_criterion(criterion)
        check_ignore_index(ignore_index)
        check_option("backend", backend, BACKENDS)
        self.criterion = criterion
        self.alpha = alpha
        self.beta = beta
        self.threshold = check_finite_number("threshold", threshold)
        self.ignore_index = ignore_index
        self.backend = backend
        self.last_counts = None

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
        return self._compute(self._look(input, target, search=self.alpha > 0))

    def with_counts(self, input: Tensor, target: Any) -> SupervoxelLossOutput:
        """Compute the loss, and say how many splits and merges there are, also with ``alpha=0``.

        Args:
            input: see `forward`.
            target: see `forward`.

        Returns:
            ``loss`` as `forward` returns it; ``n_splits`` and ``n_merges``, int64, of shape ``(B, C)`` for objects of
            C channels, ``(B, C - 1)`` for the classes from 1 on with ``softmax`` or ``to_onehot_y``, and ``(B, 1)`` for
            affinities.
        """
        case = self._look(input, target, search=True)
        return SupervoxelLossOutput(self._compute(case), *cast(CriticalCounts, case.counts))

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # depends on the data: one graph break instead of several
    def _look(self, input: Tensor, target: Any, *, search: bool) -> Case:
        case = self._prepare(input, target, search=search)
        self.last_counts = case.counts
        return case

    def _compute(self, case: Case) -> Tensor:
        loss = self._criterion(case.input, case.truth)
        has_channels = loss.ndim == case.input.ndim
        if not has_channels:
            loss = loss.unsqueeze(1)
        if case.splits is not None and case.merges is not None and self.alpha > 0:
            loss = weigh_critical(loss, case.splits, case.merges, self.alpha, self.beta)
        loss = reduce_map(loss, case.valid, self.reduction)
        return loss if has_channels or not loss.ndim else loss.squeeze(1)

    def _criterion(self, input: Tensor, truth: Tensor) -> Tensor:
        """Return the loss map, (B, C or 1, *spatial) or (B, *spatial)."""
        if self.criterion is None:
            return self._default_criterion(input, truth)
        loss = self.criterion(input, truth)
        check_loss_map(loss, input.shape, any_channels=truth.dtype == torch.int64)
        return at_least_float32(loss)

    @abstractmethod
    def _default_criterion(self, input: Tensor, truth: Tensor) -> Tensor:
        """Return the loss map without a criterion."""

    @abstractmethod
    def _prepare(self, input: Tensor, target: Any, *, search: bool) -> Case:
        """Check the arguments, and search critical components if that is asked for."""
