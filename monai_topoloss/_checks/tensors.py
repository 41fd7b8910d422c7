"""Tensors and arrays: their kind, rank, shape, device and values."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from monai_topoloss._checks.options import check_int, check_option

_MOST_CHANNELS, _SMALLEST_IMAGE = 4, 16  # of what is more likely (C, H, W) than a volume
_warned_of: set[str] = set()

# Types that PyTorch or NumPy compute with, for those that one of them only stores.
_FLOAT8 = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")
_COMPUTABLE = {
    torch.bfloat16: torch.float32,
    **{getattr(torch, name): torch.float32 for name in _FLOAT8 if hasattr(torch, name)},
    torch.uint16: torch.int32,
    torch.uint32: torch.int64,
    torch.uint64: torch.int64,
}
_REAL = {
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.float16, torch.float32, torch.float64, *_COMPUTABLE,
}  # fmt: skip
IDS = (torch.uint16, torch.uint32)  # that need not be computed with where ids are only compared


def check_tensor(name: str, value: Any, *, keep: Sequence[torch.dtype] = (), has_values: bool = True) -> Tensor:
    """Return a real-valued tensor or array as a plain, detached tensor of a type that can be computed with.

    Types to ``keep`` stay as they are. It need not have values where its device is compared with that of another.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        if not (value.flags.c_contiguous and value.dtype.isnative):
            value = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("="))
        # In an array that counts as contiguous, an axis of length 0 or 1 may have any step, if flipped a negative one.
        steps = value.strides
        fits = value.flags.writeable and all(step >= 0 and step % value.itemsize == 0 for step in steps)
        return _as_computable(name, torch.from_numpy(value if fits else value.copy()), keep)
    if not isinstance(value, Tensor):
        kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"Expected `{name}` to be a torch.Tensor or a numpy.ndarray of real numbers, got {kind}.")
    check_dense(name, value)
    if has_values:
        check_has_values(name, value)
    return _as_computable(name, plain(value.detach() if value.requires_grad else value), keep)


def check_mask(name: str, value: Any) -> Tensor:
    """Return a tensor or array of which it matters only what is 0, as `check_tensor` does."""
    tensor = check_tensor(name, value, keep=[torch.uint64])
    return tensor.view(torch.int64) if tensor.dtype == torch.uint64 else tensor


def check_dense(name: str, tensor: Tensor) -> None:
    """Check that a tensor is a plain array of real numbers."""
    if tensor.is_nested:
        raise TypeError(f"Expected `{name}` to be a dense tensor of real numbers, got a nested one.")
    if tensor.dtype not in _REAL or tensor.layout != torch.strided:
        raise TypeError(
            f"Expected `{name}` to be a dense tensor of real numbers, got {tensor.dtype} with layout {tensor.layout}."
        )


def check_has_values(name: str, tensor: Tensor) -> None:
    """Check that a tensor is not a mere description of one."""
    if tensor.is_meta:
        raise ValueError(f"Expected `{name}` to have values, got a tensor on the device 'meta', which has none.")


def _as_computable(name: str, tensor: Tensor, keep: Sequence[torch.dtype]) -> Tensor:
    if tensor.dtype in keep or tensor.dtype not in _COMPUTABLE:
        return tensor
    if tensor.dtype != torch.uint64 or tensor.is_meta:
        return tensor.to(_COMPUTABLE[tensor.dtype])
    tensor = tensor.view(torch.int64)
    lowest = int(tensor.amin()) if tensor.numel() else 0
    if lowest < 0:
        raise ValueError(f"Expected `{name}` to hold numbers below 2 ** 63, got {lowest + 2**64}.")
    return tensor


def plain(tensor: Tensor) -> Tensor:
    """Drop MONAI's metadata; gradients still flow."""
    return cast(Any, tensor).as_tensor() if _is_meta_tensor(tensor) else tensor


def _is_meta_tensor(tensor: Any) -> bool:
    """Say whether a tensor has MONAI's metadata; without MONAI, which takes seconds to import, there is none."""
    module = sys.modules.get("monai.data.meta_tensor")
    return module is not None and isinstance(tensor, module.MetaTensor)


def like(tensor: Tensor, source: Any, *, same_dtype: bool = False, is_image: bool = True) -> Any:
    """Return a result in the kind of the argument that it was computed from; images get its metadata."""
    if isinstance(source, np.ndarray):
        array = tensor.numpy(force=True)
        return array.astype(source.dtype, copy=False) if same_dtype else array
    if same_dtype and tensor.dtype != source.dtype:
        tensor = tensor.to(source.dtype)
    if is_image and _is_meta_tensor(source):
        from monai.utils import convert_to_dst_type

        return convert_to_dst_type(tensor, source, dtype=tensor.dtype)[0]
    return tensor


def check_spatial_dims(name: str, tensor: Tensor, spatial_dims: int | None) -> int:
    """Return the number of spatial axes of ``tensor``, its last ones; all of them where ``spatial_dims`` is None.

    Then warn, once, of what looks like an image with channels.
    """
    if spatial_dims is None:
        if tensor.ndim not in (2, 3):
            raise ValueError(
                f"Expected `{name}` to have 2 or 3 axes, got shape {tuple(tensor.shape)};"
                " for leading batch or channel axes pass `spatial_dims`."
            )
        if tensor.ndim == 3 and tensor.shape[0] <= _MOST_CHANNELS and min(tensor.shape[1:]) >= _SMALLEST_IMAGE:
            _warn_of_channels(name, tuple(tensor.shape))
        return tensor.ndim
    check_int("spatial_dims", spatial_dims)
    check_option("spatial_dims", spatial_dims, (2, 3))
    if tensor.ndim < spatial_dims:
        raise ValueError(f"Expected `{name}` to have at least {spatial_dims} axes, got shape {tuple(tensor.shape)}.")
    return spatial_dims


def check_rank(name: str, tensor: Tensor) -> int:
    """Return the number of axes of an image or volume, where there can be no others."""
    if tensor.ndim not in (2, 3):
        raise ValueError(f"Expected `{name}` to have 2 or 3 axes, got shape {tuple(tensor.shape)}.")
    return tensor.ndim


def _warn_of_channels(name: str, shape: tuple[int, ...]) -> None:
    """Say, once a process, that channels of an image were taken for slices of a volume."""
    if _warned_of:
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("monai_topoloss"):
        frame, level = frame.f_back, level + 1
    warnings.warn(
        f"`{name}` of shape {shape} was taken for a volume of {shape[0]} slices; pass `spatial_dims=2` if these are"
        " channels or several images, and `spatial_dims=3` if they are slices.",
        stacklevel=level,
    )
    _warned_of.add(name)


def check_channel_first(name: str, image: Any) -> int:
    """Return the number of spatial axes of a ``(C, *spatial)`` tensor or array."""
    if isinstance(image, Tensor):
        check_dense(name, image)
    shape = image.shape if isinstance(image, Tensor | np.ndarray) else check_tensor(name, image).shape
    if len(shape) not in (3, 4):
        raise ValueError(f"Expected `{name}` of shape (C, *spatial) in 2-D or 3-D, got {tuple(shape)}.")
    return len(shape) - 1


def check_one_hot(name: str, tensor: Tensor) -> None:
    """Check the rank of ``(B, C, *spatial)`` segmentations."""
    if tensor.ndim not in (4, 5):
        raise ValueError(f"Expected `{name}` of shape (B, C, *spatial) in 2-D or 3-D, got {tuple(tensor.shape)}.")


def check_finite(name: str, tensor: Tensor) -> None:
    """Check that a floating-point tensor holds neither NaN nor infinity."""
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise ValueError(f"Expected `{name}` to be finite, got NaN or infinity.")


def check_no_nan(name: str, tensor: Tensor) -> None:
    """Check that a floating-point tensor holds no NaN, which is on neither side of a threshold."""
    if tensor.numel() and tensor.amin().isnan():
        raise ValueError(f"Expected `{name}` to hold no NaN, got some.")


def check_same_device(name: str, tensor: Tensor, input: Tensor) -> None:
    """Check that ``tensor`` is on the device of ``input``."""
    if tensor.device != input.device:
        raise ValueError(f"Expected `{name}` on the device of `input`, {input.device}, got {tensor.device}.")


def check_same_shape(name: str, tensor: Any, other: Any, other_name: str = "input") -> None:
    """Check that a tensor or array has the shape of another."""
    if not isinstance(tensor, Tensor | np.ndarray):
        raise TypeError(f"Expected `{name}` to be a torch.Tensor or a numpy.ndarray, got {type(tensor).__name__}.")
    if isinstance(tensor, Tensor):
        check_dense(name, tensor)
    if tensor.shape != other.shape:
        got, expected = tuple(tensor.shape), tuple(other.shape)
        raise ValueError(f"Expected `{name}` of the shape of `{other_name}`, {expected}, got {got}.")
