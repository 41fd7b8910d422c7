"""Skeleton precision, word for word as it is defined: dense, and obviously right."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def precision(
    probabilities: torch.Tensor,
    label: torch.Tensor,
    skeletons: Sequence[torch.Tensor],
    smooth_nr: float,
    smooth_dr: float,
) -> torch.Tensor:
    """Precision of each sample and class, (B, C), on average over skeletons; all are dense (B, C, *spatial)."""
    axes = tuple(range(2, probabilities.ndim))
    shares = []
    for skeleton in skeletons:
        on_skeleton = probabilities * skeleton.to(probabilities.dtype)
        in_label = on_skeleton * label.to(probabilities.dtype)
        shares.append((in_label.sum(axes) + smooth_nr) / (on_skeleton.sum(axes) + smooth_dr))
    return torch.stack(shares).mean(dim=0)
