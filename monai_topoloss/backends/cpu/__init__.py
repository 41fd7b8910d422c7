"""Computes on the CPU, on NumPy views of the tensors; tensors of other devices are copied there and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss.backends.cpu import skeleton
from monai_topoloss.backends.cpu.threads import for_each

__all__ = ["BACKEND", "CpuBackend"]


class CpuBackend:
    """Implements `monai_topoloss.backends.Backend` with NumPy and numba kernels."""

    def skeletonize(self, mask: Tensor, *, method: str) -> Tensor:
        """See `Backend.skeletonize`."""
        return _map_items(lambda item: skeleton.skeletonize(item, method), mask)

    def tubed_skeleton(self, label: Tensor, *, radius: int, per_class: bool, method: str) -> Tensor:
        """See `Backend.tubed_skeleton`."""
        return _map_items(
            lambda item: skeleton.tubed_skeleton(item, radius=radius, per_class=per_class, method=method),
            label,
        )


BACKEND = CpuBackend()


def _map_items(function: Callable[[NDArray[Any]], NDArray[Any]], batch: Tensor) -> Tensor:
    """Apply ``function`` to each item of a batch; results keep dtype and shape."""
    items = np.ascontiguousarray(batch.cpu().numpy())
    result = np.empty_like(items)

    def compute(index: int) -> None:
        result[index] = function(items[index]) if items[index].size else items[index]

    for_each(compute, range(len(items)))
    return torch.from_numpy(result).to(batch.device)
