"""Connected components of one image or volume, as NumPy arrays.

Runs, stretches of equal ids along x, are joined with those of the rows before. What decides which runs meet is done on
words of 64 voxels: where two rows are equal, each stretch of bits within a run is a pair of runs, and the numbers of
these are counts of the bits before. So the cost per voxel is that of a few vector instructions, and a branch is
mispredicted once or twice a word and not at each run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import count_bits, jit, jit_inline, jit_loop, lowest_bit
from monai_topoloss.backends.cpu.rows import FILL, as_bits, fill, find_changes, find_equal, find_nonzero
from monai_topoloss.backends.cpu.runs import find_root, join

_U = np.uint64
_0, _1, _63 = (_U(i) for i in (0, 1, 63))


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
        ids: bool or integers, (Z, Y, X), contiguous; 0 is background.
        out: int32 of the same shape, contiguous, zeros.
        connectivity: 1 to 3; the connectivity of an image is that of a volume of one plane.
    """
    return int(_label(as_bits(ids), *ids.shape, connectivity, out.reshape(-1)))


@jit
def _label(image: Any, depth: Any, height: Any, width: Any, connectivity: Any, out: Any) -> Any:
    words = (width + 63) >> 6  # of a row
    starts, changes = np.empty(depth * height * words, np.uint64), np.empty(depth * height * words, np.uint64)
    first = np.empty(depth * height * words, np.int32)  # how many runs begin before a word
    parent = np.empty(len(image) // 64 + 2 * width, np.int32)
    own, nothing = np.empty(words, np.uint64), np.zeros(words, np.uint64)
    north, front = np.zeros(words, np.uint64), np.zeros(words, np.uint64)
    beside, between = np.zeros(words, np.uint64), np.zeros(words, np.uint64)
    runs: Any = 0
    for row in range(depth * height):
        if runs + width > len(parent):
            longer = np.empty(2 * len(parent), np.int32)
            longer[:runs] = parent[:runs]
            parent = longer
        found = _list_runs(image, row, width, own, starts, changes, first, parent, runs)
        if found > runs:
            runs = found
            _join_row(
                image, row, height, width, connectivity, own, starts, changes, first, parent,
                nothing, north, front, beside, between,
            )  # fmt: skip
    count = _number(parent, runs)
    _write(starts, changes, first, parent, width, words, out)
    return count


@jit_loop
def _list_runs(
    image: Any, row: Any, width: Any, own: Any, starts: Any, changes: Any, first: Any, parent: Any, runs: Any
) -> Any:
    """Find what of a row is not 0, where it changes and where runs begin; return how many there are up to its end."""
    at = row * len(own)
    if not find_nonzero(image, row * width, width, own):
        for w in range(len(own)):
            starts[at + w], changes[at + w], first[at + w] = _0, _1, runs
        return runs
    find_changes(image, row * width, width, own, changes, at)
    for w in range(len(own)):
        starts[at + w], first[at + w] = own[w] & changes[at + w], runs
        end = runs + np.int64(count_bits(starts[at + w]))
        for k in range(runs, end):
            parent[k] = k
        runs = end
    return runs


@jit_loop
def _join_row(
    image: Any,
    row: Any,
    height: Any,
    width: Any,
    connectivity: Any,
    own: Any,
    starts: Any,
    changes: Any,
    first: Any,
    parent: Any,
    nothing: Any,
    north: Any,
    front: Any,
    beside: Any,
    between: Any,
) -> Any:
    """Join the runs of a row with those of the rows before.

    Pairs with rows further away are left out where a row between is equal to both: they are joined already.
    """
    y = row % height
    near = connectivity == 3
    reach = connectivity > 1
    if y > 0:
        _join_rows(
            image, row, row - 1, width, own, starts, changes, first, parent, nothing, north, near, reach
        )
    else:
        north[:] = _0
    if row < height:
        return
    for w in range(len(own)):  # with the smallest connectivity, two rows have to be equal: north and north of the front
        between[w] = north[w] & front[w] if connectivity == 1 else north[w]
    _join_rows(image, row, row - height, width, own, starts, changes, first, parent, between, front, near, reach)
    if connectivity > 1:
        if y > 0:
            for w in range(len(own)):
                between[w] = north[w] | front[w]
            _join_rows(
                image, row, row - height - 1, width, own, starts, changes, first, parent, between, beside, True, near
            )
        if y + 1 < height:
            _join_rows(
                image, row, row - height + 1, width, own, starts, changes, first, parent, front, beside, True, near
            )


@jit_loop
def _join_rows(
    image: Any,
    row: Any,
    other: Any,
    width: Any,
    own: Any,
    starts: Any,
    changes: Any,
    first: Any,
    parent: Any,
    between: Any,
    equal: Any,
    wide: Any,
    diagonal: Any,
) -> Any:
    """Join the runs of two rows that overlap, or with ``diagonal`` meet across one; set the bits of where they are equal.

    Pairs are left out that begin where there is something between, ``wide`` also at most a voxel from there.
    """
    find_equal(image, row * width, image, other * width, width, own, equal, 0)
    a, b = row * len(own), other * len(own)
    equal_before, between_before = _0, _0  # the word before's, of which the last bit counts
    for w in range(len(own)):
        equal[w] &= own[w]
        alike, done = equal[w], between[w]
        shifted = (alike << _1) | (equal_before >> _63)
        done_shifted = (done << _1) | (between_before >> _63)
        equal_before, between_before = alike, done
        pairs = alike & (~shifted | changes[a + w]) & ~done
        if wide:
            pairs &= ~((done_shifted & ~changes[a + w]) | ((done & ~changes[a + w]) >> _1))
        if pairs:
            _join_at(pairs, _1, _1, a + w, b + w, starts, first, parent)
        if diagonal:
            apart = ~(alike | shifted)
            if w == 0:
                apart &= ~_1
            ends = changes[a + w] & starts[b + w] & apart  # one run ends, the other begins
            begins = starts[a + w] & changes[b + w] & apart
            if wide:
                ends &= ~done_shifted
                begins &= ~done
            if ends:
                ends = _select(image, ends, row * width + 64 * w - 1, other * width + 64 * w)
                _join_at(ends, _0, _1, a + w, b + w, starts, first, parent)
            if begins:
                begins = _select(image, begins, row * width + 64 * w, other * width + 64 * w - 1)
                _join_at(begins, _1, _0, a + w, b + w, starts, first, parent)


@jit_loop
def _select(image: Any, places: Any, i: Any, j: Any) -> Any:
    """Return those of some places that are equal in two stretches of an image."""
    rest, found = places, _0
    while rest:
        x = lowest_bit(rest)
        rest &= rest - _1
        found |= _U(image[i + np.int64(x)] == image[j + np.int64(x)]) << x
    return found


@jit_loop
def _join_at(places: Any, at_a: Any, at_b: Any, a: Any, b: Any, starts: Any, first: Any, parent: Any) -> Any:
    """Join the runs of words a and b that are at some places, or where ``at_a`` or ``at_b`` is 0 instead of 1, a voxel before."""
    while places:
        place = places & (~places + _1)
        places ^= place
        i = first[a] - 1 + np.int64(count_bits(starts[a] & ((place << at_a) - _1)))
        j = first[b] - 1 + np.int64(count_bits(starts[b] & ((place << at_b) - _1)))
        join(parent, i, j)


@jit_loop
def _number(parent: Any, runs: Any) -> Any:
    """Replace what runs point to, which is themselves or a run before them, by numbers of components; count these."""
    count = 0
    for k in range(runs):
        if parent[k] == k:
            count += 1
            parent[k] = count
        else:
            parent[k] = parent[parent[k]]
    return count


@jit_loop
def _write(
    starts: Any, changes: Any, first: Any, number: Any, width: Any, words: Any, out: Any
) -> Any:
    """Write the number of its run at each voxel, into zeros.

    Whole vectors are written, beyond the ends of runs too. What is there is written afterwards: by the next run, or
    zeros by this one.
    """
    for row in range(len(out) // width):
        is_open, begin, run = False, 0, 0
        for w in range(words):
            k = row * words + w
            bits, is_start = changes[k], starts[k]
            if is_start:
                run = first[k]
            while bits:
                lowest = bits & (~bits + _1)
                x = 64 * w + np.int64(lowest_bit(bits))
                bits ^= lowest
                if is_open:
                    _write_run(out, row * width + begin, row * width + min(x, width), number[run - 1])
                is_open = is_start & lowest != _0
                if is_open:
                    begin = x
                    run += 1
        if is_open:
            _write_run(out, row * width + begin, (row + 1) * width, number[run - 1])


@jit_loop
def _write_run(out: Any, begin: Any, end: Any, number: Any) -> Any:
    if end + 2 * FILL > len(out):
        for i in range(begin, end):
            out[i] = number
        return
    for i in range(begin, end, FILL):
        fill(out, i, number)
    fill(out, end, np.int32(0))


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
