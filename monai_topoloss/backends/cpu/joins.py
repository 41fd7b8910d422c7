"""What joins the pieces of a volume that is computed chunk by chunk, as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, jit_loop
from monai_topoloss.backends.cpu.roots import find_root

_FEW = 1024


@jit
def find_roots(count: Any, first: Any, second: Any) -> Any:
    """Return the first member of the component of each of some members, given pairs of members that are joined."""
    parent = np.arange(count)
    _join(parent, first, second)
    return parent


@jit_loop
def _join(parent: Any, first: Any, second: Any) -> Any:
    for k in range(len(first)):
        a, b = find_root(parent, first[k]), find_root(parent, second[k])
        parent[max(a, b)] = min(a, b)
    for k in range(len(parent)):
        parent[k] = parent[parent[k]]


@jit_loop
def list_firsts(labels: Any, firsts: Any) -> Any:
    """Write where each of the labels from 1 on is first in a row, in place of -1."""
    before = 0
    for i in range(len(labels)):
        label = labels[i]
        if label != before and label and firsts[label - 1] < 0:
            firsts[label - 1] = i
        before = label


def list_touching(
    keys: NDArray[Any], labels: NDArray[np.int32], count: int, of_object: int, connectivity: int
) -> NDArray[np.int64]:
    """List which mistakes touch which remainders of their object.

    Args:
        keys: of voxels, (Z, Y, X), contiguous, see `monai_topoloss.backends.cpu.critical`.
        labels: components of equal keys, likewise, from 1 to ``count``.
        count: how many there are.
        of_object: the bits of a key that say whose voxel it is.
        connectivity: of mistakes with remainders, 1 to 3.

    Returns:
        Pairs of a mistake's label and a remainder's, (K, 2).
    """
    offsets = np.array([step for step in np.ndindex(3, 3, 3) if 0 < np.abs(np.array(step) - 1).sum() <= connectivity])
    last = np.zeros(count + 1, np.int32)
    size = count + _FEW
    while True:
        pairs = np.empty((size, 2), np.int64)
        last[:] = 0
        found = _list_touching(keys, labels, keys.dtype.type(of_object), offsets - 1, last, pairs)
        if found <= size:
            return np.unique(pairs[:found], axis=0)
        size = found


@jit_loop
def _list_touching(keys: Any, labels: Any, of_object: Any, offsets: Any, last: Any, pairs: Any) -> Any:
    """List pairs as far as there is room, but not one that is the last of its mistake; return how many there are."""
    depth, height, width = keys.shape
    found = 0
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                key = keys[z, y, x]
                if key & 1:
                    own = labels[z, y, x]
                    for n in range(len(offsets)):
                        k, j, i = z + offsets[n, 0], y + offsets[n, 1], x + offsets[n, 2]
                        if 0 <= k < depth and 0 <= j < height and 0 <= i < width:
                            other = keys[k, j, i]
                            if other and other & 1 == 0 and (key ^ other) & of_object == 0:
                                label = labels[k, j, i]
                                if last[own] != label:
                                    last[own] = label
                                    if found < len(pairs):
                                        pairs[found, 0], pairs[found, 1] = own, label
                                    found += 1
    return found
