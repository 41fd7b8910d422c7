"""Several losses of the same prediction, added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from monai_topoloss._checks import check_losses, check_weight

__all__ = ["SumLoss"]


class SumLoss(nn.Module):
    """A weighted sum of losses: ``sum(weight * loss(input, target))``.

    Each loss gets the same ``input`` and ``target``. Losses of this package take both a label and a pair of label and
    skeleton, so that they go together; a loss with weight 0 is not computed. In `SkeletonDeepSupervisionLoss` the sum
    stands for its losses: it makes skeletons if one of them does.

    Args:
        losses: modules that take ``(input, target)``.
        weights: one for each loss. Default: 1. They may be set at any time.

    Raises:
        TypeError: if ``losses`` are no modules.
        ValueError: if there is no loss, or there are not as many weights, or a weight is negative.

    Example:
        >>> from monai_topoloss.losses import DiceCESkeletonRecallLoss, SupervoxelLoss
        >>> recall = DiceCESkeletonRecallLoss(to_onehot_y=True, softmax=True)
        >>> loss = SumLoss([recall, SupervoxelLoss(softmax=True)], weights=[1.0, 0.5])
    """

    def __init__(self, losses: Sequence[nn.Module], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        weights = [1.0] * len(losses) if weights is None else list(weights)
        check_losses(losses, weights)
        for weight in weights:
            check_weight("weights", weight)
        self.losses = nn.ModuleList(losses)
        self.weights = weights

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """Return the weighted sum of the losses."""
        terms = [w * loss(input, target) for w, loss in zip(self.weights, self.losses, strict=True) if w]
        return sum(terms[1:], terms[0]) if terms else input.sum() * 0

    def __getattr__(self, name: str) -> Any:
        """Take what deep supervision asks of a loss from the first of the losses that has it."""
        if name in ("softmax", "ignore_index", "tubed_skeleton"):
            for loss in self.losses:
                if hasattr(loss, name):
                    return getattr(loss, name)
        return super().__getattr__(name)
