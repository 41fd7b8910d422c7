"""What the command line compares: messages name its options, and no argument of a function."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_HIGHEST_ID = 2**62  # above, types of 64 bits overflow


def check_case_ids(kind: str, ids: NDArray[Any], *, num_classes: int | None) -> None:
    """Check that a prediction or label holds whole numbers from 0 on, below the number of classes."""
    if ids.size == 0 or ids.dtype == np.bool_:
        return
    low, high = ids.min(), ids.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"Expected the {kind} to hold whole numbers, got NaN or infinity.")
    if ids.dtype.kind == "f" and any((plane != np.rint(plane)).any() for plane in ids):
        hint = "resample labels by the nearest neighbour"
        if kind == "prediction":
            hint = "a prediction has to be made discrete first, by a threshold or by the class that scores highest"
        raise ValueError(f"Expected the {kind} to hold whole numbers, got others; {hint}.")
    low, high = int(low), int(high)
    ignore = f"; to leave these voxels out, pass --ignore-index {low if low < 0 else high}"
    if low < 0:
        raise ValueError(f"Expected the {kind} to hold no negative ids, got {low}{ignore if kind == 'label' else ''}.")
    if high > _HIGHEST_ID:
        raise ValueError(f"Expected the {kind} to hold ids up to {_HIGHEST_ID}, got {high}.")
    if num_classes is not None and high >= num_classes:
        raise ValueError(
            f"Expected the {kind} to hold ids below {num_classes}, which is --num-classes, got {high}"
            f"{ignore if kind == 'label' else ''}."
        )


def check_case_shapes(prediction: tuple[int, ...], label: tuple[int, ...]) -> None:
    """Check that prediction and label have the same shape."""
    if prediction != label:
        raise ValueError(f"Expected the prediction in the shape of the label, {label}, got {prediction}.")


def check_case_connectivity(connectivity: int | None, spatial_dims: int) -> None:
    """Check that neighbours can differ in that many axes."""
    if connectivity is not None and connectivity > spatial_dims:
        raise ValueError(
            f"Expected --connectivity from 1 to {spatial_dims}, the number of the files' axes, got {connectivity}."
        )


def check_case_spacing(spacing: tuple[float, ...] | None, spatial_dims: int) -> tuple[float, ...] | None:
    """Return the size of a voxel along each axis, if it was given."""
    if spacing is None:
        return None
    if len(spacing) not in (1, spatial_dims):
        raise ValueError(
            f"Expected --spacing to be one number or {spatial_dims}, the number of the files' axes, got {len(spacing)}."
        )
    return spacing * spatial_dims if len(spacing) == 1 else spacing


def check_case_orientation(prediction: str, label: str, *, strict: bool) -> None:
    """Refuse a prediction whose axes run otherwise than its label's, and that does not lie where the label does."""
    if strict and prediction == label:
        raise ValueError(
            f"Expected a prediction oriented as the label, got one that is rotated against it, both are {label};"
            " --no-strict compares them voxel by voxel."
        )
    if strict:
        raise ValueError(
            f"Expected a prediction oriented as the label, {label}, got {prediction}, and with its axes brought into"
            " those of the label it lies elsewhere; --no-strict compares them voxel by voxel."
        )
