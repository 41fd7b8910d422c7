"""What labels and maps of ids may hold."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from monai_topoloss._labels import has_id

_HIGHEST_ID = 2**62  # above, types of 64 bits overflow
_SMALL = (torch.uint8, torch.uint16, torch.uint32)  # hold nothing else than ids


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
        if label.isnan().any():
            raise ValueError(f"Expected `{name}` to hold class ids, which are whole numbers, got NaN.")
        hint = "labels need mode='nearest' when they are resampled (in a lazy Compose, by `overrides`)"
        if name in ("input", "img", "y_pred", "prediction"):
            hint = "a prediction has to be made discrete first, by a threshold or argmax"
        raise ValueError(f"Expected `{name}` to hold class ids, which are whole numbers, got others; {hint}.")
    if num_classes is None and label.dtype in _SMALL:
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


def check_one_map(name: str, image: Any, num_classes: int | None) -> None:
    """Check that ids of classes come in one channel."""
    if num_classes is not None and len(image) != 1:
        raise ValueError(f"Expected `{name}` with one channel of class ids for `num_classes`, got {len(image)}.")


def check_instance_maps(name: str, tensor: Tensor) -> None:
    """Check that maps of instances have one channel."""
    if tensor.shape[1] != 1:
        raise ValueError(
            f"Expected `{name}` of shape (B, 1, *spatial) for `instances=True`, got {tuple(tensor.shape)};"
            " a channel for each class, whose components are the objects, needs no `instances=True`."
        )
