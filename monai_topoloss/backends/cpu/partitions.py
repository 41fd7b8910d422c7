"""Comparison of two partitions of an image into segments, as NumPy arrays.

All is computed from how many voxels each pair of segments has in common. The pairs are counted in one pass, in a hash
table: images are mostly stretches of one pair, which are counted at once, so that the table is asked once a stretch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, jit_loop

_EXACT = 2**31  # voxels up to which sums of squares fit int64
_FIRST_SIZE = 1 << 10  # of a hash table, a power of 2
_U = np.uint64
# Odd numbers that spread neighbouring ids over all bits: the golden ratio and a prime of xxHash.
_SPREAD, _SPREAD_TOO = _U(0x9E37_79B9_7F4A_7C15), _U(0xC2B2_AE3D_27D4_EB4F)


def compare_partitions(input: NDArray[Any], target: NDArray[Any], *, foreground_only: bool) -> NDArray[np.floating]:
    """Return H(input | target), H(target | input), the adapted Rand error, precision and recall."""
    return compare_pairs(*list_pairs(input, target, foreground_only=foreground_only), foreground_only=foreground_only)


def list_pairs(
    input: NDArray[Any], target: NDArray[Any], *, foreground_only: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """List pairs of ids as `count_pairs` does, of arrays of any shape and types."""
    inputs, targets, counts = count_pairs(*_alike(input, target), foreground_only)
    return inputs, targets, counts


def compare_pairs(
    inputs: NDArray[np.int64], targets: NDArray[np.int64], counts: NDArray[np.int64], *, foreground_only: bool
) -> NDArray[np.floating]:
    """Return what `compare_partitions` does, given pairs of ids and how many voxels each has, in any order."""
    order = np.lexsort((targets, inputs))  # one order of sums, so that the bits are the same in any
    inputs, targets, counts = inputs[order], targets[order], counts[order]
    total = int(counts.sum())
    if total == 0:
        return np.array([0.0, 0, 0, 1, 1])
    of_input, of_target = index_ids(inputs), index_ids(targets)
    sizes, true_sizes = (np.bincount(index, counts).astype(np.int64) for index in (of_input, of_target))
    shares = counts / total
    splits = -(shares @ np.log2(counts / true_sizes[of_target]))
    merges = -(shares @ np.log2(counts / sizes[of_input]))
    if foreground_only:  # each voxel of the input's background is a segment of its own, without a pair
        counts[inputs == 0], sizes[of_input[inputs == 0]] = 0, 0  # of a copy
    both, found, true = (_pairs_of_voxels(numbers, total) for numbers in (counts, sizes, true_sizes))
    error = 1 - 2 * both / (found + true) if found + true else 0.0
    precision, recall = both / found if found else 1.0, both / true if true else 1.0
    return np.array([max(splits, 0), max(merges, 0), error, precision, recall])


def _alike(input: NDArray[Any], target: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both as rows of one type: there is one kernel for uint8, one for int32 and one for int64."""
    if input.dtype == target.dtype == np.bool_:
        return input.reshape(-1).view(np.uint8), target.reshape(-1).view(np.uint8)
    common = np.result_type(input, target, np.uint8)
    if common != np.uint8:
        common = np.dtype(np.int32 if common.itemsize < 4 or common == np.int32 else np.int64)
    return (np.ascontiguousarray(input.reshape(-1), common), np.ascontiguousarray(target.reshape(-1), common))


def _pairs_of_voxels(sizes: NDArray[np.int64], total: int) -> float:
    """Return how many ordered pairs of two voxels there are in segments of these sizes."""
    numbers = sizes if total < _EXACT else sizes.astype(np.float64)
    return float(numbers @ (numbers - 1))


@jit
def count_pairs(input: Any, target: Any, foreground_only: Any) -> Any:
    """List the pairs of ids at the same place, and how often each is there; where ``target`` is not 0, or everywhere.

    Args:
        input: ids from 0 on, (N,).
        target: ids from 0 on, (N,), of the same type.
        foreground_only: leave out pairs whose second id is 0.

    Returns:
        The first ids, the second ids, and the counts: int64 (K,) each, in the order in which they come.
    """
    slots = np.full(_FIRST_SIZE, -1, np.int64)
    first, second = np.empty(_FIRST_SIZE // 2, np.int64), np.empty(_FIRST_SIZE // 2, np.int64)
    counts = np.zeros(_FIRST_SIZE // 2, np.int64)
    known, position = 0, 0
    while position < len(input):
        position, known = _count_until_full(
            input, target, foreground_only, position, slots, first, second, counts, known
        )
        if position < len(input):
            first, second, counts = _twice(first), _twice(second), _twice(counts)
            slots = np.full(2 * len(slots), -1, np.int64)
            _enter_all(slots, first, second, known)
    return first[:known].copy(), second[:known].copy(), counts[:known].copy()


@jit
def index_ids(ids: Any) -> Any:
    """Number the different ids of a row from 0 on, in the order in which they come: int64, of the same length."""
    slots = np.full(_FIRST_SIZE, -1, np.int64)
    known_ids = np.empty(len(ids), np.int64)
    index = np.empty(len(ids), np.int64)
    known = 0
    for k in range(len(ids)):
        if 2 * known >= len(slots):
            slots = np.full(2 * len(slots), -1, np.int64)
            _enter_all(slots, known_ids, known_ids, known)
        slot = _find(slots, known_ids, known_ids, ids[k], ids[k])
        if slots[slot] < 0:
            slots[slot], known_ids[known] = known, ids[k]
            known += 1
        index[k] = slots[slot]
    return index


@jit_loop
def _count_until_full(
    input: Any,
    target: Any,
    foreground_only: Any,
    position: Any,
    slots: Any,
    first: Any,
    second: Any,
    counts: Any,
    known: Any,
) -> Any:
    """Count pairs from a position on, until the table is half full; return the next position and how many are known."""
    end = len(input)
    while position < end:
        a, b = input[position], target[position]
        start = position
        position += 1
        while position < end and input[position] == a and target[position] == b:
            position += 1
        if foreground_only and b == 0:
            continue
        slot = _find(slots, first, second, np.int64(a), np.int64(b))
        k = slots[slot]
        if k < 0:
            if known == len(first):
                return start, known
            k = known
            slots[slot], first[k], second[k] = k, a, b
            known += 1
        counts[k] += position - start
    return position, known


@jit_loop
def _find(slots: Any, first: Any, second: Any, a: Any, b: Any) -> Any:
    """Return the slot of a pair, or the free one where it belongs; slots are at most half full."""
    mask = len(slots) - 1
    mixed = _U(a) * _SPREAD ^ _U(b) * _SPREAD_TOO
    slot = np.int64((mixed ^ (mixed >> _U(29))) * _SPREAD >> _U(32)) & mask
    while slots[slot] >= 0 and not (first[slots[slot]] == a and second[slots[slot]] == b):
        slot = (slot + 1) & mask
    return slot


@jit_loop
def _enter_all(slots: Any, first: Any, second: Any, known: Any) -> Any:
    """Enter what is known into empty slots."""
    for k in range(known):
        slots[_find(slots, first, second, first[k], second[k])] = k


@jit
def _twice(values: Any) -> Any:
    """Return an array of twice the length that begins with the values, and goes on with zeros."""
    longer = np.zeros(2 * len(values), np.int64)
    longer[: len(values)] = values
    return longer
