"""Connected components of runs: stretches of equal keys along x, the units of labelling.

Keys are small numbers, one for each voxel; 0 is background. Runs are joined with those of the rows before, never voxel
with voxel, so that the cost follows the number of runs. Rows at (dz, dy) are neighbours under a connectivity of at
least ``|dz| + |dy|``, and under one more also across a diagonal in x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monai_topoloss.backends.cpu._numba import jit, jit_inline, jit_loop


@jit
def find_runs(keys: Any) -> Any:
    """List the runs of keys (Z, Y, X): where they start and end in x, their keys, and the first run of each row."""
    first = np.zeros(keys.shape[0] * keys.shape[1] + 1, np.int64)
    _count_runs(keys, first)
    count = first[-1]
    start, end, key = np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, keys.dtype)
    _list_runs(keys, first, np.empty(keys.shape[2] + 1, np.int32), start, end, key)
    return first, start, end, key


@jit_loop
def _count_runs(keys: Any, first: Any) -> Any:
    depth, height, width = keys.shape
    for z in range(depth):
        for y in range(height):
            line = keys[z, y]
            count = int(line[0] != 0)
            for x in range(1, width):
                count += int(line[x] != line[x - 1]) & int(line[x] != 0)
            first[z * height + y + 1] = first[z * height + y] + count


@jit_loop
def _list_runs(keys: Any, first: Any, changes: Any, start: Any, end: Any, key: Any) -> Any:
    depth, height, width = keys.shape
    for z in range(depth):
        for y in range(height):
            k, line = first[z * height + y], keys[z, y]
            if k == first[z * height + y + 1]:
                continue
            changes[0], count = 0, 1
            for x in range(1, width):  # without a branch, which noise would have mispredicted
                changes[count] = x
                count += int(line[x] != line[x - 1])
            changes[count] = width
            for n in range(count):
                if line[changes[n]] != 0:
                    start[k], end[k], key[k] = changes[n], changes[n + 1], line[changes[n]]
                    k += 1


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
