"""Balls that tubes are made of: in voxels as published, or in physical units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.options import check_radius, check_spacing
from monai_topoloss.backends.base import TOLERANCE

Ball = NDArray[np.int64]  # (z, y): how far it reaches along x, so many voxels away along z and y; -1 where it does not


def make_ball(radius: float, spacing: float | Sequence[float] | None, shape: Sequence[int]) -> Ball:
    """Return a ball as far as it can matter in an image.

    Args:
        radius: without a spacing, how many voxels steps along axes lead (the L1 norm); else the distance in space.
        spacing: size of a voxel along each axis, or one for all.
        shape: of the image, 2-D or 3-D.
    """
    check_radius(radius, spacing)
    longest = [max(size - 1, 0) for size in shape]
    if spacing is None:
        radius = min(int(radius), sum(longest))
        steps = [np.arange(min(radius, most) + 1) for most in longest]
        left = radius - (steps[0][:, None] + steps[1] if len(shape) == 3 else steps[0][None])
    else:
        sizes = check_spacing(spacing, len(shape))
        square = (radius * (1 + TOLERANCE)) ** 2
        steps = [np.arange(most + 1) for most in longest]
        squares = [(step * size) ** 2 for step, size in zip(steps, sizes, strict=True)]
        squares = [each[each <= square] for each in squares]
        others = squares[0][:, None] + squares[1] if len(shape) == 3 else squares[0][None]
        left = np.searchsorted(squares[-1], square - others, side="right") - 1
    ball: Ball = np.minimum(np.maximum(left, -1), longest[-1]).astype(np.int64)
    return ball
