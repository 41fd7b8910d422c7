"""The soft skeleton, voxel by voxel as it is defined: slow and obviously right."""

from __future__ import annotations

import itertools

import numpy as np


def soft_skeleton(image: np.ndarray, iterations: int) -> np.ndarray:
    """Add to a skeleton what opening takes away, eroding again and again."""
    image, skeleton = image.astype(np.float64), np.zeros(image.shape)
    for _ in range(iterations + 1):
        eroded = _extreme(image, min, steps=1)
        removed = np.maximum(image - _extreme(eroded, max, steps=image.ndim), 0)
        skeleton += (1 - skeleton) * removed
        image = eroded
    return skeleton


def _extreme(image: np.ndarray, choose, steps: int) -> np.ndarray:
    """Take the lowest or highest of all voxels whose indices differ by at most 1, and that in so many axes at most."""
    result = np.empty_like(image)
    offsets = [o for o in itertools.product((-1, 0, 1), repeat=image.ndim) if sum(map(abs, o)) <= steps]
    for index in np.ndindex(image.shape):
        around = (tuple(np.add(index, offset)) for offset in offsets)
        result[index] = choose(
            image[near] for near in around if all(0 <= i < n for i, n in zip(near, image.shape, strict=True))
        )
    return result
