"""Every check of an argument and its message, written once.

Messages name the argument, what was expected and what came. A wrong kind is a `TypeError`, a wrong value a
`ValueError`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import convert_to_dst_type
from torch import Tensor

from monai_topoloss._labels import has_id

# Types that PyTorch or NumPy compute with, for those that one of them only stores.
_COMPUTABLE = {
    torch.bfloat16: torch.float32,
    torch.uint16: torch.int32,
    torch.uint32: torch.int64,
    torch.uint64: torch.int64,
}


_HIGHEST_ID = 2**62  # above, types of 64 bits overflow


def check_tensor(name: str, value: Any) -> Tensor:
    """Return a real-valued tensor or array as a plain, detached tensor of a type that can be computed with."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        if not (value.flags.c_contiguous and value.dtype.isnative):
            value = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("="))
        # A flipped axis of length 1 has a negative step in an array that counts as contiguous.
        fits = value.flags.writeable and all(step >= 0 for step in value.strides)
        return _as_computable(torch.from_numpy(value if fits else value.copy()))
    if not isinstance(value, Tensor):
        kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"Expected `{name}` to be a torch.Tensor or a numpy.ndarray of real numbers, got {kind}.")
    if value.is_complex() or value.layout != torch.strided:
        raise TypeError(
            f"Expected `{name}` to be a dense tensor of real numbers, got {value.dtype} with layout {value.layout}."
        )
    return _as_computable(plain(value.detach() if value.requires_grad else value))


def _as_computable(tensor: Tensor) -> Tensor:
    return tensor.to(_COMPUTABLE[tensor.dtype]) if tensor.dtype in _COMPUTABLE else tensor


def plain(tensor: Tensor) -> Tensor:
    """Drop MONAI's metadata; gradients still flow."""
    return tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor


def like(tensor: Tensor, source: Any, *, same_dtype: bool = False, is_image: bool = True) -> Any:
    """Return a result in the kind of the argument that it was computed from; images get its metadata."""
    if isinstance(source, np.ndarray):
        array = tensor.numpy(force=True)
        return array.astype(source.dtype, copy=False) if same_dtype else array
    if same_dtype and tensor.dtype != source.dtype:
        tensor = tensor.to(source.dtype)
    if is_image and isinstance(source, MetaTensor):
        return convert_to_dst_type(tensor, source, dtype=tensor.dtype)[0]
    return tensor


def check_option(name: str, value: Any, options: Sequence[Any]) -> None:
    """Check that ``value`` is one of the ``options``."""
    if value not in options:
        raise ValueError(f"Expected `{name}` to be one of {', '.join(map(repr, options))}, got {value!r}.")


def check_int(name: str, value: Any, *, minimum: int | None = None) -> None:
    """Check that ``value`` is an int, and no less than ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"Expected `{name}` to be an int, got {type(value).__name__}.")
    if minimum is not None and value < minimum:
        raise ValueError(f"Expected `{name}` to be at least {minimum}, got {value}.")


def check_ignore_index(ignore_index: Any) -> None:
    """Check that ``ignore_index`` is None or an int other than the background's 0."""
    if ignore_index is None:
        return
    check_int("ignore_index", ignore_index)
    if ignore_index == 0:
        raise ValueError("Expected `ignore_index` to be another value than 0, which is the background, got 0.")


def check_spatial_dims(name: str, tensor: Tensor, spatial_dims: int | None) -> int:
    """Return the number of spatial axes of ``tensor``, its last ones; all of them where ``spatial_dims`` is None."""
    if spatial_dims is None:
        if tensor.ndim not in (2, 3):
            raise ValueError(
                f"Expected `{name}` to have 2 or 3 axes, got shape {tuple(tensor.shape)};"
                " for leading batch or channel axes pass `spatial_dims`."
            )
        return tensor.ndim
    check_int("spatial_dims", spatial_dims)
    check_option("spatial_dims", spatial_dims, (2, 3))
    if tensor.ndim < spatial_dims:
        raise ValueError(f"Expected `{name}` to have at least {spatial_dims} axes, got shape {tuple(tensor.shape)}.")
    return spatial_dims


def check_channel_first(name: str, image: Any) -> int:
    """Return the number of spatial axes of a ``(C, *spatial)`` tensor or array."""
    shape = image.shape if isinstance(image, Tensor | np.ndarray) else check_tensor(name, image).shape
    if len(shape) not in (3, 4):
        raise ValueError(f"Expected `{name}` of shape (C, *spatial) in 2-D or 3-D, got {tuple(shape)}.")
    return len(shape) - 1


def check_connectivity(name: str, connectivity: int | None, spatial_dims: int) -> int:
    """Return the connectivity: the one asked for, else that of all neighbours."""
    if connectivity is None:
        return spatial_dims
    check_int(name, connectivity)
    if not 1 <= connectivity <= spatial_dims:
        raise ValueError(f"Expected `{name}` from 1 to {spatial_dims}, the number of spatial axes, got {connectivity}.")
    return connectivity


METHODS = {2: ("zhang", "lee", "lee_skimage"), 3: ("lee", "lee_skimage")}  # of thinning, the default of the rank first


def check_method(method: str | None, spatial_dims: int | None = None) -> str:
    """Return the thinning method: the one asked for, else the default of the rank; without a rank, of any."""
    methods = METHODS[2 if spatial_dims is None else spatial_dims]
    if method is None:
        return methods[0]
    if method not in methods:
        rank = "" if spatial_dims is None else f" in {spatial_dims}-D"
        raise ValueError(f"Expected `method` to be one of {', '.join(map(repr, methods))}{rank}, got {method!r}.")
    return method


def check_finite(name: str, tensor: Tensor) -> None:
    """Check that a floating-point tensor holds neither NaN nor infinity."""
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise ValueError(f"Expected `{name}` to be finite, got NaN or infinity.")


def check_no_nan(name: str, tensor: Tensor) -> None:
    """Check that a floating-point tensor holds no NaN, which is on neither side of a threshold."""
    if tensor.numel() and tensor.amin().isnan():
        raise ValueError(f"Expected `{name}` to hold no NaN, got some.")


def check_class_ids(
    name: str, label: Tensor, *, num_classes: int | None = None, ignore_index: int | None = None
) -> int | None:
    """Check that ``label`` holds whole numbers, from 0 up to but not including ``num_classes``, or ``ignore_index``.

    Return the highest, or None if there was no need to look for it.
    """
    if label.numel() == 0 or label.dtype == torch.bool:
        return None
    if ignore_index is not None:
        label = label.masked_fill(has_id(label, ignore_index), 0)
    if label.is_floating_point() and label.frac().any():  # NaN for infinity, and then true
        hint = "labels need mode='nearest' when they are resampled (in a lazy Compose, by `overrides`)"
        if name in ("input", "img", "y_pred", "prediction"):
            hint = "a prediction has to be made discrete first, by a threshold or argmax"
        raise ValueError(f"Expected `{name}` to hold class ids, which are whole numbers, got others; {hint}.")
    if num_classes is None and label.dtype == torch.uint8:
        return None
    low, high = (int(x) for x in torch.stack(torch.aminmax(label)).tolist())
    if high > _HIGHEST_ID:
        raise ValueError(f"Expected `{name}` to hold class ids up to {_HIGHEST_ID}, got {high}.")
    if low < 0:
        raise ValueError(
            f"Expected `{name}` to hold no negative class ids, got {low}; to leave it out pass `ignore_index`."
        )
    if num_classes is not None and high >= num_classes:
        raise ValueError(
            f"Expected `{name}` to hold class ids below {num_classes}, the number of classes, got {high};"
            " to leave an id out pass `ignore_index`."
        )
    return high


def check_activation(*, sigmoid: bool, softmax: bool, other_act: Callable[[Tensor], Tensor] | None) -> None:
    """Check that at most one activation is asked for."""
    if other_act is not None and not callable(other_act):
        raise TypeError(f"Expected `other_act` to be None or callable, got {type(other_act).__name__}.")
    if bool(sigmoid) + bool(softmax) + (other_act is not None) > 1:
        raise ValueError(
            "Expected at most one of `sigmoid`, `softmax` and `other_act`, got"
            f" sigmoid={sigmoid}, softmax={softmax}, other_act={other_act}."
        )


def check_include_background(include_background: bool | None, *, to_onehot_y: bool) -> None:
    """Check that the background counts only where it can have a skeleton."""
    if include_background and to_onehot_y:
        raise ValueError(
            "Expected `include_background` to be None or False with `to_onehot_y`, got True:"
            " a label map has no skeleton of the background."
        )


def check_smoothing(smooth_nr: float, smooth_dr: float) -> None:
    """Check that the smoothing constants keep a recall within [0, 1] and its denominator positive."""
    if not (smooth_dr > 0 and 0 <= smooth_nr <= smooth_dr):
        raise ValueError(
            "Expected 0 <= `smooth_nr` <= `smooth_dr` and `smooth_dr` > 0, got"
            f" smooth_nr={smooth_nr}, smooth_dr={smooth_dr}."
        )


def check_weight(name: str, value: float) -> None:
    """Check that the weight of a term is not negative."""
    if not check_number(name, value) >= 0:
        raise ValueError(f"Expected `{name}` to be at least 0, got {value}.")


def check_number(name: str, value: Any) -> float:
    """Return a number as float."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"Expected `{name}` to be a number, got {type(value).__name__}.")
    return float(value)


def check_finite_number(name: str, value: Any) -> None:
    """Check that a number is neither NaN nor infinite."""
    if not math.isfinite(check_number(name, value)):
        raise ValueError(f"Expected `{name}` to be finite, got {value}.")


def check_share(name: str, value: Any) -> float:
    """Return a number from 0 to 1."""
    if not 0 <= check_number(name, value) <= 1:
        raise ValueError(f"Expected `{name}` from 0 to 1, got {value}.")
    return float(value)


def check_numbers(**values: Any) -> list[float | tuple[float, ...]]:
    """Return numbers as float, or sequences of them as tuples, all of the same length."""
    (first, model), *_ = values.items()
    checked: list[float | tuple[float, ...]] = []
    for name, value in values.items():
        if isinstance(value, Sequence) and not isinstance(value, str):
            checked.append(tuple(check_number(name, number) for number in value))
        else:
            checked.append(check_number(name, value))
        if isinstance(checked[-1], tuple) != isinstance(checked[0], tuple):
            raise TypeError(f"Expected `{name}` to hold as many numbers as `{first}`, got {value} for {model}.")
        if isinstance(checked[0], tuple) and isinstance(checked[-1], tuple) and len(checked[-1]) != len(checked[0]):
            raise ValueError(
                f"Expected `{name}` to hold as many numbers as `{first}`, {len(checked[0])}, got {len(checked[-1])}."
            )
    return checked


def check_attribute(owner: Any, name: str, *, like: float | tuple[float, ...] = 0.0) -> None:
    """Check that an object has a number of that name, or a tuple of as many numbers as ``like``."""
    value = getattr(owner, name, None)
    if isinstance(like, tuple):
        if not isinstance(value, tuple):
            raise TypeError(f"Expected `loss` to have a tuple of numbers `{name}`, got {type(owner).__name__} without.")
        if len(value) != len(like):
            raise ValueError(f"Expected {len(value)} numbers for `{name}` of `loss`, got {len(like)}.")
    elif isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"Expected `loss` to have a number `{name}`, got {type(owner).__name__} without.")


def check_criterion(criterion: Any) -> None:
    """Check that a criterion can be called, and does not reduce over voxels as far as it says."""
    if criterion is None:
        return
    if not callable(criterion):
        raise TypeError(f"Expected `criterion` to be None or callable, got {type(criterion).__name__}.")
    reduction = getattr(criterion, "reduction", "none")
    if reduction != "none":
        raise ValueError(f"Expected `criterion` with reduction='none', got {reduction!r}: its loss map is weighed.")


def check_postfixes(*postfixes: str) -> None:
    """Check that results do not get the same name."""
    if len(set(postfixes)) < len(postfixes):
        raise ValueError(f"Expected postfixes that differ, got {', '.join(map(repr, postfixes))}.")


def check_edges(edges: Any) -> list[tuple[int, ...]]:
    """Return edges, steps from a voxel to a neighbour, as tuples of 2 or 3 ints."""
    edges = edges.tolist() if isinstance(edges, np.ndarray | Tensor) else edges
    if not isinstance(edges, Iterable):
        raise TypeError(f"Expected `edges` to be a sequence of steps, got {type(edges).__name__}.")
    steps = [tuple(edge) if isinstance(edge, Sequence) else (edge,) for edge in edges]
    for edge in steps:
        for step in edge:
            check_int("edges", step)
    if not steps or {len(edge) for edge in steps} not in ({2}, {3}) or not all(map(any, steps)):
        raise ValueError(f"Expected `edges` to be steps of 2 or 3 numbers, not all 0, got {steps}.")
    if any(abs(step) >= 2**31 for edge in steps for step in edge):
        raise ValueError(f"Expected `edges` of steps below 2 ** 31, got {steps}.")
    return steps


def check_instances(label: Tensor, input: Tensor, edges: Sequence[Sequence[int]]) -> None:
    """Check that ``input`` has a channel for each edge, of its rank, and a label of instances matches it."""
    if input.shape[1] != len(edges) or input.ndim - 2 != len(edges[0]):
        raise ValueError(
            f"Expected `input` of shape (B, {len(edges)}, *spatial) in {len(edges[0])}-D, a channel for each edge,"
            f" got {tuple(input.shape)}."
        )
    check_same_device("target", label, input)
    expected = (input.shape[0], 1, *input.shape[2:])
    if tuple(label.shape) != expected:
        raise ValueError(f"Expected `target` of shape {expected}, got {tuple(label.shape)}.")


def check_losses(losses: Any, weights: Sequence[float]) -> None:
    """Check that losses are modules, at least one, with a weight for each."""
    if not isinstance(losses, Sequence | torch.nn.ModuleList):
        raise TypeError(f"Expected `losses` to be a sequence of modules, got {type(losses).__name__}.")
    for loss in losses:
        if not isinstance(loss, torch.nn.Module):
            raise TypeError(f"Expected `losses` to be modules, got {type(loss).__name__}.")
    if not losses or len(losses) != len(weights):
        raise ValueError(f"Expected at least one of `losses` and as many `weights`, got {len(losses)}, {len(weights)}.")
    for weight in weights:
        check_weight("weights", weight)


def check_loss_map(values: Any, shape: Sequence[int], *, any_channels: bool) -> None:
    """Check that a criterion returned a loss for each voxel: ``shape``, with 1, no, or any number of channels."""
    batch, channels, *spatial = shape
    expected = (
        f"Expected `criterion` to return a loss for each voxel, {tuple(shape)} or {(batch, *spatial)},"
        " as with reduction='none', got"
    )
    if not isinstance(values, Tensor) or not values.is_floating_point():
        raise TypeError(f"{expected} {values.dtype if isinstance(values, Tensor) else type(values).__name__}.")
    got = tuple(values.shape)
    is_map = len(got) == len(shape) and got[0] == batch and list(got[2:]) == spatial
    if got == (batch, *spatial) and (any_channels or channels == 1):
        return
    if not (is_map and (any_channels or got[1] == channels)):
        raise ValueError(f"{expected} {got}.")


def check_class_weight(weight: Any, *, one_for_all: bool) -> Tensor | None:
    """Return class weights, which are no less than 0, as a tensor: one for each class, or one for all."""
    if weight is None:
        return None
    tensor: Tensor = torch.as_tensor(weight, dtype=torch.float)
    if tensor.ndim != 1 and not (one_for_all and tensor.ndim == 0):
        expected = "one number, or " if one_for_all else ""
        raise ValueError(f"Expected `weight` to be {expected}a sequence of numbers, got shape {tuple(tensor.shape)}.")
    if not ((tensor >= 0) & tensor.isfinite()).all():
        raise ValueError(f"Expected `weight` to be finite and at least 0, got {tensor.tolist()}.")
    return tensor


def check_number_of_weights(weight: Tensor, num_classes: int) -> None:
    """Check that there is a weight for each class that counts, or one for all."""
    if weight.ndim and len(weight) != num_classes:
        raise ValueError(f"Expected `weight` to have {num_classes} numbers, one for each class, got {len(weight)}.")


def split_target(target: Any) -> tuple[Tensor, Tensor | None]:
    """Take a loss target apart: a label, or a pair (label, skeleton)."""
    parts = target if isinstance(target, tuple | list) else (target,)
    if len(parts) not in (1, 2) or not all(isinstance(part, Tensor) for part in parts):
        kinds = ", ".join(type(part).__name__ for part in parts)
        raise TypeError(
            f"Expected `target` to be a label tensor or a pair (label, skeleton) of tensors, got ({kinds})."
        )
    label, skeleton = (*parts, None)[:2]
    return check_tensor("target", label), None if skeleton is None else check_tensor("skeleton", skeleton)


def check_logits(input: Any) -> Tensor:
    """Check the rank and kind of ``(B, C, *spatial)`` predictions; gradients still flow through what is returned."""
    if not isinstance(input, Tensor) or not input.is_floating_point():
        kind = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"Expected `input` to be a floating-point torch.Tensor, got {kind}.")
    if input.ndim not in (4, 5):
        raise ValueError(f"Expected `input` of shape (B, C, *spatial) in 2-D or 3-D, got {tuple(input.shape)}.")
    return plain(input)


def check_one_channel(input: Tensor, *, softmax: bool, to_onehot_y: bool, instead: str = "`sigmoid=True`") -> None:
    """Check that a one-channel ``input`` is not treated as several classes: its softmax would be constant."""
    if input.shape[1] == 1 and (softmax or to_onehot_y):
        option = "`softmax`" if softmax else "`to_onehot_y`"
        raise ValueError(
            f"Expected `input` with several channels for {option}, got {tuple(input.shape)};"
            f" one channel needs {instead}."
        )


def check_same_device(name: str, tensor: Tensor, input: Tensor) -> None:
    """Check that ``tensor`` is on the device of ``input``."""
    if tensor.device != input.device:
        raise ValueError(f"Expected `{name}` on the device of `input`, {input.device}, got {tensor.device}.")


def check_same_shape(name: str, tensor: Any, other: Any, other_name: str = "input") -> None:
    """Check that a tensor or array has the shape of another."""
    if not isinstance(tensor, Tensor | np.ndarray):
        raise TypeError(f"Expected `{name}` to be a torch.Tensor or a numpy.ndarray, got {type(tensor).__name__}.")
    if tensor.shape != other.shape:
        got, expected = tuple(tensor.shape), tuple(other.shape)
        raise ValueError(f"Expected `{name}` of the shape of `{other_name}`, {expected}, got {got}.")


def check_one_map(name: str, image: Any, num_classes: int | None) -> None:
    """Check that ids of classes come in one channel."""
    if num_classes is not None and len(image) != 1:
        raise ValueError(f"Expected `{name}` with one channel of class ids for `num_classes`, got {len(image)}.")


def check_label(label: Tensor, input: Tensor, *, to_onehot_y: bool, option: str = "to_onehot_y") -> None:
    """Check that a label matches ``input`` in shape and device: class ids, or a channel for each class.

    ``option`` is the name of the argument that asks for class ids.
    """
    check_same_device("target", label, input)
    channels = input.shape[1]
    expected = (input.shape[0], 1 if to_onehot_y else channels, *input.shape[2:])
    if tuple(label.shape) == expected:
        return
    hint = "."
    if to_onehot_y and label.ndim > 1 and label.shape[1] == channels:
        leave_out = ", so leave out `to_onehot_y=True`" if option == "to_onehot_y" else ", and class ids are needed"
        hint = f"; it is one-hot already{leave_out}."
    elif not to_onehot_y and label.ndim > 1 and label.shape[1] == 1:
        hint = f"; for a label map of class ids pass `{option}=True`."
    raise ValueError(
        f"Expected `target` of shape {expected} to match `input` {tuple(input.shape)}, got {tuple(label.shape)}{hint}"
    )


def check_skeleton(skeleton: Tensor, input: Tensor) -> None:
    """Check that a precomputed skeleton matches ``input`` in shape and device."""
    check_same_device("skeleton", skeleton, input)
    batch, channels, *spatial = input.shape
    if tuple(skeleton.shape) not in {(batch, 1, *spatial), (batch, channels, *spatial)}:
        raise ValueError(
            f"Expected `skeleton` of shape (B, 1 or C, *spatial) matching `input` {tuple(input.shape)},"
            f" got {tuple(skeleton.shape)}."
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
    return outputs


def check_skeleton_of_label(skeleton: Tensor, label: Tensor) -> None:
    """Check that a skeleton has the size of its label."""
    if skeleton.ndim != label.ndim or skeleton.shape[2:] != label.shape[2:]:
        raise ValueError(
            f"Expected `skeleton` of the size of `target` {tuple(label.shape)}, got {tuple(skeleton.shape)}."
        )


def check_probabilities(values: Tensor, *, from_other_act: bool) -> None:
    """Check that probabilities lie in [0, 1] but for rounding; NaN is let through, to show in the loss."""
    if values.numel() == 0:
        return
    low, high = torch.stack(torch.aminmax(values)).tolist()
    if low < -1e-3 or high > 1 + 1e-3:
        source, hint = ("`other_act` to return", "") if from_other_act else ("`input` to hold", _LOGITS_HINT)
        raise ValueError(f"Expected {source} probabilities in [0, 1], got values from {low:.3g} to {high:.3g}{hint}.")


_LOGITS_HINT = "; for logits pass `sigmoid=True` or `softmax=True`"


def check_skeleton_in_label(agreement: Tensor) -> None:
    """Check that most voxels of a skeleton have their class in the label: a forgotten flip must not go unnoticed."""
    if agreement.numel() and (share := agreement.float().mean().item()) < 0.5:
        raise ValueError(
            f"Expected `skeleton` to lie in the classes of `target`, got one that does at {share:.0%} of its voxels;"
            " every random transform of the label has to get the skeleton's key too."
        )


def check_one_hot(name: str, tensor: Tensor) -> None:
    """Check the rank of ``(B, C, *spatial)`` segmentations."""
    if tensor.ndim not in (4, 5):
        raise ValueError(f"Expected `{name}` of shape (B, C, *spatial) in 2-D or 3-D, got {tuple(tensor.shape)}.")


def check_instance_maps(name: str, tensor: Tensor) -> None:
    """Check that maps of instances have one channel."""
    if tensor.shape[1] != 1:
        raise ValueError(
            f"Expected `{name}` of shape (B, 1, *spatial) for `instances=True`, got {tuple(tensor.shape)}."
        )


def check_channel(name: str, image: Any, channel: int) -> Tensor:
    """Return a channel of a ``(C, *spatial)`` image."""
    tensor = check_tensor(name, image)
    check_channel_first(name, tensor)
    if not -len(tensor) <= channel < len(tensor):
        raise ValueError(f"Expected `channel` of one of {len(tensor)} in `{name}`, got {channel}.")
    return tensor[channel]


def check_item(item: int, count: int) -> None:
    """Check that a batch has an item."""
    if not -count <= item < count:
        raise ValueError(f"Expected `item` of one of {count} in the batch, got {item}.")


def check_slice(shape: Sequence[int], axis: Any, index: Any) -> None:
    """Check along which axis a volume is looked at, and which slice, which may count from the end."""
    check_int("axis", axis)
    if len(shape) == 2:
        if index is not None:
            raise ValueError(f"Expected `index` for volumes only, got {index} for an image of shape {tuple(shape)}.")
        return
    if not -3 <= axis < 3:
        raise ValueError(f"Expected `axis` from -3 to 2, got {axis}.")
    if index is not None:
        check_int("index", index)
        if not -shape[axis] <= index < shape[axis]:
            raise ValueError(f"Expected `index` of one of {shape[axis]} slices, got {index}.")


def check_image_of(image: Tensor, shape: tuple[int, ...]) -> None:
    """Check that an image has the shape of its segmentation, or channels in front of that."""
    channels = image.shape[: image.ndim - len(shape)]
    if tuple(image.shape[len(channels) :]) != shape or len(channels) > 1 or 0 in channels:
        raise ValueError(f"Expected `image` of shape {shape}, or with channels in front, got {tuple(image.shape)}.")


def check_destinations(**destinations: Any) -> None:
    """Check that there is something to write to."""
    if all(destination is None for destination in destinations.values()):
        raise ValueError(f"Expected one of {', '.join(f'`{name}`' for name in destinations)}, got none.")


def check_betti_kind(kind: Any, spatial_dims: int = 3) -> None:
    """Check which Betti number is asked for."""
    options = (*range(spatial_dims), "sum", "euler")
    if isinstance(kind, bool) or kind not in options:
        raise ValueError(f"Expected `kind` to be one of {', '.join(map(repr, options))}, got {kind!r}.")


def check_patches(
    patch_size: int | Sequence[int] | None, stride: int | Sequence[int] | None, spatial: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Return size and step of patches along each axis, no larger than the image."""
    if patch_size is None:
        if stride is not None:
            raise ValueError(f"Expected `stride` with `patch_size` only, got {stride}.")
        return list(spatial), list(spatial)
    sizes = []
    for name, value in (("patch_size", patch_size), ("stride", patch_size if stride is None else stride)):
        size = [value] * len(spatial) if isinstance(value, int) else list(value)
        for number in size:
            check_int(name, number, minimum=1)
        if len(size) != len(spatial):
            raise ValueError(f"Expected `{name}` to be one number or {len(spatial)}, got {size}.")
        sizes.append(size)
    return [min(p, n) for p, n in zip(sizes[0], spatial, strict=True)], sizes[1]
