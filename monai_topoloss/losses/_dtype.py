"""The types in which losses are computed."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Half types lose or overflow a sum over an image."""
    return values if values.dtype == torch.float64 else values.float()


def as_float(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a mask of bool as 0 and 1; PyTorch converts bytes three times faster than bool."""
    return mask.view(torch.uint8).to(dtype)
