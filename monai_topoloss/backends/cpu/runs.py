"""Connected components of runs: stretches of equal keys along x, the units of labelling.

Keys are small numbers, one for each voxel; 0 is background. Runs are joined with those of the rows before, never voxel
with voxel, so that the cost follows the number of runs. Rows at (dz, dy) are neighbours under a connectivity of at
least ``|dz| + |dy|``, and under one more also across a diagonal in x.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.sizes import type_of_numbers
from monai_topoloss.backends.cpu._numba import jit_inline, jit_loop, lowest_bit

_1 = np.uint64(1)


class Runs(NamedTuple):
    """The runs of keys (Z, Y, X), in raster order."""

    first: NDArray[np.int64]  # the first run of each row, and one past the last
    start: NDArray[Any]  # in x; of the type of numbers of runs, int32 or int64
    end: NDArray[Any]  # one past the last voxel
    key: NDArray[Any]


def find_runs(keys: NDArray[Any]) -> Runs:
    """List the runs of keys (Z, Y, X) other than 0."""
    changes = np.ones(keys.shape, np.bool_)  # the first voxel of a row counts as a change
    np.not_equal(keys[..., 1:], keys[..., :-1], out=changes[..., 1:])
    bits = np.packbits(changes.reshape(-1), bitorder="little")
    bits = np.append(bits, np.zeros(-len(bits) % 8, np.uint8)).view("<u8").astype(np.uint64, copy=False)
    np.logical_and(changes, keys, out=changes)
    count, dtype = np.count_nonzero(changes), type_of_numbers(keys.size)
    first = np.zeros(keys.shape[0] * keys.shape[1] + 1, np.int64)
    runs = Runs(first, np.empty(count, dtype), np.empty(count, dtype), np.empty(count, keys.dtype))
    _list_runs(bits, keys.reshape(-1), keys.shape[2], *runs)
    return runs


@jit_loop
def _list_runs(bits: Any, keys: Any, width: Any, first: Any, start: Any, end: Any, key: Any) -> Any:
    count, row, is_open = 0, 0, False
    for block in range(len(bits)):
        rest = bits[block]
        while rest:
            position = 64 * block + np.int64(lowest_bit(rest))
            rest &= rest - _1
            if is_open:
                end[count - 1] = position - row * width  # the width itself where the next row begins
            if position >= (row + 1) * width:
                row += 1
                first[row] = count
            is_open = keys[position] != 0
            if is_open:
                start[count], key[count] = position - row * width, keys[position]
                count += 1
    if is_open:
        end[count - 1] = width
    first[row + 1] = count


@jit_loop
def find_root(parent: Any, k: Any) -> Any:
    """Return the first run of the component of run k; on the way, halve the path."""
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@jit_loop
def join(parent: Any, a: Any, b: Any) -> Any:
    """Make the components of runs a and b one."""
    a, b = find_root(parent, a), find_root(parent, b)
    if a < b:
        parent[b] = a
    else:
        parent[a] = b


@jit_inline
def meet(start: Any, end: Any, a: Any, b: Any, reach: Any) -> Any:
    """Whether runs of two rows overlap in x, or come within ``reach`` voxels of that."""
    return start[a] < end[b] + reach and start[b] < end[a] + reach


@jit_loop
def list_meetings(start: Any, end: Any, a: Any, last_a: Any, b: Any, last_b: Any, reach: Any, pairs: Any) -> Any:
    """List the pairs of runs of two rows that `meet`, for a reach of 0 or 1; return how many they are.

    Args:
        start: where runs start.
        end: where runs end.
        a: first run of a row.
        last_a: one past its last run.
        b: first run of the other row.
        last_b: one past its last run.
        reach: 0 or 1.
        pairs: (n, 2), is written to. There are less than two pairs for each run.
    """
    count = 0
    while a < last_a and b < last_b:
        if meet(start, end, a, b, reach):
            pairs[count, 0], pairs[count, 1] = a, b
            count += 1
        if end[a] < end[b]:
            a += 1
        elif end[a] > end[b]:
            b += 1
        else:  # each may still meet the other's next across a diagonal
            if a + 1 < last_a and meet(start, end, a + 1, b, reach):
                pairs[count, 0], pairs[count, 1] = a + 1, b
                count += 1
            b += 1
    return count


@jit_loop
def rows_before(z: Any, y: Any, height: Any, connectivity: Any, rows: Any) -> Any:
    """List the rows before row (z, y) that are its neighbours: index and distance; return how many they are.

    Their runs meet within a reach of 1 where the connectivity is more than the distance, else of 0.
    """
    count = 0
    if y > 0:
        rows[count, 0], rows[count, 1] = z * height + y - 1, 1
        count += 1
    if z > 0:
        rows[count, 0], rows[count, 1] = (z - 1) * height + y, 1
        count += 1
        if connectivity > 1:
            for beside in (y - 1, y + 1):
                if 0 <= beside < height:
                    rows[count, 0], rows[count, 1] = (z - 1) * height + beside, 2
                    count += 1
    return count
