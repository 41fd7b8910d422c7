"""Connected components of one image or volume, as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, jit_loop
from monai_topoloss.backends.cpu.bits import pack
from monai_topoloss.backends.cpu.counting import label_mask
from monai_topoloss.backends.cpu.runs import join, rows_before
from monai_topoloss.backends.cpu.stretches import end_of, find_stretches, join_rows, join_with_all_before

_COMPILED = (np.dtype(np.uint8), np.dtype(np.int32), np.dtype(np.int64))  # one kernel for each


def as_keys(ids: NDArray[Any], factor: int = 1) -> NDArray[Any]:
    """Return ids, which are 0 for background and above elsewhere, times 1 or 2 as keys: in uint8 or int32."""
    highest = int(ids.max(initial=0))
    if highest <= 63:
        return ids.astype(np.uint8) * np.uint8(factor)
    if highest >= 2**30:
        ids = np.searchsorted(np.unique(np.append(ids, 0)), ids)
    return ids.astype(np.int32) * np.int32(factor)


def label_components(ids: NDArray[Any], out: NDArray[np.int32], connectivity: int) -> int:
    """Number the components of equal ids from 1 on, in raster order, into zeros; return how many they are.

    Args:
        ids: bool or integers from 0 on, (Z, Y, X), 0 is background.
        out: int32 of the same shape, zeros.
        connectivity: 1 to 3; the connectivity of an image is that of a volume of one plane.
    """
    if ids.dtype == np.bool_ or (ids.dtype == np.uint8 and ids.max(initial=0) <= 1):
        return label_mask(*pack(ids, 1), connectivity, out)
    if ids.dtype not in _COMPILED:
        ids = ids.astype(np.int32 if ids.itemsize < 4 else np.int64)
    ids = np.ascontiguousarray(ids)
    return int(_label(ids.reshape(-1), ids.shape, *find_stretches(ids), out.reshape(-1), connectivity))


@jit
def _label(ids: Any, shape: Any, first: Any, start: Any, out: Any, connectivity: Any) -> Any:
    parent = np.arange(first[len(first) - 1], dtype=np.int32)
    _join_equal(ids, shape, first, start, connectivity, parent, np.empty((4, 2), np.int64))
    return _number(ids, shape[2], first, start, parent, out)


@jit_loop
def _join_equal(ids: Any, shape: Any, first: Any, start: Any, connectivity: Any, parent: Any, rows: Any) -> Any:
    for z in range(shape[0]):
        for y in range(shape[1]):
            row = z * shape[1] + y
            if first[row + 1] - first[row] == 1 and ids[row * shape[2]] == 0:
                continue
            if z > 0 and connectivity == 3:
                join_with_all_before(ids, shape, first, start, parent, z, y)
            else:
                for n in range(rows_before(z, y, shape[1], connectivity, rows)):
                    reach = int(connectivity > rows[n, 1])
                    join_rows(ids, shape[2], first, start, parent, row, rows[n, 0], reach)


@jit_loop
def _number(ids: Any, width: Any, first: Any, start: Any, parent: Any, out: Any) -> Any:
    """Write the number of its component at each voxel."""
    count = 0
    for row in range(len(first) - 1):
        last = first[row + 1]
        for k in range(first[row], last):
            if ids[row * width + start[k]] == 0:
                continue
            # A stretch points to itself or to one before it; those that came by hold minus their number.
            if parent[k] == k:
                count += 1
                number = count
            else:
                number = -parent[parent[k]]
            parent[k] = -number
            for i in range(row * width + start[k], row * width + end_of(k, last, start, width)):
                out[i] = number
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
