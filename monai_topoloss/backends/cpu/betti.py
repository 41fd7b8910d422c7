"""Euler characteristics and Betti numbers of one image or volume, as NumPy arrays.

The Euler characteristic is counted on bits, a row of words at a time. With all neighbours, the foreground is the union
of closed cubes: corners - edges + faces - cubes. Along x, the cells of a row of cubes add up to the number of its runs,
and so do those of its sides, with cubes on either side united. So with R the number of runs, and d the row of cubes
behind a grid line along x, b and c those beside it and a the one across,

    sum over grid lines of R(a | b | c | d) - R(b | d) - R(c | d) + R(d).

With neighbours across faces only, it is voxels - pairs + squares of four - cubes of eight, where all are foreground:
the same with "and" instead of "or", and the opposite order. With neighbours across faces and edges, two cubes that
share no more than a corner do not meet there, which is a corner more for each such pair.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import count_bits, jit_inline, jit_loop
from monai_topoloss.backends.cpu.bits import INSIDE, Layout, pack
from monai_topoloss.backends.cpu.counting import count_cavities, count_components

_1 = np.uint64(1)


def betti_numbers(mask: NDArray[np.bool_], connectivity: int, ndim: int) -> list[int]:
    """Return components, tunnels and in 3-D cavities of a mask (Z, Y, X) of rank ``ndim``."""
    words, layout = pack(mask, 1)
    components, euler = count_components(words, layout, connectivity), _count_euler(words, layout, connectivity)
    if ndim == 2:
        return [components, components - euler]
    cavities = count_cavities(words, layout, 3 if connectivity == 1 else 1)
    return [components, components + cavities - euler, cavities]


def euler_number(mask: NDArray[np.bool_], connectivity: int) -> int:
    """Return the Euler characteristic of a mask (Z, Y, X)."""
    return _count_euler(*pack(mask, 1), connectivity)


def _count_euler(words: NDArray[np.uint64], layout: Layout, connectivity: int) -> int:
    if connectivity == 1:
        return int(_count_open(words, layout))
    return int(_count_closed(words, layout, 4 if connectivity == 2 and layout.depth > 1 else 0))


@jit_inline
def _runs(word: Any) -> Any:
    """Return how many runs begin in a word."""
    return np.int64(count_bits(word & ~(word << _1) & INSIDE))


@jit_loop
def _count_closed(words: Any, layout: Any, diagonals: Any) -> Any:
    """Count cells of closed cubes; part cubes that share no more than a corner if there are diagonals to look at."""
    euler = 0
    for z in range(layout.depth + 1):
        for y in range(layout.height + 1):
            start = 1 + (z + 1) * layout.plane + (y + 1) * layout.row
            for i in range(start, start + layout.row):
                a, b = words[i - layout.plane - layout.row], words[i - layout.plane]
                c, d = words[i - layout.row], words[i]
                if a | b | c | d:
                    euler += _runs(a | b | c | d) - _runs(b | d) - _runs(c | d) + _runs(d)
                    if diagonals:
                        lone = (a << _1) & d & ~(a | b | (b << _1) | c | (c << _1) | (d << _1))
                        lone |= a & (d << _1) & ~((a << _1) | b | (b << _1) | c | (c << _1) | d)
                        lone |= (b << _1) & c & ~(a | (a << _1) | b | (c << _1) | d | (d << _1))
                        lone |= b & (c << _1) & ~(a | (a << _1) | (b << _1) | c | d | (d << _1))
                        euler += np.int64(count_bits(lone & INSIDE))
    return euler


@jit_loop
def _count_open(words: Any, layout: Any) -> Any:
    """Count voxels, pairs, squares and cubes that are all foreground."""
    euler = 0
    for z in range(layout.depth):
        for y in range(layout.height):
            start = 1 + (z + 1) * layout.plane + (y + 1) * layout.row
            for i in range(start, start + layout.row):
                d = words[i]
                if d:
                    a, b = words[i - layout.plane - layout.row], words[i - layout.plane]
                    c = words[i - layout.row]
                    euler += _runs(d) - _runs(c & d) - _runs(b & d) + _runs(a & b & c & d)
    return euler
