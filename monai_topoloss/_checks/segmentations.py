"""Segmentations that metrics compare: a channel of 0 and 1 for each class, or a map of objects' ids."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_ignore_index
from monai_topoloss._checks.tensors import check_same_device, check_same_shape

_ONE_HOT_HINT = "class ids become one-hot by `monai.networks.one_hot` or `AsDiscrete(to_onehot=...)`"


def check_same_segmentation(y_pred: Tensor, y: Tensor) -> None:
    """Check the shapes of prediction and label, ``(B, C, *spatial)``, against each other, and their devices."""
    if y_pred.ndim not in (4, 5):
        raise ValueError(f"Expected `y_pred` of shape (B, C, *spatial) in 2-D or 3-D, got {tuple(y_pred.shape)}.")
    channels = {tensor.shape[1] for tensor in (y_pred, y) if tensor.ndim == y_pred.ndim}
    if len(channels) == 2 and 1 in channels:
        raise ValueError(
            f"Expected `y` of the shape of `y_pred`, {tuple(y_pred.shape)}, got {tuple(y.shape)}; {_ONE_HOT_HINT}."
        )
    check_same_shape("y", y, y_pred, "y_pred")
    check_same_device("y", y, y_pred)


def check_ignored_value(ignore_index: Any, *, instances: bool) -> None:
    """Check a value that marks voxels which do not count: it must not be one that means something."""
    check_ignore_index(ignore_index)
    if ignore_index == 1 and not instances:
        raise ValueError("Expected `ignore_index` to be another value than 1, which is foreground, got 1.")


def check_zero_one(name: str, tensor: Tensor, *, has_instances: bool) -> None:
    """Check that masks hold 0 and 1 only; ``has_instances``: the caller could take ids of objects as well."""
    if tensor.dtype == torch.bool or not tensor.numel():
        return
    high = check_class_ids(name, tensor)
    if (tensor.max() if high is None else high) > 1:
        high = int(tensor.max())
        hint = f"; {_ONE_HOT_HINT}"
        if has_instances:
            hint += ", ids of objects need `instances=True`"
        if name == "y":
            hint += "; to leave a value out pass `ignore_index`"
        raise ValueError(f"Expected `{name}` to hold 0 and 1, a channel for each class, got {high}{hint}.")
