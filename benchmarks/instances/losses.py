"""Dice of what affinities part, and a control of the supervoxel loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_topoloss import SupervoxelAffinityLoss, affinities
from monai_topoloss.losses._critical import CriticalCounts


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


class MistakeLoss(SupervoxelAffinityLoss):
    """Weigh all mistakes as the supervoxel loss does those that split or merge: its control."""

    @torch.no_grad()
    def _search(self, input: Tensor, label: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, CriticalCounts]:
        truth = torch.as_tensor(affinities(label[:, 0], self.edges))
        joined = input > self.threshold
        splits, merges = truth & ~joined & counts, joined & ~truth & counts
        splits[:, self.n_joining :] = merges[:, self.n_joining :] = False
        number = splits.flatten(1).sum(dim=1, keepdim=True), merges.flatten(1).sum(dim=1, keepdim=True)
        return splits, merges, CriticalCounts(*number)
