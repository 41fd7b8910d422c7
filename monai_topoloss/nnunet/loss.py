"""nnU-Net's losses with terms of ours; the target's further channels are the skeleton."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monai_topoloss.losses import SupervoxelLoss

__all__ = ["IGNORED", "ExtendedLoss"]

IGNORED = 255  # in targets of regions, where nnU-Net has a channel of what is ignored


class ExtendedLoss(nn.Module):
    """A loss of nnU-Net, and further ones added.

    Args:
        loss: of nnU-Net, which gets the plain target.
        recall: gets the pair of label and skeleton; None if there is none, and then no skeleton in the target.
        supervoxel: gets the label.
        inventions: gets the label; minds what is invented. None if there is no such loss.
        recall_weight: of the recall.
        regions: how many channels of regions there are; 0 for a map of class ids.
        num_plain: how many channels nnU-Net's own target has.
        num_skeletons: how many of the target's last channels are the skeleton.
    """

    def __init__(
        self,
        loss: nn.Module,
        *,
        recall: nn.Module | None,
        supervoxel: SupervoxelLoss | None,
        inventions: nn.Module | None = None,
        recall_weight: float,
        regions: int,
        num_plain: int,
        num_skeletons: int,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.recall = recall
        self.supervoxel = supervoxel
        self.inventions = inventions
        self.recall_weight = recall_weight
        self.regions = regions
        self.num_plain = num_plain
        self.num_skeletons = num_skeletons

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the sum of the terms.

        Raises:
            ValueError: if the target has not the channels that the loss was built for.
        """
        plain, skeleton = self.split(target)
        label = plain
        if self.regions:
            label = plain[:, : self.regions].to(torch.uint8)
            if plain.shape[1] > self.regions:
                label = label.masked_fill(plain[:, self.regions :] != 0, IGNORED)
        total: Tensor = self.loss(input, plain)
        if self.recall is not None and self.recall_weight:
            total = total + self.recall_weight * self.recall(input, (label, skeleton))
        if self.inventions is not None:
            total = total + self.inventions(input, label)
        if self.supervoxel is not None and self.supervoxel.alpha and total.isfinite():  # or else the step is skipped
            total = total + self.supervoxel(input, label)
        return total

    def split(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return nnU-Net's target and the skeleton."""
        if target.shape[1] != self.num_plain + self.num_skeletons:
            raise ValueError(
                f"Expected {self.num_plain} channels of segmentation and {self.num_skeletons} of skeletons, got"
                f" {target.shape[1]} in all. The trainer's transforms and its loss have to agree: set its attributes in"
                " the class, and put TopologyTrainerMixin before a class that has transforms of its own."
            )
        return target[:, : self.num_plain], target[:, self.num_plain :]
