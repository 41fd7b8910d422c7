"""Stretches of equal ids along x, which cover the rows of an image: background, too.

As they leave no gap, a stretch ends where the next begins, and those of two rows are compared by walking along both.
What is stored is the place where each begins, and not its id: the image says that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit_inline, jit_loop
from monai_topoloss.backends.cpu.runs import join

_BLOCK = 16  # voxels that are looked at together


class Stretches(NamedTuple):
    """The stretches of an image (Z, Y, X), in raster order."""

    first: NDArray[np.int64]  # the first stretch of each row, and one past the last
    start: NDArray[np.int32]  # in x; one more, of no meaning


def find_stretches(ids: NDArray[Any]) -> Stretches:
    """List the stretches of an image, of at least one voxel, whose memory is contiguous."""
    depth, height, width = ids.shape
    rows = depth * height
    first = np.zeros(rows + 1, np.int64)
    start = np.empty(4 * rows + width + _BLOCK, np.int32)
    row = 0
    while (row := _list_stretches(ids.reshape(-1), width, row, first, start)) < rows:
        start = np.concatenate([start, np.empty(len(start) + width, np.int32)])
    return Stretches(first, start)


@jit_loop
def _list_stretches(ids: Any, width: Any, row: Any, first: Any, start: Any) -> Any:
    """List the stretches of rows from one on while there is room for another row; return the next.

    Where a block of voxels is not all like the one before, a place is written for each voxel, and kept if the voxel
    begins a stretch: a branch would be mispredicted at each.
    """
    rows = len(first) - 1
    while row < rows:
        count = first[row]
        if count + width + _BLOCK > len(start):
            return row
        begin = row * width
        before = ids[begin]
        start[count] = 0
        count += 1
        x = 1
        while x + _BLOCK <= width:
            differs = ids[begin + x] ^ before
            for k in range(1, _BLOCK):
                differs |= ids[begin + x + k] ^ before
            if differs:
                for k in range(_BLOCK):
                    own = ids[begin + x + k]
                    start[count] = x + k
                    count += int(own != before)
                    before = own
            x += _BLOCK
        while x < width:
            own = ids[begin + x]
            start[count] = x
            count += int(own != before)
            before = own
            x += 1
        row += 1
        first[row] = count
    return row


@jit_inline
def end_of(k: Any, last: Any, start: Any, width: Any) -> Any:
    """Return one past the last voxel of stretch k of a row whose stretches end before ``last``."""
    return start[k + 1] if k + 1 < last else width


@jit_loop
def join_rows(ids: Any, width: Any, first: Any, start: Any, parent: Any, row: Any, before: Any, reach: Any) -> Any:
    """Join stretches of the foreground in two rows that have the same id and overlap.

    With a reach of 1, across a diagonal, too: one stretch then ends where another begins, and so where their
    neighbours in the rows begin and end.
    """
    a, last_a, b, last_b = first[row], first[row + 1], first[before], first[before + 1]
    begin_a, begin_b = row * width, before * width
    while a < last_a and b < last_b:
        own, other = ids[begin_a + start[a]], ids[begin_b + start[b]]
        if own == other and own != 0:
            join(parent, a, b)
        end_a, end_b = end_of(a, last_a, start, width), end_of(b, last_b, start, width)
        if reach and end_a == end_b and end_a < width:
            if own != 0 and own == ids[begin_b + end_b]:
                join(parent, a, b + 1)
            if other != 0 and other == ids[begin_a + end_a]:
                join(parent, a + 1, b)
        a += int(end_a <= end_b)
        b += int(end_b <= end_a)


@jit_loop
def join_with_all_before(  # noqa: C901 -- one loop: what it remembers would not fit the call of another function
    ids: Any, shape: Any, first: Any, start: Any, parent: Any, z: Any, y: Any
) -> Any:
    """Join the stretches of row (z, y), z > 0, with all 26-neighbours in the rows before.

    Let a voxel have the id of the one in front, at (z - 1, y, x). Of the neighbours that come before it, all are
    neighbours of that one, too, and those of its id have been joined with it. So nothing but places where the id
    differs from that in front has to be looked at; that is little of smooth objects. And of two voxels in a stretch,
    the second has only one column of new neighbours, at x + 1.

    Where another stretch of the id has been found in a row before, the row is not looked at again until that ends.
    """
    width, height = shape[2], shape[1]
    row, front = z * height + y, (z - 1) * height + y
    begin, begin_front = row * width, front * width
    f, last_f, last = first[front], first[front + 1], first[row + 1]
    end_f = end_of(f, last_f, start, width)
    has_above, has_below = y > 0, y + 1 < height
    for a in range(first[row], last):
        x, end = np.int64(start[a]), np.int64(end_of(a, last, start, width))
        own = ids[begin + x]
        if own == 0:
            continue
        root = a
        while end_f <= x:
            f += 1
            end_f = end_of(f, last_f, start, width)
        north, above, beside, below = x - 1, x - 1, x - 1, x - 1  # where to go on looking, in each row
        while True:
            until = min(end, np.int64(end_f))
            if ids[begin_front + start[f]] == own:
                root = _unite(parent, root, f)
            else:
                low: Any = max(x - 1 if x == start[a] else x + 1, 0)
                high: Any = min(until + 1, width)
                for column in range(low, high):
                    if column >= beside and ids[begin_front + column] == own:
                        k = _stretch_at(first, start, front, column)
                        root, beside = _unite(parent, root, k), end_of(k, first[front + 1], start, width)
                    if has_above:
                        if column >= north and ids[begin - width + column] == own:
                            k = _stretch_at(first, start, row - 1, column)
                            root, north = _unite(parent, root, k), end_of(k, first[row], start, width)
                        if column >= above and ids[begin_front - width + column] == own:
                            k = _stretch_at(first, start, front - 1, column)
                            root, above = _unite(parent, root, k), end_of(k, first[front], start, width)
                    if has_below and column >= below and ids[begin_front + width + column] == own:
                        k = _stretch_at(first, start, front + 1, column)
                        root, below = _unite(parent, root, k), end_of(k, first[front + 2], start, width)
            x = until
            if x >= end:
                break
            f += 1
            end_f = end_of(f, last_f, start, width)


@jit_inline
def _unite(parent: Any, root: Any, k: Any) -> Any:
    """Make the components of a root and of stretch k one; return the root of both."""
    other = k
    while parent[other] != other:
        other = parent[other]
    if other == root:
        return root
    first, second = min(root, other), max(root, other)
    parent[second] = first
    parent[k] = first
    return first


@jit_loop
def _stretch_at(first: Any, start: Any, row: Any, x: Any) -> Any:
    """Return the stretch at x of a row: the last that begins there or before."""
    low, high = first[row], first[row + 1]
    while high - low > 1:
        middle = (low + high) // 2
        if start[middle] <= x:
            low = middle
        else:
            high = middle
    return low
