"""What losses have in common that read probabilities at the voxels of skeletons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.losses import check_include_background, check_smoothing
from monai_topoloss._checks.options import check_option, check_radius
from monai_topoloss._checks.targets import check_skeleton_in_label
from monai_topoloss._labels import drop_ignored
from monai_topoloss.backends import BACKENDS
from monai_topoloss.losses._classes import ClassLoss
from monai_topoloss.losses._common import class_masks
from monai_topoloss.losses._gather import gather_voxels
from monai_topoloss.topology import tubed_skeleton

SMOOTH = 1e-5  # as published


class SkeletonLoss(ClassLoss):
    """Options and steps of a loss of skeletons; see `SkeletonRecallLoss` for the arguments."""

    def __init__(
        self,
        *,
        include_background: bool | None,
        to_onehot_y: bool,
        radius: float,
        spacing: float | Sequence[float] | None,
        smooth_nr: float,
        smooth_dr: float,
        backend: str,
        **options: Any,
    ) -> None:
        super().__init__(include_background=include_background, to_onehot_y=to_onehot_y, **options)
        check_include_background(include_background, to_onehot_y=to_onehot_y)
        check_radius(radius, spacing)
        check_option("backend", backend, BACKENDS)
        self.radius, self.spacing = radius, spacing
        self.smooth_nr, self.smooth_dr = check_smoothing(smooth_nr, smooth_dr)
        self.backend = backend

    def tubed_skeleton(self, label: Tensor, channels: int) -> Tensor:
        """Make the skeleton of a label as the loss would, for an input of that many channels.

        Args:
            label: as `forward` takes it.
            channels: number of channels of the input.

        Returns:
            The tubed skeleton, of the shape and dtype of ``label``.
        """
        skip = 0 if self.to_onehot_y else self.first_class(channels)
        tubes = tubed_skeleton(
            label[:, skip:],
            radius=self.radius,
            spacing=self.spacing,
            ignore_index=self.ignore_index,
            spatial_dims=label.ndim - 2,
            backend=self.backend,
        )
        return F.pad(tubes, (0, 0) * (label.ndim - 2) + (skip, 0)) if skip else tubes


class Voxels(NamedTuple):
    """Skeleton voxels of a batch, in the order of the samples."""

    position: Tensor  # (N,), position in the flattened (B, *spatial)
    classes: Tensor  # (N, classes that count), bool: of which classes' skeletons it is
    per_sample: list[int]  # how many each sample has


def find_voxels(skeleton: Tensor, label: Tensor, channels: int, first: int, ignore_index: int | None) -> Voxels:
    """Find the skeleton voxels of the classes from ``first`` on, outside ignored ones.

    Args:
        skeleton: ``(B, 1, *spatial)`` of class ids, or ``(B, C, *spatial)`` of a channel for each class.
        label: likewise.
        channels: how many there are of classes, C.
        first: the first class that counts.
        ignore_index: a label of voxels that are no skeleton.

    Raises:
        ValueError: if the skeleton holds other ids than there are, or hardly lies in the label.
    """
    id_map = skeleton.shape[1] == 1 and channels > 1
    foreground = (skeleton if id_map else skeleton[:, first:]).ne(0).any(dim=1)
    index, per_sample = locate(foreground)
    values, true_values = gather_voxels(skeleton, index), gather_voxels(label, index)  # (N, 1 or C)
    values = drop_ignored(values, true_values, ignore_index)
    check_class_ids("skeleton", values, num_classes=channels if id_map else 2)
    classes = class_masks(values, channels) & (values != 0)
    check_skeleton_in_label((classes & class_masks(true_values, channels))[classes.any(dim=1)].any(dim=1))
    return Voxels(index, classes[:, first:], per_sample)


def locate(mask: Tensor) -> tuple[Tensor, list[int]]:
    """Return where a mask ``(B, *spatial)`` is, as ascending positions when flattened, and how many in each sample."""
    mask = mask.flatten(1)
    index = mask.flatten().nonzero()[:, 0]
    ends = torch.arange(1 + len(mask), device=index.device) * mask.shape[1]
    return index, torch.searchsorted(index, ends).diff().tolist()
