"""What losses are called with: predictions, labels, skeletons."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from monai_topoloss._checks.tensors import check_dense, check_has_values, check_same_device, check_tensor, plain

_LOGITS_HINT = "; for logits pass `sigmoid=True` or `softmax=True`"


def split_target(target: Any) -> tuple[Tensor, Tensor | None]:
    """Take a loss target apart: a label, or a pair (label, skeleton)."""
    parts = target if isinstance(target, tuple | list) else (target,)
    if len(parts) not in (1, 2) or not all(isinstance(part, Tensor) for part in parts):
        kinds = ", ".join(type(part).__name__ for part in parts)
        raise TypeError(
            f"Expected `target` to be a label tensor or a pair (label, skeleton) of tensors, got ({kinds})."
        )
    label, skeleton = (*parts, None)[:2]
    label = check_tensor("target", label, has_values=False)
    return label, None if skeleton is None else check_tensor("skeleton", skeleton, has_values=False)


def check_logits(input: Any) -> Tensor:
    """Check the rank and kind of ``(B, C, *spatial)`` predictions; gradients still flow through what is returned."""
    check_floating_point(input)
    if input.ndim not in (4, 5):
        raise ValueError(f"Expected `input` of shape (B, C, *spatial) in 2-D or 3-D, got {tuple(input.shape)}.")
    if not input.shape[1]:
        raise ValueError(f"Expected `input` with channels, got {tuple(input.shape)}.")
    return plain(input)


def check_floating_point(input: Any) -> Tensor:
    """Check the kind of predictions, of whatever shape."""
    if not isinstance(input, Tensor) or not input.is_floating_point():
        kind = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"Expected `input` to be a floating-point torch.Tensor, got {kind}.")
    check_dense("input", input)
    check_has_values("input", input)
    return input


def check_one_channel(input: Tensor, *, softmax: bool, to_onehot_y: bool, instead: str = "`sigmoid=True`") -> None:
    """Check that a one-channel ``input`` is not treated as several classes: its softmax would be constant."""
    if input.shape[1] == 1 and (softmax or to_onehot_y):
        option = "`softmax`" if softmax else "`to_onehot_y`"
        raise ValueError(
            f"Expected `input` with several channels for {option}, got {tuple(input.shape)};"
            f" one channel needs {instead}."
        )


def check_label(label: Tensor, input: Tensor, *, to_onehot_y: bool) -> None:
    """Check that a label matches ``input`` in shape and device: class ids, or a channel for each class."""
    check_same_device("target", label, input)
    channels = input.shape[1]
    expected = (input.shape[0], 1 if to_onehot_y else channels, *input.shape[2:])
    if tuple(label.shape) == expected:
        return
    hint = "."
    if to_onehot_y and label.ndim > 1 and label.shape[1] == channels:
        hint = "; it is one-hot already, so leave out `to_onehot_y=True`."
    elif not to_onehot_y and label.ndim > 1 and label.shape[1] == 1:
        hint = "; for a label map of class ids pass `to_onehot_y=True`."
    raise ValueError(
        f"Expected `target` of shape {expected} to match `input` {tuple(input.shape)}, got {tuple(label.shape)}{hint}"
    )


def check_one_hot_label(label: Tensor, valid: Tensor | None) -> None:
    """Check that each valid voxel of a label (B, C, *spatial) of 0 and 1 is of exactly one class."""
    is_one = label.ne(0).sum(dim=1, keepdim=True) == 1
    if not (is_one if valid is None else is_one | ~valid).all():
        raise ValueError(
            "Expected `target` to be one-hot, got voxels of no class or of several; classes that overlap go without"
            " `softmax`."
        )


def check_skeleton(skeleton: Tensor, input: Tensor, *, has_background: bool) -> None:
    """Check that a precomputed skeleton matches ``input`` in shape and device.

    A map of class ids does not do where channel 0 counts, unless it is the only one.
    """
    check_same_device("skeleton", skeleton, input)
    batch, channels, *spatial = input.shape
    if tuple(skeleton.shape) not in {(batch, 1, *spatial), (batch, channels, *spatial)}:
        raise ValueError(
            f"Expected `skeleton` of shape (B, 1 or C, *spatial) matching `input` {tuple(input.shape)},"
            f" got {tuple(skeleton.shape)}."
        )
    if channels > 1 and skeleton.shape[1] == 1 and not has_background:
        raise ValueError(
            f"Expected `skeleton` with {channels} channels, as channel 0 counts, got a map of class ids, in which 0 is"
            " background; pass `include_background=False` to leave channel 0 out."
        )


def check_skeleton_of_label(skeleton: Tensor, label: Tensor, channels: int) -> None:
    """Check that a skeleton has the size of its label, and one channel or that many."""
    check_same_device("skeleton", skeleton, label)
    batch, spatial = len(label), label.shape[2:]
    if tuple(skeleton.shape) not in {(batch, 1, *spatial), (batch, channels, *spatial)}:
        raise ValueError(
            f"Expected `skeleton` of the size of `target` {tuple(label.shape)}, got {tuple(skeleton.shape)}."
        )


_ALIGNED = 0.95  # share of a skeleton in its classes; resampled together with the label by nearest neighbours it is 1
_EVERY_TRANSFORM = "every random transform of the label has to get the skeleton's key too"
_has_warned: list[bool] = []  # of that, in this process


def check_skeleton_in_label(agreement: Tensor) -> None:
    """Check that voxels of a skeleton have their class in the label: a forgotten transform must not go unnoticed."""
    if not agreement.numel():
        return
    share = agreement.float().mean().item()
    if share < 0.5:
        raise ValueError(
            f"Expected `skeleton` to lie in the classes of `target`, got one that does at {share:.0%} of its voxels;"
            f" {_EVERY_TRANSFORM}."
        )
    if share < _ALIGNED and not _has_warned:
        _has_warned.append(True)
        warnings.warn(
            f"The skeleton lies in the classes of the label at {share:.0%} of its voxels only, where it should nearly"
            f" everywhere: {_EVERY_TRANSFORM}, and mode='nearest' where they are resampled. This is said once.",
            stacklevel=2,
        )


def check_outputs(input: Any, label: Tensor) -> Sequence[Tensor]:
    """Return the outputs of a network: those in a sequence, in a stack as DynUNet makes it, or a single one."""
    if label.ndim not in (4, 5):
        raise ValueError(f"Expected `target` of shape (B, 1 or C, *spatial) in 2-D or 3-D, got {tuple(label.shape)}.")
    if isinstance(input, Tensor):
        outputs: Sequence[Any] = input.unbind(1) if input.ndim == label.ndim + 1 else [input]
    else:
        outputs = input if isinstance(input, list | tuple) else []
    if not outputs:
        raise ValueError(f"Expected `input` to be a tensor or a sequence of at least one, got {type(input).__name__}.")
    for output in map(check_logits, outputs):
        if output.ndim != label.ndim or any(map(operator.gt, output.shape[2:], label.shape[2:])):
            raise ValueError(
                f"Expected each output no larger than `target` {tuple(label.shape)}, got {tuple(output.shape)}."
            )
        check_same_device("target", label, output)
        if len(label) != len(output) or label.shape[1] not in (1, output.shape[1]):
            raise ValueError(
                f"Expected `target` of shape (B, 1 or C, *spatial) to match `input` {tuple(output.shape)},"
                f" got {tuple(label.shape)}."
            )
        if 0 in output.shape[2:] and label.numel():
            raise ValueError(f"Expected each output of `input` to have voxels, got {tuple(output.shape)}.")
    return outputs


def check_probabilities(values: Tensor, *, from_other_act: bool = False, name: str = "input") -> None:
    """Check that probabilities lie in [0, 1] but for rounding; NaN is let through, to show in the loss."""
    if values.numel() == 0:
        return
    low, high = torch.stack(torch.aminmax(values)).tolist()
    if low < -1e-3 or high > 1 + 1e-3:
        if from_other_act:
            source, hint = "`other_act` to return", ""
        else:
            source, hint = f"`{name}` to hold", _LOGITS_HINT if name == "input" else ""
        raise ValueError(f"Expected {source} probabilities in [0, 1], got values from {low:.3g} to {high:.3g}{hint}.")
