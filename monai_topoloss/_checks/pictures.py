"""What pictures are made of, and where they go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from monai_topoloss._checks.options import check_int
from monai_topoloss._checks.tensors import check_channel_first, check_tensor


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
