"""Which voxels lie in a surface one voxel thick, and stay when volumes are thinned to medial surfaces.

Of the eight octants around a voxel, each 2 x 2 x 2 voxels with it in a corner, none may be solid: three voxels at most,
or four in a plane, whether along two axes or across a diagonal. So Lee, Kashyap and Chu describe the end points of
surfaces, but that they name one of the diagonal planes only; here all of them count, so that no direction is special.
"""

from __future__ import annotations

import functools
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit_inline

_1, _2, _3, _4, _6 = (np.uint64(i) for i in (1, 2, 3, 4, 6))


@functools.cache
def thin_octants() -> NDArray[np.uint8]:
    """Return whether an octant, whose voxels (z, y, x) are the bits 4 z + 2 y + x, is not solid."""
    corners = np.array(list(product((0, 1), repeat=3)))
    table = np.array([code.bit_count() < 4 for code in range(256)], np.uint8)
    for four in combinations(range(8), 4):
        if np.linalg.matrix_rank(corners[list(four[1:])] - corners[four[0]]) == 2:
            table[sum(1 << bit for bit in four)] = 1
    return table


@jit_inline
def is_in_surface(
    octants: Any, w0: Any, w1: Any, w2: Any, w3: Any, w4: Any, w5: Any, w6: Any, w7: Any, w8: Any, shift: Any
) -> Any:
    """Whether no octant around a voxel, bit shift + 1 of w4, is solid: 0 or 1. Words are those of `is_deletable`."""
    thin = _thin_quarters(octants, w0 >> shift, w1 >> shift, w2 >> shift, w3 >> shift, w4 >> shift, w5 >> shift)
    thin &= _thin_quarters(octants, w6 >> shift, w7 >> shift, w8 >> shift, w3 >> shift, w4 >> shift, w5 >> shift)
    return thin


@jit_inline
def _thin_quarters(octants: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
    """Whether no octant is solid in two planes of three rows each, a to c and d to f."""
    thin = _1
    for _ in range(2):
        near = (b & _3) | ((e & _3) << _4)
        thin &= np.uint64(octants[near | ((a & _3) << _2) | ((d & _3) << _6)])
        thin &= np.uint64(octants[near | ((c & _3) << _2) | ((f & _3) << _6)])
        a, b, c, d, e, f = a >> _1, b >> _1, c >> _1, d >> _1, e >> _1, f >> _1
    return thin
