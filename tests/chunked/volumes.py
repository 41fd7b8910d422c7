"""Arrays in all kinds of chunks."""

from __future__ import annotations

import dask.array as da
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def make_chunks(rng: np.random.Generator, shape: tuple[int, ...], most: int = 4) -> tuple[tuple[int, ...], ...]:
    """Cut axes at random, into single voxels too, and with empty chunks."""
    chunks = []
    for length in shape:
        ends = np.sort(rng.integers(0, length + 1, rng.integers(0, most)))
        chunks.append(tuple(np.diff([0, *ends, length]).tolist()))
    return tuple(chunks)


def cut(rng: np.random.Generator, array: NDArray, most: int = 4) -> da.Array:
    """Return an array in random chunks."""
    return da.from_array(array, chunks=make_chunks(rng, array.shape, most))


def make_shape(rng: np.random.Generator, ndim: int, longest: int = 10) -> tuple[int, ...]:
    return tuple(rng.integers(1, longest + 1, ndim).tolist())


def spiral(size: int) -> NDArray[np.bool_]:
    """A square spiral, one pixel wide, that is one component."""
    image = np.zeros((size, size), bool)
    y, x, dy, dx = 0, 0, 0, 1
    image[y, x] = True
    left = 2
    while left:
        ahead_y, ahead_x = y + 2 * dy, x + 2 * dx
        blocked = not (0 <= y + dy < size and 0 <= x + dx < size)
        if blocked or (0 <= ahead_y < size and 0 <= ahead_x < size and image[ahead_y, ahead_x]):
            dy, dx = dx, -dy
            left -= 1
            continue
        y, x = y + dy, x + dx
        image[y, x] = True
        left = 2
    return image


def assert_same(result: da.Array, expected: NDArray, chunks: tuple[tuple[int, ...], ...] | None = None) -> None:
    """Check values, type and shape, and that these were known before."""
    computed = np.asarray(result.compute())
    np.testing.assert_array_equal(computed, expected)
    assert result.dtype == computed.dtype == np.asarray(expected).dtype
    assert result.shape == computed.shape == np.shape(expected)
    assert chunks is None or result.chunks == chunks


def make_vessels(shape: tuple[int, ...], seed: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return a prediction and a label whose objects are some voxels thick."""
    rng = np.random.default_rng(seed)
    label = ndimage.gaussian_filter(rng.random(shape), 1.2) > 0.51
    gaps = ndimage.binary_dilation(rng.random(shape) < 0.004, iterations=2)
    return (label ^ (rng.random(shape) < 0.03)) & ~gaps, label
