"""Numbers of connected components of masks that are packed into words.

Runs of voxels along x are joined with those of the rows before, and the components are the runs less the joins that
made one of two. All that decides which runs meet is done on whole words: two rows overlap in the runs of their
conjunction, each of which is a pair of runs, and the numbers of these are counts of the bits before. A branch is
mispredicted once or twice a word and not at each run.

Of the pairs with rows further away, those are left out that a row between joins already: what touches both at the place
where they meet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.sizes import type_of_numbers
from monai_topoloss.backends.cpu._numba import count_bits, jit, jit_inline, jit_loop, lowest_bit
from monai_topoloss.backends.cpu.bits import INSIDE, PAYLOAD, Layout
from monai_topoloss.backends.cpu.runs import find_root

_U = np.uint64
_0, _1 = _U(0), _U(1)


def count_components(words: NDArray[np.uint64], layout: Layout, connectivity: int) -> int:
    """Return how many components there are, of connectivity 1 to 3; the words need a border of planes."""
    return int(_count(words, layout, connectivity, False, _room(words, layout)))  # noqa: FBT003


def count_cavities(words: NDArray[np.uint64], layout: Layout, connectivity: int) -> int:
    """Return how many components the background has that do not reach the border of the volume."""
    background = _complement(words, layout)
    return int(_count(background, layout, connectivity, True, _room(words, layout))) - 1  # noqa: FBT003


def _room(words: NDArray[np.uint64], layout: Layout) -> NDArray[Any]:
    """Return room for a number of a run for each word."""
    return np.empty(len(words), type_of_numbers(layout.depth * layout.height * layout.width))


@jit
def _complement(words: Any, layout: Any) -> Any:
    """Return the background, within the volume."""
    background = np.zeros_like(words)
    for z in range(layout.depth):
        for y in range(layout.height):
            start = 1 + (z + layout.border) * layout.plane + (y + 1) * layout.row
            for w in range(layout.row):
                rest = layout.width - w * PAYLOAD  # voxels from bit 1 on
                exists = ~_0 if rest >= 63 else (_1 << _U(rest + 1)) - _1
                if w == 0:
                    exists &= ~_1
                background[start + w] = ~words[start + w] & exists
    return background


@jit
def _count(words: Any, layout: Any, connectivity: Any, outside: Any, first: Any) -> Any:
    """Count components; with ``outside``, those at the border are one, also if there are none.

    What is written to ``first`` is the number of the first run from each word on.
    """
    runs: Any = 0
    for i in range(len(words)):
        first[i] = runs
        runs += np.int64(count_bits(_starts(words[i])))
    parent = np.arange(runs + 1, dtype=first.dtype)  # the last one is the outside
    joins = _join_rows(words, layout, connectivity, first, parent)
    if outside:
        return runs + 1 - joins - _join_outside(words, layout, first, parent)
    return runs - joins


@jit_inline
def _starts(word: Any) -> Any:
    """Return where runs begin in a word."""
    return word & ~(word << _1) & INSIDE


@jit_inline
def _near(word: Any) -> Any:
    """Return the bits within one of those of a word."""
    return word | (word << _1) | (word >> _1)


@jit_loop
def _join_rows(words: Any, layout: Any, connectivity: Any, first: Any, parent: Any) -> Any:
    """Join runs with those of the rows before; return how many joins made one of two."""
    joins = 0
    row, plane = layout.row, layout.plane
    for z in range(layout.depth):
        for y in range(layout.height):
            start = 1 + (z + 1) * plane + (y + 1) * row
            for i in range(start, start + row):
                own = words[i]
                if own:
                    north, front = words[i - row], words[i - plane]
                    aside, across = words[i - plane - row], words[i - plane + row]
                    if connectivity == 1:
                        joins += _join(words, first, parent, i, i - row, _0)
                        joins += _join(words, first, parent, i, i - plane, north & aside)
                    elif connectivity == 2:
                        joins += _join_near(words, first, parent, i, i - row, _0)
                        joins += _join_near(words, first, parent, i, i - plane, _0)
                        joins += _join(words, first, parent, i, i - plane - row, _0)
                        joins += _join(words, first, parent, i, i - plane + row, _0)
                    else:
                        joins += _join_near(words, first, parent, i, i - row, _0)
                        if front:
                            joins += _join_near(words, first, parent, i, i - plane, north)
                        if aside:
                            joins += _join_near(words, first, parent, i, i - plane - row, north | front)
                        if across:
                            joins += _join_near(words, first, parent, i, i - plane + row, front)
    return joins


@jit_loop
def _join(words: Any, first: Any, parent: Any, i: Any, j: Any, done: Any) -> Any:
    """Join runs of words i and j that overlap, unless they begin to where it is done."""
    return _join_at(_starts(words[i] & words[j]) & ~done, words, first, parent, i, _0, j, _0)


@jit_loop
def _join_near(words: Any, first: Any, parent: Any, i: Any, j: Any, between: Any) -> Any:
    """Join runs of words i and j that overlap or meet across a diagonal, unless a row between touches both there."""
    own, other = words[i], words[j]
    joins = _join_at(_starts(own & other) & ~_near(between), words, first, parent, i, _0, j, _0)
    # One ends before the other begins.
    apart = ~(between | (between << _1))
    joins += _join_at(_starts(own) & ~other & (other << _1) & apart, words, first, parent, i, _0, j, _1)
    return joins + _join_at(_starts(other) & ~own & (own << _1) & apart, words, first, parent, i, _1, j, _0)


@jit_loop
def _join_at(places: Any, words: Any, first: Any, parent: Any, i: Any, before_i: Any, j: Any, before_j: Any) -> Any:
    """Join the runs of words i and j that are at some places, or one before; return how many joins made one of two."""
    joins = 0
    if places:
        starts_i, starts_j = _starts(words[i]), _starts(words[j])
        while places:
            below = _U(2) << lowest_bit(places)
            places &= places - _1
            a = first[i] - 1 + np.int64(count_bits(starts_i & ((below >> before_i) - _1)))
            b = first[j] - 1 + np.int64(count_bits(starts_j & ((below >> before_j) - _1)))
            joins += _unite(parent, a, b)
    return joins


@jit_loop
def _unite(parent: Any, a: Any, b: Any) -> Any:
    """Make the components of runs a and b one; return 1 if they were two."""
    a, b = find_root(parent, a), find_root(parent, b)
    if a == b:
        return 0
    if a < b:
        parent[b] = a
    else:
        parent[a] = b
    return 1


@jit_loop
def _join_outside(words: Any, layout: Any, first: Any, parent: Any) -> Any:
    """Join runs at the border with the outside; return how many joins made one of two."""
    joins, outside = 0, len(parent) - 1
    for z in range(layout.depth):
        for y in range(layout.height):
            start = 1 + (z + 1) * layout.plane + (y + 1) * layout.row
            end = start + layout.row
            if z == 0 or y == 0 or z == layout.depth - 1 or y == layout.height - 1:
                for run in range(first[start], first[end]):
                    joins += _unite(parent, run, outside)
            else:
                if words[start] & _U(2):
                    joins += _unite(parent, first[start], outside)
                if words[end - 1] >> _U(layout.width - (layout.row - 1) * PAYLOAD):
                    joins += _unite(parent, first[end] - 1, outside)
    return joins
