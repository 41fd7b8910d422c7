"""Synthetic neurites that touch each other: data to try instance segmentation on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monai_topoloss._checks.options import check_int
from monai_topoloss.datasets.synthetic import check_spatial_size, draw_cases, smooth_field

__all__ = ["synthetic_neurites", "synthetic_neurites_datalist"]

_STEP = 0.5  # voxels between two points of a centreline
_ROOM = 4  # voxels from a centreline to others
_TRIES = 20  # to find a place for a neurite


def synthetic_neurites(
    spatial_size: Sequence[int], *, seed: int, num_neurites: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw neurites side by side, as in electron microscopy: bright, with dark membranes that fade in places.

    Each neurite winds through the image; a voxel belongs to the nearest one, so that there is no background.

    Args:
        spatial_size: two or three numbers of voxels, at least 16 each.
        seed: the same seed gives the same image.
        num_neurites: how many, at most, as there is room. Default: about one for each 400 pixels, or 4000 voxels.

    Returns:
        The image, float32 ``(1, *spatial_size)`` with values of about 0 to 1, and the ids of neurites, int32 of the
        same shape, from 1 on.

    Raises:
        TypeError: if a number is no int.
        ValueError: if ``spatial_size`` is not two or three numbers of at least 16, or ``num_neurites`` is not positive.

    Example:
        >>> image, instances = synthetic_neurites((64, 64), seed=0)
        >>> image.shape, instances.dtype, int(instances.min())
        ((1, 64, 64), dtype('int32'), 1)
    """
    # Later than the module, which the command line loads: MONAI takes seconds.
    from monai.transforms import GaussianSmooth
    from monai.transforms.utils import distance_transform_edt

    shape = check_spatial_size(spatial_size)
    if num_neurites is None:
        num_neurites = max(2, int(np.prod(shape)) // (400 if len(shape) == 2 else 4000))
    check_int("num_neurites", num_neurites, minimum=1)
    rng = np.random.default_rng(seed)
    lines = np.zeros(shape, np.int32)
    for _ in range(num_neurites):
        line = max((_wind(lines, rng) for _ in range(_TRIES)), key=len)
        if len(line) > 1 or not lines.any():
            lines[tuple(line.T)] = lines.max() + 1
    nearest = distance_transform_edt((lines == 0)[None], return_distances=False, return_indices=True)
    instances = lines[tuple(np.asarray(nearest).astype(np.intp).reshape(len(shape), *shape))]

    membrane = np.zeros(shape, np.float32)
    for axis in range(len(shape)):
        differs = np.diff(instances, axis=axis) != 0
        for border in ((0, 1), (1, 0)):
            widths = [(0, 0)] * len(shape)
            widths[axis] = border
            membrane = np.maximum(membrane, np.pad(differs, widths))
    strength = 0.25 + 0.75 * smooth_field(shape, max(shape) // 8, rng)
    blurred = GaussianSmooth(0.7)(torch.from_numpy(membrane * strength)[None])[0]
    texture = 0.25 * smooth_field(shape, max(shape) // 4, rng)
    image = 0.65 + texture - 0.6 * np.asarray(blurred) + rng.normal(0, 0.07, shape)
    return image[None].astype(np.float32), instances[None]


def synthetic_neurites_datalist(
    count: int, spatial_size: Sequence[int], *, seed: int = 0, num_neurites: int | None = None
) -> list[dict[str, Any]]:
    """Make a list of synthetic cases for a MONAI dataset.

    Args:
        count: how many.
        spatial_size: see `synthetic_neurites`.
        seed: of the list; lists with different seeds share no case.
        num_neurites: see `synthetic_neurites`.

    Returns:
        A dictionary for each case with the arrays ``"image"`` and ``"label"``, see `synthetic_neurites`.

    Raises:
        TypeError: see `synthetic_neurites`.
        ValueError: see `synthetic_neurites`.

    Example:
        >>> cases = synthetic_neurites_datalist(2, (32, 32))
        >>> [case["label"].shape for case in cases]
        [(1, 32, 32), (1, 32, 32)]
    """
    return draw_cases(count, seed, lambda own: synthetic_neurites(spatial_size, seed=own, num_neurites=num_neurites))


def _wind(lines: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the voxels of a line that winds through an image from a random place both ways, as far as there is room.

    Where there is none it is the place alone.
    """
    size, start = np.array(lines.shape), rng.uniform(0, lines.shape)
    heading = rng.normal(size=lines.ndim)
    heading /= np.linalg.norm(heading)
    points = [start]
    for direction in (heading, -heading):
        position, ahead, bend = start, direction, np.zeros(lines.ndim)
        while ((position >= 0) & (position < size)).all() and len(points) < 4 * size.sum():
            room = tuple(slice(max(0, int(p) - _ROOM), int(p) + _ROOM + 1) for p in position)
            if lines[room].any():
                break
            points.append(position)
            bend = 0.95 * bend + rng.normal(0, 0.01, lines.ndim)
            ahead = ahead + bend * _STEP
            ahead = ahead / np.linalg.norm(ahead)
            position = position + ahead * _STEP
    return np.array(points).astype(np.intp)
