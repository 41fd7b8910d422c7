"""Connected components of one image or volume, as NumPy arrays.

Runs, stretches of equal ids along x, are joined with those of the rows before. What decides which runs meet is done on
words of 64 voxels: where two rows are equal, each stretch of bits within a run is a pair of runs, and the numbers of
these are counts of the bits before. So the cost per voxel is that of a few vector instructions, and a branch is
mispredicted once or twice a word and not at each run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.sizes import type_of_numbers
from monai_topoloss.backends.cpu._numba import count_bits, jit_inline, jit_loop, lowest_bit
from monai_topoloss.backends.cpu.roots import find_root
from monai_topoloss.backends.cpu.rows import FILL, as_bits, equal_word, fill, narrow, nonzero_word

_U = np.uint64
_0, _1, _63 = (_U(i) for i in (0, 1, 63))
_BLOCK = 65536  # voxels whose runs there has to be room for, and
_MARGIN = 4  # more


class Pieces(NamedTuple):
    """Runs of an image, and which component each is of."""

    words: NDArray[np.uint64]  # of each row, see `_join_rows`
    number: NDArray[Any]  # of each run, from 1 on in raster order: int32, or int64 if there may be too many
    n_components: int
    shape: tuple[int, int, int]


def label_components(ids: NDArray[Any], out: NDArray[Any], connectivity: int, highest: int | None = None) -> int:
    """Number the components of equal ids from 1 on, in raster order, into zeros; return how many they are.

    Args:
        ids: see `find_pieces`.
        out: int32 or int64, as numbers of its voxels need, of the same shape, contiguous, zeros.
        connectivity: see `find_pieces`.
        highest: see `find_pieces`.
    """
    pieces = find_pieces(ids, connectivity, highest)
    write(pieces, pieces.number, out)
    return pieces.n_components


def find_pieces(ids: NDArray[Any], connectivity: int, highest: int | None = None) -> Pieces:
    """Join the runs of equal ids.

    Args:
        ids: bool or integers, (Z, Y, X), contiguous; 0 is background.
        connectivity: 1 to 3; the connectivity of an image is that of a volume of one plane.
        highest: no id is above, if that is known.
    """
    image = as_bits(ids)
    depth, height, width = ids.shape
    n_rows = depth * height
    step = 1 + _BLOCK // max(width, 1)
    is_copied = image.itemsize > 2 and highest is not None and highest < 2**16
    rows, kept = image, n_rows
    if is_copied:  # comparing words of uint16 takes a fifth of the time, and those of two planes stay in the cache
        kept = min(step + (height + 1 if depth > 1 else 1), n_rows)
        rows = np.empty(kept * width, np.uint16)
    size = (width + 63) >> 6  # words of a row
    words = np.empty(3 * n_rows * size, np.uint64)
    dtype = type_of_numbers(ids.size)
    parent = np.empty(len(image) // 32 + _MARGIN, dtype)
    scratch = np.zeros(3 * size, np.uint64)
    runs = 0
    for begin in range(0, n_rows, step):
        end = min(begin + step, n_rows)
        if runs + (end - begin) * width + _MARGIN > len(parent):
            parent = np.concatenate([parent[:runs], np.empty(len(parent) + step * width + _MARGIN, dtype)])
        if is_copied:
            _copy_rows(image, rows, kept, begin, end, width)
        runs = _join_rows(rows, kept, begin, end, height, width, connectivity, words, parent, scratch, runs)
    count = int(_number(parent, runs))
    return Pieces(words, parent[:runs], count, (depth, height, width))


def write(pieces: Pieces, number: NDArray[Any], out: NDArray[Any]) -> None:
    """Write a number of each run into zeros of the same type, (Z, Y, X), contiguous."""
    _write(pieces.words, number, pieces.shape[2], out.reshape(-1))


def write_face(pieces: Pieces, axis: int, index: int) -> NDArray[Any]:
    """Return the numbers of the first or the last plane along an axis: index 0 or -1."""
    depth, height, width = pieces.shape
    rows = pieces.words.reshape(depth, height, 3 * ((width + 63) >> 6))
    if axis == 2:
        face = np.zeros((depth, height), pieces.number.dtype)
        _write_column(pieces.words, pieces.number, width, 0 if index == 0 else width - 1, face.reshape(-1))
        return face
    some = np.ascontiguousarray(rows[index] if axis == 0 else rows[:, index])
    face = np.zeros((len(some), width), pieces.number.dtype)
    _write(some.reshape(-1), pieces.number, width, face.reshape(-1))
    return face


def list_firsts(pieces: Pieces) -> NDArray[np.int64]:
    """Return the first voxel of each component, in raster order."""
    firsts = np.empty(pieces.n_components, np.int64)
    _list_firsts(pieces.words, pieces.number, pieces.shape[2], firsts)
    return firsts


@jit_loop
def _copy_rows(image: Any, rows: Any, kept: Any, begin: Any, end: Any, width: Any) -> Any:
    """Copy rows of an image to where there is room for so many of them."""
    for row in range(begin, end):
        narrow(image, row * width, rows, row % kept * width, width)


@jit_loop
def _join_rows(
    image: Any,
    kept: Any,
    begin: Any,
    end: Any,
    height: Any,
    width: Any,
    connectivity: Any,
    words: Any,
    parent: Any,
    scratch: Any,
    runs: Any,
) -> Any:
    """List the runs of some rows, and join them with those of the rows before; return how many there are by then.

    Of each word of a row are kept: where runs begin, where ids change, and how many runs there are before. The scratch
    holds, of the current row, what is not 0, and where it is equal to the row north of it and to the one in front.
    """
    size = (width + 63) >> 6
    for row in range(begin, end):
        found = _list_runs(image, row % kept * width, width, words, 3 * row * size, scratch, parent, runs)
        if found > runs:
            runs = found
            y = row % height
            if y == 0:
                for w in range(size):
                    scratch[size + w] = _0
            for n in range(int(y == 0), 4 if connectivity > 1 else 2):
                if n > 0 and (row < height or (n == 2 and y == 0) or (n == 3 and y == height - 1)):
                    continue
                _join(image, kept, row, row - _step(n, height), n, width, connectivity, words, parent, scratch)
    return runs


@jit_inline
def _step(n: Any, height: Any) -> Any:
    """Return how far the row north, in front, north of that or south of that is."""
    return 1 if n == 0 else height + (n == 2) - (n == 3)


@jit_inline
def _list_runs(image: Any, i: Any, width: Any, words: Any, at: Any, own: Any, parent: Any, runs: Any) -> Any:
    """Find what of a row is not 0, where it changes and where runs begin; return how many there are up to its end."""
    before = _0
    for w in range((width + 63) >> 6):
        present = nonzero_word(image, i, w, width)
        own[w] = present
        k = at + 3 * w
        words[k], words[k + 1], words[k + 2] = _0, _1, _U(runs)
        if present:
            alike = equal_word(image, i, i + 1, w, width - 1)
            changes = ~((alike << _1) | before)  # also beyond the end
            words[k], words[k + 1] = present & changes, changes
            last = runs + np.int64(count_bits(present & changes))
            for run in range(runs, last, _MARGIN):
                for k in range(_MARGIN):  # more than there are, perhaps: a loop of known length
                    parent[run + k] = run + k
            runs = last
            before = alike >> _63
        else:
            before = _0
    return runs


@jit_inline
def _join(  # noqa: C901 -- one loop over words, each of which carries bits to the next
    image: Any,
    kept: Any,
    row: Any,
    other: Any,
    n: Any,
    width: Any,
    connectivity: Any,
    words: Any,
    parent: Any,
    scratch: Any,
) -> Any:
    """Join the runs of a row and one before it that overlap, or if the connectivity wants it meet across a diagonal.

    Pairs are left out where a row between is equal to both: they are joined already.
    """
    size = (width + 63) >> 6
    diagonal = connectivity > 1 + int(n > 1)
    wide = connectivity == 3 or n > 1  # what is a voxel beside is between as well
    here, there = row % kept * width, other % kept * width
    use_north, use_front = _U(n == 1 or n == 2) * ~_0, _U(n > 1) * ~_0
    alike_before, between_before, open_before = _0, _0, _0
    for w in range(size):
        present = scratch[w]
        nothing = present | open_before == _0  # a run of the word before may end where one of the other row begins
        open_before = present >> _63
        if nothing:
            if n < 2:
                scratch[size * (n + 1) + w] = _0
            alike_before, between_before = _0, _0
            continue
        between = (scratch[size + w] & use_north) | (scratch[2 * size + w] & use_front)
        if connectivity == 1 and n == 1:  # two steps: the row north, and the one in front of that
            between &= scratch[2 * size + w]  # of the row north, as yet
        a, b = 3 * (row * size + w), 3 * (other * size + w)
        changes = words[a + 1]
        between_shifted = (between << _1) | between_before
        between_before = between >> _63
        pairs, ends, begins = present & ~between, _0, _0
        if wide:
            pairs &= ~((between_shifted & ~changes) | ((between & ~changes) >> _1))
        if diagonal:
            ends, begins = changes & words[b], words[a] & words[b + 1]
            if w == 0:
                ends, begins = ends & ~_1, begins & ~_1
            if wide:
                ends, begins = ends & ~between_shifted, begins & ~between
        if n > 1 and pairs | ends | begins == _0:
            alike_before = _0
            continue
        alike = equal_word(image, here, there, w, width) & present
        if n < 2:
            scratch[size * (n + 1) + w] = alike
        shifted = (alike << _1) | alike_before
        alike_before = alike >> _63
        _join_at(pairs & alike & (~shifted | changes), _1, _1, a, b, words, parent)
        if diagonal:
            i, j = here + 64 * w, there + 64 * w
            ends, begins = ends & ~(alike | shifted), begins & ~(alike | shifted)
            if ends:  # a run of this row ends, one of the other begins
                _join_at(_select(image, ends, i - 1, j), _0, _1, a, b, words, parent)
            if begins:
                _join_at(_select(image, begins, i, j - 1), _1, _0, a, b, words, parent)


@jit_inline
def _select(image: Any, places: Any, i: Any, j: Any) -> Any:
    """Return those of some places that are equal in two stretches of an image."""
    rest, found = places, _0
    while rest:
        x = lowest_bit(rest)
        rest &= rest - _1
        found |= _U(image[i + np.int64(x)] == image[j + np.int64(x)]) << x
    return found


@jit_inline
def _join_at(places: Any, at_a: Any, at_b: Any, a: Any, b: Any, words: Any, parent: Any) -> Any:
    """Join the runs of words a and b that are at some places, or a voxel before where ``at_a`` or ``at_b`` is 0."""
    rest = places
    while rest:
        place = rest & (~rest + _1)
        rest ^= place
        i = np.int64(words[a + 2] + count_bits(words[a] & ((place << at_a) - _1))) - 1
        j = np.int64(words[b + 2] + count_bits(words[b] & ((place << at_b) - _1))) - 1
        i, j = find_root(parent, i), find_root(parent, j)
        parent[max(i, j)] = min(i, j)


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
def _list_firsts(words: Any, number: Any, width: Any, firsts: Any) -> Any:
    """List where components begin; they are numbered in that order."""
    size, found = (width + 63) >> 6, 0
    for k in range(len(words) // 3):
        starts, run = words[3 * k], np.int64(words[3 * k + 2])
        while starts:
            if number[run] > found:
                firsts[found] = k // size * width + 64 * (k % size) + np.int64(lowest_bit(starts))
                found += 1
            starts &= starts - _1
            run += 1


@jit_loop
def _write_column(words: Any, number: Any, width: Any, x: Any, out: Any) -> Any:
    """Write the number at voxel x of each row."""
    size = (width + 63) >> 6
    for row in range(len(out)):
        w, before = x >> 6, ~_0 >> (_63 - _U(x & 63))  # up to x
        k = 3 * (row * size + w)
        changes = words[k + 1] & before
        while changes == _0:  # the first word has one at its begin
            k, before = k - 3, ~_0
            changes = words[k + 1]
        while changes & (changes - _1):
            changes &= changes - _1
        starts = words[k]
        if starts & changes:
            run = np.int64(words[k + 2] + count_bits(starts & ((changes << _1) - _1))) - 1
            out[row] = number[run]


@jit_loop
def _write(words: Any, number: Any, width: Any, out: Any) -> Any:
    """Write the number of its run at each voxel, into zeros.

    Whole vectors are written, beyond the ends of runs too. What is there is written afterwards: by the next run, or
    zeros by this one.
    """
    size = (width + 63) >> 6
    for row in range(len(out) // width):
        is_open = False
        begin: Any = 0
        run: Any = 0
        for w in range(size):
            k = 3 * (row * size + w)
            starts, bits = words[k], words[k + 1]
            if starts:
                run = np.int64(words[k + 2])
            while bits:
                x = 64 * w + np.int64(lowest_bit(bits))
                place = bits & (~bits + _1)
                bits ^= place
                follows = starts & place != _0
                if is_open:
                    _write_run(out, row * width + begin, row * width + min(x, width), number[run - 1], follows)
                is_open = follows
                if is_open:
                    begin = x
                    run += 1
        if is_open:
            _write_run(out, row * width + begin, (row + 1) * width, number[run - 1], False)  # noqa: FBT003


@jit_inline
def _write_run(out: Any, begin: Any, end: Any, number: Any, follows: Any) -> Any:
    if end + 2 * FILL <= len(out):
        for i in range(begin, end, FILL):
            fill(out, i, number)
        if not follows:
            fill(out, end, out.dtype.type(0))
    else:
        for i in range(begin, end):
            out[i] = number
        if not follows:
            for i in range(end, min(end + FILL, len(out))):
                out[i] = 0
