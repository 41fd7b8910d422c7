"""Comparison of two partitions of an image into segments, by scikit-image, which is loaded on first use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def compare_partitions(input: NDArray[Any], target: NDArray[Any], *, foreground_only: bool) -> NDArray[np.floating]:
    """Return H(input | target), H(target | input), the adapted Rand error, precision and recall."""
    from skimage.metrics import adapted_rand_error, variation_of_information

    if foreground_only:
        foreground = target != 0
        input, target = input[foreground], target[foreground]
    if target.size == 0:
        return np.array([0.0, 0, 0, 1, 1])
    pair = _as_indices(target), _as_indices(input)
    apart = (pair[0], _part_background(pair[1], input)) if foreground_only else pair
    with np.errstate(invalid="ignore"):  # 0 / 0 where a partition has no pairs of voxels
        # What scikit-image returns as precision is divided by the pairs of the target, and the recall by the input's.
        error, recall, precision = adapted_rand_error(*apart, ignore_labels=())
    splits, merges = variation_of_information(*pair).clip(min=0)  # rounding goes below
    values = np.array([splits, merges, error, precision, recall])
    return np.where(np.isnan(values), (0, 0, 0, 1, 1), values)


def _as_indices(ids: NDArray[Any]) -> NDArray[Any]:
    """Return ids, which may be huge, as rows or columns of a table that has no more of them than there are voxels."""
    ids = ids.reshape(-1)
    if ids.max() >= ids.size:
        ids = np.unique(ids, return_inverse=True)[1].reshape(-1)
    return ids.astype(np.int64)


def _part_background(indices: NDArray[np.int64], ids: NDArray[Any]) -> NDArray[np.int64]:
    """Make each voxel of the background a segment of its own."""
    background = ids.reshape(-1) == 0
    parted = indices.copy()
    parted[background] = indices.max() + 1 + np.arange(np.count_nonzero(background))
    return parted
