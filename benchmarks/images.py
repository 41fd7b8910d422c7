"""Images that more than one benchmark uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def cells(size: int) -> NDArray[np.int64]:
    """Make a map of 400 cells that fill a volume: each voxel has the id of the point that is nearest."""
    rng = np.random.default_rng(0)
    seeds = np.zeros((size,) * 3, np.int64)
    seeds[tuple(rng.integers(0, size, (3, 400)))] = np.arange(1, 401)
    return seeds[tuple(ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True))]
