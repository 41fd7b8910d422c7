"""What the losses share: types, activations, what labels mean, sums over samples and processes, reductions."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
from monai.networks import one_hot
from monai.utils import LossReduction
from torch import Tensor

from monai_topoloss._checks.losses import check_activated
from monai_topoloss._labels import has_id

Activation = Callable[[Tensor], Tensor]
Target = Tensor | tuple[Tensor, Tensor] | list[Tensor]


def at_least_float32(values: Tensor) -> Tensor:
    """Half types lose or overflow a sum over an image."""
    return values if values.dtype == torch.float64 else values.float()


def as_float(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a mask of bool as 0 and 1; PyTorch converts bytes three times faster than bool."""
    return mask.view(torch.uint8).to(dtype)


def to_probabilities(values: Tensor, *, sigmoid: bool, softmax: bool, other_act: Activation | None) -> Tensor:
    """Apply the activation that is asked for, if any, along dimension 1; in float32 at least.

    Args:
        values: logits of some voxels ``(N, C)``, or of all ``(B, C, *spatial)``.
        sigmoid: the channels are independent.
        softmax: the channels exclude each other.
        other_act: another activation.

    Raises:
        ValueError: if ``other_act`` changes the shape.
    """
    values = at_least_float32(values)
    if sigmoid:
        return values.sigmoid()
    if softmax:
        if values.ndim == 2:  # several times as fast on the CPU as over rows of a few numbers
            return values.t().softmax(dim=0).t()
        return values.softmax(dim=1)
    if other_act is None:
        return values
    activated = other_act(values)
    check_activated(activated, values)
    return activated


def valid_voxels(label: Tensor, ignore_index: int | None) -> Tensor | None:
    """Return where a label counts, bool of its shape; None where all of it does."""
    return None if ignore_index is None else ~has_id(label, ignore_index)


def as_channels(label: Tensor, channels: int, *, to_onehot_y: bool, dtype: torch.dtype) -> Tensor:
    """Return a label, class ids in one channel or a channel for each class, with a channel for each class."""
    if to_onehot_y:
        onehot: Tensor = one_hot(label, num_classes=channels, dtype=dtype)
        return onehot
    return label.to(dtype)


def class_masks(label: Tensor, channels: int, first: int = 0) -> Tensor:
    """Return where each class from ``first`` on is, bool ``(B, classes, ...)``.

    Args:
        label: class ids ``(B, 1, ...)``, or a channel of 0 and 1 for each class ``(B, C, ...)``, also of one.
        channels: how many there are of classes, C.
        first: the first class that counts.
    """
    if label.shape[1] == channels:
        return label[:, first:] != 0
    return label == torch.arange(first, channels, device=label.device).reshape(-1, *[1] * (label.ndim - 2))


def sum_samples(values: Tensor, per_sample: list[int], *, batch: bool) -> Tensor:
    """Sum values of voxels, in the order of the samples that they are of.

    Args:
        values: ``(K, N, classes)``.
        per_sample: how many of the N each sample has.
        batch: sum over all samples, of all processes if there are several.

    Returns:
        ``(K, B, classes)``, where B is 1 with ``batch``.
    """
    if batch:
        return sum_over_ranks(values.sum(dim=1, keepdim=True))
    samples = [sample.sum(dim=1) for sample in values.split(per_sample, dim=1)]
    return torch.stack(samples, dim=1) if samples else values


def sum_over_ranks(local: Tensor) -> Tensor:
    """Sum over all processes in training; the gradient fits DistributedDataParallel, which averages over processes.

    There is no collective in the backward pass, and none at all without gradients, so that one process may validate
    alone.
    """
    if not (local.requires_grad and dist.is_available() and dist.is_initialized()):
        return local
    total = local.detach().clone()
    dist.all_reduce(total)
    return total + dist.get_world_size() * (local - local.detach())


def reduce_classes(loss: Tensor, reduction: str, spatial_dims: int) -> Tensor:
    """Reduce (B, classes) as MONAI does; ``"none"`` keeps a shape that broadcasts with the input."""
    if reduction == LossReduction.MEAN:
        return loss.mean() if loss.numel() else loss.sum()
    if reduction == LossReduction.SUM:
        return loss.sum()
    return loss.reshape(*loss.shape, *[1] * spatial_dims)


def reduce_map(loss: Tensor, valid: Tensor | None, reduction: str) -> Tensor:
    """Reduce a map (B, C, *spatial) over its valid voxels, ``valid`` broadcasting to it; ``"none"`` keeps the map."""
    if valid is not None:
        loss = loss.masked_fill(~valid, 0)  # not a product: a criterion may have made NaN of what was put there
    if reduction == LossReduction.NONE:
        return loss
    total = loss.sum()
    if reduction == LossReduction.SUM:
        return total
    if valid is None:
        return total / max(loss.numel(), 1)
    return total / valid.expand_as(loss).sum().clamp(min=1)
