"""Random images of mixed kinds."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

KINDS = ("noise", "tubes", "blobs", "boxes", "empty", "full", "plane", "column")


def random_mask(kind: str, ndim: int, seed: int, size: int = 24) -> np.ndarray:
    """A random mask of uneven shape."""
    rng = np.random.default_rng([seed, ndim, KINDS.index(kind)])
    shape = rng.integers(size // 2, size + 1, ndim)
    if kind == "empty":
        return np.zeros(shape, bool)
    if kind == "full":
        return np.ones(shape, bool)
    if kind == "noise":
        return rng.random(shape) < rng.random()
    if kind == "tubes":
        steps = rng.integers(-1, 2, (4 * size, ndim)).cumsum(axis=0)
        points = np.zeros(shape, bool)
        points[tuple(((steps + shape // 2) % shape).T)] = True
        return ndimage.binary_dilation(points, iterations=int(rng.integers(1, 3)))
    if kind == "blobs":
        return ndimage.gaussian_filter(rng.random(shape), 1.5) > 0.5
    if kind == "boxes":
        mask = np.zeros(shape, bool)
        for _ in range(4):
            low = rng.integers(0, shape)
            high = low + rng.integers(1, shape)
            mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] ^= True
        return mask
    thin = rng.choice(ndim, 1 if kind == "plane" else ndim - 1, replace=False)
    shape[thin] = 1
    return rng.random(shape) < 0.7


def random_label(kind: str, ndim: int, seed: int, num_classes: int = 4) -> np.ndarray:
    """A random label map on such a mask, uint8, with classes in patches."""
    mask = random_mask(kind, ndim, seed)
    rng = np.random.default_rng(seed)
    coarse = rng.integers(1, num_classes, [-(-n // 6) for n in mask.shape])
    classes = np.kron(coarse, np.ones([6] * ndim, int))[tuple(slice(n) for n in mask.shape)]
    return (classes * mask).astype(np.uint8)
