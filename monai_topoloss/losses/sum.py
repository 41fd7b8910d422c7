"""Several losses of the same prediction, added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from monai_topoloss._checks.losses import check_losses
from monai_topoloss._checks.targets import check_floating_point
from monai_topoloss.losses._common import at_least_float32

__all__ = ["SumLoss"]


class SumLoss(nn.Module):
    """A weighted sum of losses: ``sum(weight * loss(input, target))``.

    Each loss gets the same ``input`` and ``target``. Losses of this package take both a label and a pair of label and
    skeleton, so that they go together; a loss with weight 0 is not computed. In `SkeletonDeepSupervisionLoss`, which
    makes one skeleton for all, the first loss that can make one does, and speaks for the sum.

    Args:
        losses: modules that take ``(input, target)``.
        weights: one for each loss. Default: 1. The attribute of that name may be set at any time.

    Raises:
        TypeError: if ``losses`` is no sequence of modules.
        ValueError: if there is no loss, or there are not as many weights, or a weight is negative.

    Example:
        >>> from monai_topoloss.losses import DiceCESkeletonRecallLoss, SupervoxelLoss
        >>> recall = DiceCESkeletonRecallLoss(to_onehot_y=True, softmax=True, lambda_ce=0)
        >>> loss = SumLoss([recall, SupervoxelLoss(to_onehot_y=True, softmax=True)])  # which brings the cross entropy
    """

    def __init__(self, losses: Sequence[nn.Module], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self._weights = check_losses(losses, weights)
        self.losses = nn.ModuleList(losses)

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of each loss."""
        return self._weights

    @weights.setter
    def weights(self, value: Sequence[float]) -> None:
        self._weights = check_losses(self.losses, value)

    def forward(self, input: Any, target: Any) -> Tensor:
        """Return the weighted sum of the losses."""
        terms: list[Tensor] = [w * loss(input, target) for w, loss in zip(self.weights, self.losses, strict=True) if w]
        if terms:
            return sum(terms[1:], terms[0])
        first = input[0] if isinstance(input, list | tuple) and input else input
        return at_least_float32(check_floating_point(first).flatten()[:0]).sum()

    def __getattr__(self, name: str) -> Any:
        """Take what deep supervision asks of a loss from the one that makes the skeleton."""
        if name in ("softmax", "ignore_index", "tubed_skeleton"):
            for loss in self.losses:
                if hasattr(loss, "tubed_skeleton") and hasattr(loss, name):
                    return getattr(loss, name)
        return super().__getattr__(name)
