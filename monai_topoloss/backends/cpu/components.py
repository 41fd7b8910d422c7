"""Connected components of one image or volume, as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, jit_loop
from monai_topoloss.backends.cpu.runs import find_runs, join, list_meetings, rows_before


def as_keys(ids: NDArray[Any], factor: int = 1) -> NDArray[Any]:
    """Return ids, which are 0 for background and above elsewhere, times 1 or 2 as keys: in uint8 or int32."""
    highest = int(ids.max(initial=0))
    if highest <= 63:
        return ids.astype(np.uint8) * np.uint8(factor)
    if highest >= 2**30:
        ids = np.searchsorted(np.unique(np.append(ids, 0)), ids)
    return ids.astype(np.int32) * np.int32(factor)


def label_components(keys: NDArray[Any], out: NDArray[np.int32], connectivity: int) -> int:
    """Number the components of equal keys from 1 on, in raster order, into zeros; return how many they are.

    Args:
        keys: uint8 or int32, (Z, Y, X), 0 is background.
        out: int32 of the same shape, zeros.
        connectivity: 1 to 3; the connectivity of an image is that of a volume of one plane.
    """
    return int(_label(keys.shape, *find_runs(keys), out, connectivity))


@jit
def _label(shape: Any, first: Any, start: Any, end: Any, key: Any, out: Any, connectivity: Any) -> Any:
    parent = np.arange(len(start))
    rows, pairs = np.empty((4, 2), np.int64), np.empty((4 * shape[2] + 4, 2), np.int64)
    _join_equal(shape, first, start, end, key, connectivity, parent, rows, pairs)
    return _number(shape, first, start, end, parent, out)


@jit_loop
def _join_equal(
    shape: Any, first: Any, start: Any, end: Any, key: Any, connectivity: Any, parent: Any, rows: Any, pairs: Any
) -> Any:
    for z in range(shape[0]):
        for y in range(shape[1]):
            row = z * shape[1] + y
            if first[row] == first[row + 1]:
                continue
            for n in range(rows_before(z, y, shape[1], connectivity, rows)):
                before, reach = rows[n, 0], int(connectivity > rows[n, 1])
                count = list_meetings(
                    start, end, first[row], first[row + 1], first[before], first[before + 1], reach, pairs
                )
                for k in range(count):
                    a, b = pairs[k, 0], pairs[k, 1]
                    if key[a] == key[b]:
                        join(parent, a, b)


@jit_loop
def _number(shape: Any, first: Any, start: Any, end: Any, parent: Any, out: Any) -> Any:
    """Write the number of its component at each voxel."""
    count = 0
    for z in range(shape[0]):
        for y in range(shape[1]):
            row = z * shape[1] + y
            for k in range(first[row], first[row + 1]):
                # A run points to itself or to one before it; those that came by hold minus their number.
                if parent[k] == k:
                    count += 1
                    number = count
                else:
                    number = -parent[parent[k]]
                parent[k] = -number
                for x in range(start[k], end[k]):
                    out[z, y, x] = number
    return count


def label_affinities(affinity: NDArray[np.bool_], edges: NDArray[np.int64], out: NDArray[np.int32]) -> None:
    """Number the components of a graph of voxels from 1 on, in raster order, into zeros; single voxels stay 0.

    Args:
        affinity: (edges, Z, Y, X), whether a voxel is joined to the one an edge further, which may be outside.
        edges: (edges, 3), steps in z, y and x.
        out: int32, (Z, Y, X), zeros.
    """
    _label_graph(affinity, edges, out)


@jit
def _label_graph(affinity: Any, edges: Any, out: Any) -> Any:
    parent = np.arange(out.size)
    _join_affine(affinity, edges, parent, out.reshape(-1))
    _number_voxels(parent, out.reshape(-1))


@jit_loop
def _join_affine(affinity: Any, edges: Any, parent: Any, joined: Any) -> Any:
    depth, height, width = affinity.shape[1:]
    for e in range(len(edges)):
        dz, dy, dx = edges[e, 0], edges[e, 1], edges[e, 2]
        step = (dz * height + dy) * width + dx
        for z in range(max(0, -dz), min(depth, depth - dz)):
            for y in range(max(0, -dy), min(height, height - dy)):
                for x in range(max(0, -dx), min(width, width - dx)):
                    if affinity[e, z, y, x]:
                        i = (z * height + y) * width + x
                        join(parent, i, i + step)
                        joined[i], joined[i + step] = 1, 1


@jit_loop
def _number_voxels(parent: Any, out: Any) -> Any:
    count = 0
    for i in range(len(parent)):
        if out[i]:
            if parent[i] == i:
                count += 1
                out[i] = count
            else:
                out[i] = out[parent[i]]
