"""Skeletons and tubes of one image, as NumPy arrays."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import skimage.morphology
from numpy.typing import NDArray


def skeletonize(mask: NDArray[np.bool_], method: str) -> NDArray[np.bool_]:
    """Thin a 2-D or 3-D mask by ``"zhang"`` (2-D) or ``"lee"``."""
    skeleton: NDArray[np.bool_] = skimage.morphology.skeletonize(mask, method=method)
    return skeleton


def tubed_skeleton(label: NDArray[Any], *, radius: int, per_class: bool, method: str) -> NDArray[Any]:
    """Write the label on the L1 ball of ``radius`` around each voxel of its skeleton.

    This equals dilating the skeleton ``radius`` times by the cross and multiplying by the label, at a cost that grows
    with the skeleton and not with the image.
    """
    foreground = label != 0
    masks = [label == value for value in np.unique(label[foreground])] if per_class else [foreground]
    tubes = np.zeros_like(label)
    for mask in masks:
        ball = _around(skeletonize(mask, method), radius)
        inside = tuple(axis[mask[ball]] for axis in ball)
        tubes[inside] = label[inside]
    return tubes


def _around(skeleton: NDArray[np.bool_], radius: int) -> tuple[NDArray[np.intp], ...]:
    """Coordinates, with repetitions, of the voxels within L1 distance ``radius`` of the skeleton, inside the image."""
    points = np.argwhere(skeleton)
    near = (points[:, None, :] + _l1_ball(radius, skeleton.ndim)).reshape(-1, skeleton.ndim)
    near = near[((near >= 0) & (near < skeleton.shape)).all(axis=1)]
    return tuple(near.T)


@functools.cache
def _l1_ball(radius: int, ndim: int) -> NDArray[np.intp]:
    """Offsets of the ball: 25 in 3-D and 13 in 2-D for radius 2."""
    reach = range(-radius, radius + 1)
    offsets = [o for o in itertools.product(reach, repeat=ndim) if sum(map(abs, o)) <= radius]
    return np.array(offsets, dtype=np.intp)
