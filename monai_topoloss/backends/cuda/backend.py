"""Computes on the GPU, on PyTorch's memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.sizes import check_size
from monai_topoloss.backends.base import Critical, PartitionErrors
from monai_topoloss.backends.cuda import affinities, betti, components, critical, partitions, skeleton
from monai_topoloss.backends.cuda.launch import current_stream, device_for
from monai_topoloss.backends.cuda.volumes import as_volumes

__all__ = ["BACKEND", "CudaBackend"]

R = TypeVar("R")


def _on_gpu(method: Callable[..., R]) -> Callable[..., R]:
    """Let a method compute on the tensors' device; tensors of the host are taken to the GPU, and the results back."""

    @functools.wraps(method)
    def compute(self: CudaBackend, *tensors: Tensor, **options: Any) -> R:
        home, device = tensors[0].device, device_for(tensors[0])
        with current_stream(device):
            result = method(self, *(tensor.to(device) for tensor in tensors), **options)
        return result if device == home else cast(R, _move(result, home))

    return compute


def _move(result: Any, device: torch.device) -> Any:
    if isinstance(result, Tensor):
        return result.to(device)
    parts = [part.to(device) for part in result]
    return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)


class CudaBackend:
    """Implements `monai_topoloss.backends.Backend` with CUDA kernels."""

    @_on_gpu
    def skeletonize(self, mask: Tensor, *, method: str) -> Tensor:
        """See `Backend.skeletonize`."""
        check_size("mask", mask.shape, border=1)
        return skeleton.skeletonize(as_volumes(mask), method=method, ndim=mask.ndim - 1).view(mask.shape)

    @_on_gpu
    def tubed_skeleton(self, label: Tensor, *, ball: NDArray[np.int64], per_class: bool, method: str) -> Tensor:
        """See `Backend.tubed_skeleton`."""
        check_size("label", label.shape, border=1)
        tubes = skeleton.tubed_skeleton(
            as_volumes(label), ball=ball, per_class=per_class, method=method, ndim=label.ndim - 1
        )
        return tubes.view(label.shape)

    @_on_gpu
    def dilate(self, mask: Tensor, *, ball: NDArray[np.int64]) -> Tensor:
        """See `Backend.dilate`."""
        check_size("mask", mask.shape, border=1)
        return skeleton.dilate(as_volumes(mask), ball=ball).view(mask.shape)

    @_on_gpu
    def label_components(
        self,
        image: Tensor,
        *,
        connectivity: int,
        highest: int | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """See `Backend.label_components`."""
        check_size("image", image.shape)
        labels, counts = components.label_components(as_volumes(image), connectivity)
        return labels.view(image.shape), counts

    @_on_gpu
    def label_affinities(self, affinity: Tensor, *, edges: Sequence[Sequence[int]]) -> Tensor:
        """See `Backend.label_affinities`."""
        check_size("affinity", affinity[:, 0].shape)
        volumes = affinity if affinity.ndim == 5 else affinity.unsqueeze(2)
        labels = affinities.label_affinities(volumes, affinities.as_steps(edges))
        return labels.view(len(affinity), *affinity.shape[2:])

    @_on_gpu
    def critical_affinities(
        self, input: Tensor, target: Tensor, *, edges: Sequence[Sequence[int]], tolerance: int
    ) -> Critical:
        """See `Backend.critical_affinities`."""
        check_size("target", target.shape)
        volumes = input if input.ndim == 5 else input.unsqueeze(2)
        found = affinities.critical_affinities(volumes, as_volumes(target), affinities.as_steps(edges), tolerance)
        return found._replace(splits=found.splits.view(input.shape), merges=found.merges.view(input.shape))

    @_on_gpu
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
        check_size("input", input.shape)
        found = critical.critical_components(
            as_volumes(input),
            as_volumes(target),
            classes=num_classes,
            object_connectivity=object_connectivity,
            mistake_connectivity=mistake_connectivity,
        )
        return found._replace(splits=found.splits.view(input.shape), merges=found.merges.view(input.shape))

    @_on_gpu
    def betti_numbers(self, mask: Tensor, *, connectivity: int) -> Tensor:
        """See `Backend.betti_numbers`."""
        check_size("mask", mask.shape, border=int(mask.ndim == 4))  # that of cavities
        return betti.betti_numbers(as_volumes(mask), connectivity, mask.ndim - 1)

    @_on_gpu
    def euler_number(self, mask: Tensor, *, connectivity: int) -> Tensor:
        """See `Backend.euler_number`."""
        return betti.euler_number(as_volumes(mask), connectivity)

    @_on_gpu
    def compare_partitions(self, input: Tensor, target: Tensor, *, foreground_only: bool) -> PartitionErrors:
        """See `Backend.compare_partitions`."""
        check_size("y_pred", input[:1].shape)  # one after the other, and sorted
        errors = torch.zeros(len(input), 5, dtype=torch.float64, device=input.device)
        for index, pair in enumerate(zip(input, target, strict=True)):
            errors[index] = partitions.compare_partitions(*pair, foreground_only=foreground_only)
        return PartitionErrors(*errors.unbind(1))


BACKEND = CudaBackend()
