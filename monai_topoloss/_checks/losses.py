"""How losses are made: activation, smoothing, criterion and weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_topoloss._checks.options import check_finite_number, check_weight
from monai_topoloss._checks.tensors import check_dense


def check_activation(*, sigmoid: bool, softmax: bool, other_act: Callable[[Tensor], Tensor] | None) -> None:
    """Check that at most one activation is asked for."""
    if other_act is not None and not callable(other_act):
        raise TypeError(f"Expected `other_act` to be None or callable, got {type(other_act).__name__}.")
    if bool(sigmoid) + bool(softmax) + (other_act is not None) > 1:
        raise ValueError(
            "Expected at most one of `sigmoid`, `softmax` and `other_act`, got"
            f" sigmoid={sigmoid}, softmax={softmax}, other_act={other_act}."
        )


def check_activated(values: Any, logits: Tensor) -> None:
    """Check that an activation kept the shape."""
    if not isinstance(values, Tensor):
        raise TypeError(f"Expected `other_act` to return a tensor, got {type(values).__name__}.")
    if values.shape != logits.shape:
        raise ValueError(f"Expected `other_act` to keep the shape {tuple(logits.shape)}, got {tuple(values.shape)}.")


def check_include_background(include_background: bool | None, *, to_onehot_y: bool) -> None:
    """Check that the background counts only where it can have a skeleton."""
    if include_background and to_onehot_y:
        raise ValueError(
            "Expected `include_background` to be None or False with `to_onehot_y`, got True:"
            " a label map has no skeleton of the background."
        )


def check_smoothing(smooth_nr: Any, smooth_dr: Any) -> tuple[float, float]:
    """Return the smoothing constants, which keep a recall within [0, 1] and its denominator positive."""
    smooth_nr, smooth_dr = check_finite_number("smooth_nr", smooth_nr), check_finite_number("smooth_dr", smooth_dr)
    if not (smooth_dr > 0 and 0 <= smooth_nr <= smooth_dr):
        raise ValueError(
            "Expected 0 <= `smooth_nr` <= `smooth_dr` and `smooth_dr` > 0, got"
            f" smooth_nr={smooth_nr}, smooth_dr={smooth_dr}."
        )
    return smooth_nr, smooth_dr


def check_thresholds(thresholds: Any) -> tuple[float, ...]:
    """Return thresholds of probabilities as a tuple: of some, as many as a byte has bits."""
    numbers = thresholds.tolist() if isinstance(thresholds, np.ndarray | Tensor) else thresholds
    if not isinstance(numbers, Sequence) or isinstance(numbers, str | bytes):
        raise TypeError(f"Expected `thresholds` to be a sequence of numbers, got {thresholds!r}.")
    checked = tuple(check_finite_number("thresholds", number) for number in numbers)
    if not 1 <= len(checked) <= 8 or not all(0 < number < 1 for number in checked):
        raise ValueError(f"Expected `thresholds` to be one to eight numbers between 0 and 1, got {thresholds!r}.")
    return checked


def check_per_class(per_class: bool, *, softmax: bool, include_background: bool | None) -> None:
    """Check that what is predicted of all classes together is known, and that the background is none of them."""
    if not per_class and (not softmax or include_background):
        raise ValueError(
            "Expected `per_class=False` with `softmax=True` and without the background, got"
            f" softmax={softmax}, include_background={include_background}."
        )


def check_weight_per_class(weight: Any, *, per_class: bool) -> None:
    """Check that there are no weights of classes that are summed together."""
    if weight is not None and not per_class:
        raise ValueError("Expected `per_class=True` with `weight`, got False: classes are summed together.")


def check_criterion(criterion: Any) -> None:
    """Check that a criterion can be called, and does not reduce over voxels as far as it says."""
    if criterion is None:
        return
    if not callable(criterion):
        raise TypeError(f"Expected `criterion` to be None or callable, got {type(criterion).__name__}.")
    reduction = getattr(criterion, "reduction", "none")
    if reduction != "none":
        raise ValueError(f"Expected `criterion` with reduction='none', got {reduction!r}: its loss map is weighed.")


def check_loss_map(values: Any, shape: Sequence[int], *, any_channels: bool) -> None:
    """Check that a criterion returned a loss for each voxel: ``shape``, with 1, no, or any number of channels."""
    batch, channels, *spatial = shape
    without = f" or {(batch, *spatial)}" if any_channels or channels == 1 else ""
    expected = (
        f"Expected `criterion` to return a loss for each voxel, {tuple(shape)}{without}, as with reduction='none', got"
    )
    if not isinstance(values, Tensor) or not values.is_floating_point():
        raise TypeError(f"{expected} {values.dtype if isinstance(values, Tensor) else type(values).__name__}.")
    got = tuple(values.shape)
    is_map = len(got) == len(shape) and got[0] == batch and list(got[2:]) == spatial
    if got == (batch, *spatial) and (any_channels or channels == 1):
        return
    if not (is_map and (any_channels or got[1] == channels)):
        raise ValueError(f"{expected} {got}.")


def check_counting_loss(loss: Any) -> None:
    """Check that a loss keeps how many splits and merges it found."""
    if not hasattr(loss, "last_counts"):
        raise TypeError(
            f"Expected `loss` to be a SupervoxelLoss or SupervoxelAffinityLoss, got {type(loss).__name__}; of a loss"
            " within another, hand over the inner one."
        )


def check_module(name: str, loss: Any) -> None:
    """Check that a loss is a module."""
    if not isinstance(loss, torch.nn.Module):
        raise TypeError(f"Expected `{name}` to be a torch.nn.Module, got {type(loss).__name__}.")


def check_losses(losses: Any, weights: Any) -> tuple[float, ...]:
    """Check that losses are modules, at least one, with a weight for each; return the weights, by default 1."""
    if not isinstance(losses, Sequence | torch.nn.ModuleList):
        raise TypeError(f"Expected `losses` to be a sequence of modules, got {type(losses).__name__}.")
    for loss in losses:
        if not isinstance(loss, torch.nn.Module):
            raise TypeError(f"Expected `losses` to be modules, got {type(loss).__name__}.")
    numbers = (1.0,) * len(losses) if weights is None else check_weights(weights)
    if not losses or len(losses) != len(numbers):
        raise ValueError(f"Expected at least one of `losses` and as many `weights`, got {len(losses)}, {len(numbers)}.")
    return numbers


def check_weights(weights: Any) -> tuple[float, ...]:
    """Return weights as a tuple."""
    numbers = weights.tolist() if isinstance(weights, np.ndarray | Tensor) else weights
    if not isinstance(numbers, Sequence) or isinstance(numbers, bytes):
        raise TypeError(f"Expected `weights` to be a sequence of numbers, got {weights!r}.")
    return tuple(check_weight("weights", weight) for weight in numbers)


def check_class_weight(weight: Any, *, one_for_all: bool) -> Tensor | None:
    """Return class weights, which are no less than 0, as a tensor: one for each class, or one for all."""
    if weight is None:
        return None
    expected = "one number, or " if one_for_all else ""
    if isinstance(weight, list | tuple):  # PyTorch warns of arrays within
        weight = [number.tolist() if isinstance(number, np.ndarray) else number for number in weight]
    try:
        tensor: Tensor = torch.as_tensor(weight)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(f"Expected `weight` to be {expected}a sequence of numbers, got {weight!r}.") from error
    check_dense("weight", tensor)
    tensor = tensor.to(torch.float)
    if tensor.ndim != 1 and not (one_for_all and tensor.ndim == 0):
        raise ValueError(f"Expected `weight` to be {expected}a sequence of numbers, got shape {tuple(tensor.shape)}.")
    if not ((tensor >= 0) & tensor.isfinite()).all():
        raise ValueError(f"Expected `weight` to be finite and at least 0, got {tensor.tolist()}.")
    return tensor


def check_number_of_weights(weight: Tensor, num_classes: int) -> None:
    """Check that there is a weight for each class that counts, or one for all."""
    if weight.ndim and len(weight) != num_classes:
        raise ValueError(f"Expected `weight` to have {num_classes} numbers, one for each class, got {len(weight)}.")
