"""Reading a few voxels out of a large prediction, cheaply in memory."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def gather_voxels(input: Tensor, index: Tensor) -> Tensor:
    """Take the channels of some voxels, differentiably.

    Unlike ``input[...]`` with tensors as indices, whose gradient accumulates and therefore sorts, this relies on the
    indices being unique: the gradient is one zero tensor of the size of ``input`` and one plain scatter into it. For
    the backward pass only the indices are kept.

    Args:
        input: ``(B, C, *spatial)``.
        index: unique positions in the flattened ``(B, *spatial)``, int64 ``(N,)``.

    Returns:
        The values, ``(N, C)``.
    """
    values: Tensor = _GatherVoxels.apply(input, index)  # type: ignore[no-untyped-call]
    return values


class _GatherVoxels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.shape, ctx.options = input.shape, {"dtype": input.dtype, "device": input.device}
        ctx.memory_format = torch.contiguous_format
        channels_last = torch.channels_last if input.ndim == 4 else torch.channels_last_3d
        if input.is_contiguous(memory_format=channels_last) and not input.is_contiguous():
            ctx.memory_format = channels_last
        rows = _rows(input)
        return input.flatten(2)[_positions(index, input)] if rows is None else rows[index]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        grad = torch.empty(ctx.shape, memory_format=ctx.memory_format, **ctx.options).zero_()
        rows = _rows(grad)
        if rows is None:
            grad.flatten(2)[_positions(index, grad)] = grad_outputs[0]  # a view, as grad is contiguous
        else:
            rows[index] = grad_outputs[0]
        return grad, None


def _rows(input: Tensor) -> Tensor | None:
    """Return a view with a row of channels for each voxel, if the memory allows it."""
    channels_last = input.movedim(1, -1)
    if channels_last.is_contiguous():
        return channels_last.view(-1, input.shape[1])
    return None


def _positions(index: Tensor, input: Tensor) -> tuple[Tensor | slice, ...]:
    """Index for all channels of some voxels of ``input.flatten(2)``; one integer division, as they are slow."""
    size = math.prod(input.shape[2:])
    batch = index // size
    return batch, slice(None), index - batch * size
