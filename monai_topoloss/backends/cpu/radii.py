"""Distances from single voxels to the background, where a whole distance transform would be more than is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from monai_topoloss.backends.cpu._numba import jit_inline, jit_loop

_STEPS = 200  # voxels searched that cost about as much as one of a distance transform


def radii_at(mask: NDArray[np.bool_], places: NDArray[np.int64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far voxels are from the nearest one of the background, as `scipy.ndimage.distance_transform_edt` does.

    What is outside the image is no background. Around each voxel, rows are searched from the nearest on, as far as the
    nearest background yet: about as many voxels as the ball has that fits there. If that becomes more than a distance
    transform of all would cost, as for many voxels deep inside, it is one.

    Args:
        mask: (Y, X) or (Z, Y, X).
        places: (n, axes), of the voxels.
        sizes: of a voxel along each axis.

    Returns:
        float64 (n,), infinity if there is no background.
    """
    if mask.ndim == 2:
        mask, places, sizes = mask[None], np.pad(places, ((0, 0), (1, 0))), np.append(1.0, sizes)
    squares = np.empty(len(places))
    radii: NDArray[np.float64]
    if _search(np.ascontiguousarray(mask).view(np.uint8), places, sizes, squares, _STEPS * mask.size):
        radii = np.sqrt(squares)
    elif mask.all():
        radii = np.full(len(places), np.inf)
    else:
        radii = distance_transform_edt(mask, sampling=sizes)[tuple(places.T)]
    return radii


@jit_loop
def _search(mask: Any, places: Any, sizes: Any, squares: Any, budget: Any) -> Any:
    """Find the squares of distances; return whether that took about so many voxels at most."""
    cost = 0.0
    for k in range(len(places)):
        if cost > budget:
            return False
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
        cost += min(4.2 * best * np.sqrt(best) / (sizes[0] * sizes[1] * sizes[2]), mask.size)  # a ball
    return True


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
