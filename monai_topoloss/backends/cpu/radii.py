"""Distances from single voxels to the background, where a whole distance transform would be more than is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit_inline, jit_loop


def radii_at(mask: NDArray[np.bool_], places: NDArray[np.int64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far voxels are from the nearest one of the background, as `scipy.ndimage.distance_transform_edt` does.

    What is outside the image is no background. Around each voxel, rows are searched from the nearest on, as far as the
    nearest background yet: about as many voxels as the ball has that fits there.

    Args:
        mask: (Y, X) or (Z, Y, X).
        places: (n, axes), of the voxels.
        sizes: of a voxel along each axis.

    Returns:
        float64 (n,), infinity if there is no background.
    """
    squares = np.full(len(places), np.inf)
    if mask.ndim == 2:
        mask, places, sizes = mask[None], np.pad(places, ((0, 0), (1, 0))), np.append(1.0, sizes)
    _search(np.ascontiguousarray(mask).view(np.uint8), places, sizes, squares)
    radii: NDArray[np.float64] = np.sqrt(squares)
    return radii


@jit_loop
def _search(mask: Any, places: Any, sizes: Any, squares: Any) -> Any:
    for k in range(len(places)):
        best = np.inf
        for step in range(len(mask)):
            square = (step * sizes[0]) ** 2
            if square >= best:
                break
            z = places[k, 0]
            for plane in range(z - step, z + step + 1, max(2 * step, 1)):
                if 0 <= plane < len(mask):
                    best = _search_plane(mask[plane], places[k, 1], places[k, 2], sizes, square, best)
        squares[k] = best


@jit_inline
def _search_plane(mask: Any, y: Any, x: Any, sizes: Any, so_far: Any, best: Any) -> Any:
    """Return the lowest square, of a plane that is so far, or the best yet."""
    for step in range(len(mask)):
        square = so_far + (step * sizes[1]) ** 2
        if square >= best:
            break
        for row in range(y - step, y + step + 1, max(2 * step, 1)):
            if 0 <= row < len(mask):
                best = _search_row(mask[row], x, sizes, square, best)
    return best


@jit_inline
def _search_row(mask: Any, x: Any, sizes: Any, so_far: Any, best: Any) -> Any:
    for step in range(len(mask)):
        square = so_far + (step * sizes[2]) ** 2
        if square >= best:
            break
        if (x >= step and not mask[x - step]) or (x + step < len(mask) and not mask[x + step]):
            return square
    return best
