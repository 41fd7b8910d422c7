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
    return gather_beside(input, index)[1]


def gather_beside(input: Tensor, index: Tensor, *, in_place: bool = False) -> tuple[Tensor, Tensor]:
    """Take the channels of some voxels, and return ``input`` for what else is computed from it.

    Where the rest of a loss goes on with the tensor that is returned, its gradient comes through here, and that of the
    voxels is added to it. Otherwise there would be a second gradient of the size of ``input``, mostly zeros, to make
    and to add, which for many classes costs more than all that is done at a few voxels.

    Args:
        input: ``(B, C, *spatial)``.
        index: unique positions in the flattened ``(B, *spatial)``, int64 ``(N,)``.
        in_place: add to the gradient that comes, not to a copy. For operations only that hand it to nobody else: those
            of activations and of cross entropy make a new one, but an addition hands the same to both its terms.

    Returns:
        ``input``, as a view, and the values, ``(N, C)``.
    """
    whole, values = _GatherVoxels.apply(input, index, in_place)  # type: ignore[no-untyped-call]
    return whole, values


class _GatherVoxels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, index: Tensor, in_place: bool) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(index)
        ctx.in_place = in_place
        ctx.set_materialize_grads(False)
        ctx.shape, ctx.options = input.shape, {"dtype": input.dtype, "device": input.device}
        ctx.memory_format = torch.contiguous_format
        channels_last = torch.channels_last if input.ndim == 4 else torch.channels_last_3d
        if input.is_contiguous(memory_format=channels_last) and not input.is_contiguous():
            ctx.memory_format = channels_last
        rows = _rows(input)
        values = input.flatten(2)[_positions(index, input)] if rows is None else rows[index]
        return input.view_as(input), values

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor | None, None, None]:
        (index,) = ctx.saved_tensors
        whole, values = grad_outputs
        if values is None:
            return whole, None, None
        if whole is None:
            grad = torch.empty(ctx.shape, memory_format=ctx.memory_format, **ctx.options).zero_()
            _scatter(grad, index, values, accumulate=False)
        else:
            is_plain = whole.is_contiguous() or _rows(whole) is not None
            may_change = ctx.in_place and is_plain and not torch.is_grad_enabled()  # that is for second derivatives
            grad = whole if may_change else whole.clone(memory_format=torch.contiguous_format)
            _scatter(grad, index, values, accumulate=True)
        return grad, None, None


def _scatter(grad: Tensor, index: Tensor, values: Tensor, *, accumulate: bool) -> None:
    """Write values, or add them, at voxels of a gradient whose memory is contiguous, or so with channels last."""
    rows = _rows(grad)
    target = grad.flatten(2) if rows is None else rows  # views
    where = _positions(index, grad) if rows is None else index
    target[where] = target[where] + values if accumulate else values


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
