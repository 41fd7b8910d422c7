"""Dice of what affinities part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_topoloss import affinities


class AffinityDice(torch.nn.Module):
    """Dice loss of the affinities that are 0, over all edges within the image: they are few, and decide.

    Args:
        edges: steps from a voxel to another one.
    """

    def __init__(self, edges: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.edges = edges

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of logits (B, edges, *spatial) and ids (B, 1, *spatial)."""
        ids = target[:, 0]
        inside = torch.as_tensor(affinities(torch.ones_like(ids), self.edges))
        parted = inside & ~torch.as_tensor(affinities(ids, self.edges))
        p = torch.sigmoid(-input) * inside
        return 1 - (2 * (p * parted).sum() + 1) / (p.sum() + parted.sum() + 1)
