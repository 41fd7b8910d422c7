"""Mistakes in a part of a volume, and what they touch: what `monai_topoloss.backends.cpu.critical` needs to judge them.

A part cannot tell which mistakes are critical. It can tell which of its runs are one, and which mistakes touch which
remainders; from all parts, that is known of the whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, jit_loop
from monai_topoloss.backends.cpu.critical import INVENTED, are_of_one_object, join_neighbours_in_rows, join_rows
from monai_topoloss.backends.cpu.runs import Runs, find_root, find_runs

# Of keys, the bits that say whose voxel it is.
_OBJECT = {np.dtype(np.uint8): 0x7E, np.dtype(np.int64): 2**63 - 2}


class Mistakes(NamedTuple):
    """Components of mistakes and of remainders."""

    runs: Runs
    shape: tuple[int, int, int]
    number: NDArray[np.int32]  # of the component of each run, from 1 on in raster order
    n_components: int
    touching: NDArray[np.int64]  # numbers of mistakes and of remainders of their object that touch, (K, 2)


def find_mistakes(
    keys: NDArray[Any], object_connectivity: int, mistake_connectivity: int, *, as_released: bool
) -> Mistakes:
    """Find the components of keys, uint8 or int64 (Z, Y, X), as `monai_topoloss.backends.cpu.critical` does."""
    runs = find_runs(keys)
    of_object = keys.dtype.type(_OBJECT[keys.dtype])
    number, n_components, pairs = _find(
        keys.shape, *runs, of_object, object_connectivity, mistake_connectivity, as_released
    )
    pairs = np.unique(number[pairs[:, 0]].astype(np.int64) << 32 | number[pairs[:, 1]])  # as one number each
    touching = np.stack([pairs >> 32, pairs & 0xFFFF_FFFF], axis=1)
    return Mistakes(runs, keys.shape, number, n_components, touching)


@jit
def _find(
    shape: Any,
    first: Any,
    start: Any,
    end: Any,
    key: Any,
    of_object: Any,
    object_connectivity: Any,
    mistake_connectivity: Any,
    as_released: Any,
) -> Any:
    """Number the components of runs, and list the runs that touch: a mistake and a remainder each."""
    parent = np.arange(len(start))
    rows, pairs = np.empty((4, 2), np.int64), np.empty((4 * shape[2] + 4, 2), np.int64)
    if as_released:
        join_neighbours_in_rows(first, start, end, key, parent)
    touching = np.empty((2 * len(start), 2), np.int32)
    found = join_rows(
        shape, first, start, end, key, of_object, object_connectivity, mistake_connectivity, as_released, parent,
        rows, pairs, touching,
    )  # fmt: skip
    if found > len(touching):  # once more, with more room
        touching = np.empty((found, 2), np.int32)
        found = join_rows(
            shape, first, start, end, key, of_object, object_connectivity, mistake_connectivity, as_released, parent,
            rows, pairs, touching,
        )  # fmt: skip
    all_touching = np.empty((found + len(start), 2), np.int32)
    all_touching[:found] = touching[:found]
    found = _list_in_rows(first, start, end, key, of_object, all_touching, found)
    number = np.empty(len(start), np.int32)
    return number, _number(parent, number), all_touching[:found]


@jit_loop
def _list_in_rows(first: Any, start: Any, end: Any, key: Any, of_object: Any, touching: Any, found: Any) -> Any:
    """List what touches within a row too."""
    for row in range(len(first) - 1):
        for a in range(first[row], first[row + 1] - 1):
            if end[a] == start[a + 1] and are_of_one_object(key, of_object, a, a + 1):
                odd = int(key[a] & 1)
                touching[found, 0], touching[found, 1] = a + 1 - odd, a + odd
                found += 1
    return found


@jit_loop
def _number(parent: Any, number: Any) -> Any:
    count = 0
    for k in range(len(parent)):
        root = find_root(parent, k)
        if root == k:
            count += 1
            number[k] = count
        else:
            number[k] = number[root]
    return count


def list_firsts(mistakes: Mistakes) -> NDArray[np.int64]:
    """Return the first voxel of each component, in raster order."""
    firsts = np.empty(mistakes.n_components, np.int64)
    _list_firsts(mistakes.runs.first, mistakes.runs.start, mistakes.number, mistakes.shape[2], firsts)
    return firsts


@jit_loop
def _list_firsts(first: Any, start: Any, number: Any, width: Any, firsts: Any) -> Any:
    found = 0
    for row in range(len(first) - 1):
        for k in range(first[row], first[row + 1]):
            if number[k] > found:
                firsts[found] = row * width + start[k]
                found += 1


def label(mistakes: Mistakes) -> NDArray[np.int32]:
    """Return the number of its component at each voxel, (Z, Y, X)."""
    labels = np.zeros(mistakes.shape, np.int32)
    rows = labels.reshape(-1, mistakes.shape[2])
    _write(mistakes.runs.first, mistakes.runs.start, mistakes.runs.end, mistakes.number, np.arange(len(rows)), rows)
    return labels


def label_face(mistakes: Mistakes, axis: int, index: int) -> NDArray[np.int32]:
    """Return the numbers of the first or the last plane along an axis: index 0 or -1."""
    depth, height, width = mistakes.shape
    runs = mistakes.runs
    rows = np.arange(depth * height).reshape(depth, height)
    if axis == 2:
        face = np.zeros((depth, height), np.int32)
        x = 0 if index == 0 else width - 1
        _write_column(runs.first, runs.start, runs.end, mistakes.number, x, face.reshape(-1))
        return face
    some = np.ascontiguousarray(rows[index] if axis == 0 else rows[:, index])
    face = np.zeros((len(some), width), np.int32)
    _write(runs.first, runs.start, runs.end, mistakes.number, some, face)
    return face


@jit_loop
def _write(first: Any, start: Any, end: Any, number: Any, rows: Any, out: Any) -> Any:
    """Write numbers of the runs of some rows."""
    for i in range(len(rows)):
        for k in range(first[rows[i]], first[rows[i] + 1]):
            for x in range(start[k], end[k]):
                out[i, x] = number[k]


@jit_loop
def _write_column(first: Any, start: Any, end: Any, number: Any, x: Any, out: Any) -> Any:
    """Write the number at voxel x, the first or the last one, of each row."""
    for row in range(len(first) - 1):
        if first[row] < first[row + 1]:
            k = first[row] if x == 0 else first[row + 1] - 1
            if start[k] <= x < end[k]:
                out[row] = number[k]


def mark(
    mistakes: Mistakes, is_critical: NDArray[np.bool_], missed: NDArray[np.bool_], invented: NDArray[np.bool_]
) -> None:
    """Mark critical components in zeros, (Z, Y, X): what is invented, in keys of masks, in those of its own."""
    masks = (mask.reshape(-1, mistakes.shape[2]) for mask in (missed, invented))
    _mark(*mistakes.runs, mistakes.number, is_critical, *masks)


@jit_loop
def _mark(first: Any, start: Any, end: Any, key: Any, number: Any, is_critical: Any, missed: Any, invented: Any) -> Any:
    for row in range(len(first) - 1):
        for k in range(first[row], first[row + 1]):
            if is_critical[number[k] - 1]:
                mask = invented if key[k] == INVENTED else missed
                mask[row, start[k] : end[k]] = True
