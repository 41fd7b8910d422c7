"""Computes on the CPU, on NumPy views of the tensors; tensors of other devices are copied there and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from monai_topoloss.backends.cpu import skeleton
from monai_topoloss.backends.cpu.threads import for_each

__all__ = ["BACKEND", "CpuBackend"]


class CpuBackend:
    """Implements `monai_topoloss.backends.Backend` with NumPy and numba kernels."""

    def skeletonize(self, mask: Tensor, *, method: str) -> Tensor:
        """See `Backend.skeletonize`."""
        return _map_items(partial(skeleton.skeletonize, method=method), mask)

    def tubed_skeleton(self, label: Tensor, *, radius: int, per_class: bool, method: str) -> Tensor:
        """See `Backend.tubed_skeleton`."""
        function = partial(skeleton.tubed_skeleton, radius=radius, per_class=per_class, method=method)
        return _map_items(function, label)


BACKEND = CpuBackend()


def _map_items(function: Callable[..., None], batch: Tensor) -> Tensor:
    """Let ``function`` write its result for each item of a batch into zeros of the item's shape and dtype."""
    items = np.ascontiguousarray(batch.numpy(force=True))
    # Zeros from NumPy cost nothing where they are not written to, and skeletons are sparse.
    result = np.zeros(items.shape, items.dtype)
    if items.size:
        for_each(lambda index: function(items[index], result[index]), range(len(items)))
    tensor = torch.from_numpy(result)
    return tensor if batch.is_cpu else tensor.to(batch.device)
