"""Computes on the GPU, on PyTorch's memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_topoloss.backends.base import Critical, PartitionErrors
from monai_topoloss.backends.cuda import betti, components, critical, partitions, skeleton
from monai_topoloss.backends.cuda.launch import current_stream
from monai_topoloss.backends.cuda.volumes import as_volumes

__all__ = ["BACKEND", "CudaBackend"]


class CudaBackend:
    """Implements `monai_topoloss.backends.Backend` with CUDA kernels."""

    def skeletonize(self, mask: Tensor, *, method: str) -> Tensor:
        """See `Backend.skeletonize`."""
        with current_stream(mask):
            return skeleton.skeletonize(as_volumes(mask), method=method, ndim=mask.ndim - 1).view(mask.shape)

    def tubed_skeleton(self, label: Tensor, *, radius: int, per_class: bool, method: str) -> Tensor:
        """See `Backend.tubed_skeleton`."""
        with current_stream(label):
            tubes = skeleton.tubed_skeleton(
                as_volumes(label), radius=radius, per_class=per_class, method=method, ndim=label.ndim - 1
            )
            return tubes.view(label.shape)

    def label_components(self, image: Tensor, *, connectivity: int) -> tuple[Tensor, Tensor]:
        """See `Backend.label_components`."""
        with current_stream(image):
            labels, counts = components.label_components(as_volumes(image), connectivity)
            return labels.view(image.shape), counts

    def label_affinities(self, affinity: Tensor, *, edges: Sequence[Sequence[int]]) -> Tensor:
        """See `Backend.label_affinities`."""
        with current_stream(affinity):
            volumes = affinity if affinity.ndim == 5 else affinity.unsqueeze(2)
            return components.label_affinities(volumes, edges).view(len(affinity), *affinity.shape[2:])

    def critical_components(
        self,
        input: Tensor,
        target: Tensor,
        *,
        num_classes: int | None,
        object_connectivity: int,
        mistake_connectivity: int,
    ) -> Critical:
        """See `Backend.critical_components`."""
        with current_stream(input):
            found = critical.critical_components(
                as_volumes(input),
                as_volumes(target),
                classes=num_classes,
                object_connectivity=object_connectivity,
                mistake_connectivity=mistake_connectivity,
            )
            return found._replace(splits=found.splits.view(input.shape), merges=found.merges.view(input.shape))

    def betti_numbers(self, mask: Tensor, *, connectivity: int) -> Tensor:
        """See `Backend.betti_numbers`."""
        with current_stream(mask):
            return betti.betti_numbers(as_volumes(mask), connectivity, mask.ndim - 1)

    def euler_number(self, mask: Tensor, *, connectivity: int) -> Tensor:
        """See `Backend.euler_number`."""
        with current_stream(mask):
            return betti.euler_number(as_volumes(mask), connectivity)

    def compare_partitions(self, input: Tensor, target: Tensor, *, foreground_only: bool) -> PartitionErrors:
        """See `Backend.compare_partitions`."""
        with current_stream(input):
            errors = torch.zeros(len(input), 5, dtype=torch.float64, device=input.device)
            for index, pair in enumerate(zip(input, target, strict=True)):
                errors[index] = partitions.compare_partitions(*pair, foreground_only=foreground_only)
            return PartitionErrors(*errors.unbind(1))


BACKEND = CudaBackend()
