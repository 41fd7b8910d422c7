"""Betti numbers of the patches of two masks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.topology.betti import betti_numbers

Mask = NDArray[np.bool_]


def betti_differences(
    prediction: Mask, label: Mask, size: Sequence[int], starts: Sequence[Sequence[int]], connectivity: int | None,
    ignored: Mask | None = None,
) -> NDArray[np.int64]:  # fmt: skip
    """Return Betti numbers of the prediction less those of the label, (patches, axes).

    Args:
        prediction: ``(*spatial)``.
        label: likewise.
        size: of a patch.
        starts: along each axis; patches begin at all combinations.
        connectivity: of components.
        ignored: likewise; patches of nothing else are left out.
    """
    differences = []
    for corner in product(*starts):
        where = tuple(slice(start, start + length) for start, length in zip(corner, size, strict=True))
        if ignored is not None and ignored[where].all():
            continue
        found, true = (
            np.asarray(betti_numbers(mask[where], connectivity=connectivity, spatial_dims=label.ndim))
            for mask in (prediction, label)
        )
        differences.append(found - true)
    return np.array(differences, np.int64).reshape(-1, label.ndim)
