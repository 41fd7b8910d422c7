"""Hands images, labels and precomputed skeletons to MONAI's `SupervisedTrainer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines import PrepareBatch
from monai.utils.enums import CommonKeys
from torch import Tensor

from monai_topoloss.transforms.dictionary import SKELETON_PREFIX

__all__ = ["PrepareBatchSkeleton"]


class PrepareBatchSkeleton(PrepareBatch):
    """Prepare ``(image, (label, skeleton))`` from a batch, for a loss that takes such a pair as its target.

    Use it as ``prepare_batch`` of a `monai.engines.SupervisedTrainer` together with the handler
    `monai_topoloss.handlers.RestoreLabel`, which puts the plain label back for postprocessing and metrics.

    Args:
        skeleton_key: key of the skeleton that `TubedSkeletonized` made.

    Example:
        >>> import torch
        >>> batch = {name: torch.ones(2, 1, 8, 8) for name in ("image", "label", "skeleton_label")}
        >>> image, (label, skeleton) = PrepareBatchSkeleton()(batch)
        >>> skeleton.shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(self, skeleton_key: str = f"{SKELETON_PREFIX}{CommonKeys.LABEL}") -> None:
        self.skeleton_key = skeleton_key

    def __call__(
        self,
        batchdata: Mapping[str, Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Move image, label and skeleton to the device.

        Args:
            batchdata: a batch with the keys ``"image"``, ``"label"`` and ``skeleton_key``.
            device: to move to.
            non_blocking: see `torch.Tensor.to`.
            kwargs: more arguments of `torch.Tensor.to`.

        Raises:
            KeyError: if a key is missing.
        """
        for key in (CommonKeys.IMAGE, CommonKeys.LABEL, self.skeleton_key):
            if key not in batchdata:
                hint = "; `TubedSkeletonized` makes it" if key == self.skeleton_key else ""
                raise KeyError(f"Expected the batch to have {str(key)!r}, got {sorted(map(str, batchdata))}{hint}.")
        image, label, skeleton = (
            batchdata[key].to(device=device, non_blocking=non_blocking, **kwargs)
            for key in (CommonKeys.IMAGE, CommonKeys.LABEL, self.skeleton_key)
        )
        return image, (label, skeleton)
