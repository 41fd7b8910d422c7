"""Two-dimensional thinning after Zhang and Suen, on bit sets: 62 pixels at a time.

The image is laid out as `monai_topoloss.backends.cpu.bits` says, the rule is that of
`monai_topoloss.backends.cpu.zhang_rule`. Words that nothing has changed around are not looked at again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit
from monai_topoloss.backends.cpu.bits import INSIDE, bounding_box, delete, pack, positions, words_of_box
from monai_topoloss.backends.cpu.zhang_rule import goes_in_first_pass, goes_in_second_pass

_CHUNK = 256  # words evaluated together

_U = np.uint64
_0, _1, _2, _62, _63 = (_U(i) for i in (0, 1, 2, 62, 63))


@jit
def _first_pass(north: Any, own: Any, south: Any) -> Any:
    """Replace words by what goes of them in the first pass, given the words above and below."""
    for k in range(len(own)):  # contiguous and without branches, so that the compiler vectorises it
        n, c, s = north[k], own[k], south[k]
        goes = goes_in_first_pass(n << _1, n, n >> _1, c >> _1, s >> _1, s, s << _1, c << _1)
        own[k] = goes & c & INSIDE


@jit
def _second_pass(north: Any, own: Any, south: Any) -> Any:
    """Replace words by what goes of them in the second pass, given the words above and below."""
    for k in range(len(own)):
        n, c, s = north[k], own[k], south[k]
        goes = goes_in_second_pass(n << _1, n, n >> _1, c >> _1, s >> _1, s, s << _1, c << _1)
        own[k] = goes & c & INSIDE


@jit
def _find(words: Any, row: Any, listed: Any, second: Any, found_in: Any, found: Any) -> Any:
    """List what goes in a pass from the listed words, on the state as it is; return from how many it does."""
    count = 0
    north, own, south = np.empty(_CHUNK, np.uint64), np.empty(_CHUNK, np.uint64), np.empty(_CHUNK, np.uint64)
    for start in range(0, len(listed), _CHUNK):
        size = min(_CHUNK, len(listed) - start)
        for k in range(size):
            i = listed[start + k]
            north[k], own[k], south[k] = words[i - row], words[i], words[i + row]
        if second:
            _second_pass(north[:size], own[:size], south[:size])
        else:
            _first_pass(north[:size], own[:size], south[:size])
        for k in range(size):
            found_in[count], found[count] = listed[start + k], own[k]
            count += own[k] != _0
    return count


@jit
def _new_stamps(words: Any) -> Any:
    """Return for each word when it was last touched: never."""
    return np.zeros(len(words), np.int32)  # a large solid takes more passes than a byte counts


@jit
def _touch(words: Any, touched: Any, count: Any, stamp: Any, now: Any, i: Any, around: Any) -> Any:
    """Append word i to those touched now, unless it is there or has no pixels around what was deleted."""
    touched[count] = i
    near = np.int64(words[i] & around != _0)  # no branch here: it would be mispredicted half of the time
    new = near & np.int64(stamp[i] != now)
    stamp[i] += new * (now - stamp[i])
    return count + new


@jit
def _thin(words: Any, row: Any) -> Any:
    """Delete pixels, in one pass and the other, until none can go; within a pass all at once.

    At first, passes look at all occupied words. Once few of them change, passes look at those that the last two passes
    have touched: nothing else can have changed its mind.
    """
    occupied = np.flatnonzero(words).astype(np.uint64)
    size = len(occupied) + 1
    listed, found_in, found = np.empty(2 * size, np.uint64), np.empty(size, np.uint64), np.empty(size, np.uint64)
    touched, counts = np.empty((2, size), np.uint64), np.zeros(2, np.int64)
    total = len(occupied)
    listed[:total] = occupied
    stamp = _new_stamps(words)
    now, second, few_before = 0, 0, False
    while total:
        found_count = _find(words, row, listed[:total], second, found_in, found)
        for k in range(found_count):
            delete(words, found_in[k], found[k])
        few = 4 * found_count < len(occupied)
        if few:
            now += 1
            counts[second] = _touch_around(words, row, found_in, found, found_count, touched[second], stamp, now)
        if few and few_before:
            total = counts[second]
            listed[:total] = touched[second, :total]
            for i in touched[1 - second, : counts[1 - second]]:
                listed[total] = i
                total += stamp[i] != now
        else:
            total = len(occupied)
            listed[:total] = occupied
        few_before = few
        second = 1 - second


@jit
def _touch_around(
    words: Any, row: Any, found_in: Any, found: Any, found_count: Any, touched: Any, stamp: Any, now: Any
) -> Any:
    """List the words with pixels around the deleted ones; return how many they are."""
    count = 0
    for k in range(found_count):
        around = found[k] | (found[k] << _1) | (found[k] >> _1)
        for i in (found_in[k] - row, found_in[k], found_in[k] + row):
            count = _touch(words, touched, count, stamp, now, i, around & INSIDE)
            if around & _1:
                count = _touch(words, touched, count, stamp, now, i - _1, _1 << _62)
            if around >> _63:
                count = _touch(words, touched, count, stamp, now, i + _1, _2)
    return count


def skeleton_positions(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the positions in the flattened 2-D mask of its skeleton, ascending."""
    lines = pack(mask)
    box = bounding_box(lines)
    words, row, plane = words_of_box(lines, box, 0)
    del lines
    _thin(words, _U(row))
    found: NDArray[np.int64] = positions(words, box, 0, mask.shape[0], mask.shape[1], row, plane)
    return found
