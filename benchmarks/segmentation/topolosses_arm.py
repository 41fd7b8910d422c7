"""Losses of the package topolosses, as the arms in rivals/ use them."""

from __future__ import annotations

import importlib
import sys
import types

import torch
from monai.networks import one_hot
from torch import Tensor


class TopoLoss(torch.nn.Module):
    """A loss of topolosses without its own Dice, for logits and a label map of 0 and 1.

    Args:
        name: ``"BettiMatchingLoss"`` or ``"TopographLoss"``; all settings are the package's.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        _stand_in_for_torchvision()
        module = importlib.import_module("topolosses.losses")
        self.loss = getattr(module, name)(softmax=True, use_base_loss=False, alpha=1)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compute the loss."""
        loss: Tensor = self.loss(input, one_hot(target, input.shape[1]))
        return loss


def _stand_in_for_torchvision() -> None:
    """Let topolosses be imported beside a PyTorch that torchvision was not built for; another of its losses uses it."""
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        package, models = types.ModuleType("torchvision"), types.ModuleType("torchvision.models")
        package.models = models  # type: ignore[attr-defined]
        sys.modules |= {"torchvision": package, "torchvision.models": models}
