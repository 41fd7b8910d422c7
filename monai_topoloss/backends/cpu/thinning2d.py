"""Two-dimensional thinning after Zhang and Suen, or Guo and Hall, on bit sets: 62 pixels at a time.

The image is laid out as `monai_topoloss.backends.cpu.bits` says, the rules are those of
`monai_topoloss.backends.cpu.zhang_rule` and `monai_topoloss.backends.cpu.guo_hall_rule`. Of each word, one bit for each
of the two passes says whether it is still *to do*: something around it has changed since the pass last looked at it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, jit_loop, lowest_bit
from monai_topoloss.backends.cpu.bits import INSIDE, Layout, delete_and_note, pack, pack_bytes, spread, unpack_bytes
from monai_topoloss.backends.cpu.guo_hall_rule import goes_in_first_pass as thins_in_first_pass
from monai_topoloss.backends.cpu.guo_hall_rule import goes_in_second_pass as thins_in_second_pass
from monai_topoloss.backends.cpu.zhang_rule import goes_in_first_pass, goes_in_second_pass

METHODS = ("zhang", "thin")
_CHUNK = 256  # words evaluated together

_U = np.uint64
_0, _1, _6 = (_U(i) for i in (0, 1, 6))


@jit_loop
def _apply_rule(north: Any, own: Any, south: Any, rule: Any, goes: Any) -> Any:
    """Find what goes of words, given those above and below them, by a rule: 2 for each method, one for each pass."""
    # Contiguous and without branches, so that the compiler vectorises it.
    if rule == 3:
        for k in range(len(own)):
            n, c, s = north[k], own[k], south[k]
            found = thins_in_second_pass(n << _1, n, n >> _1, c >> _1, s >> _1, s, s << _1, c << _1)
            goes[k] = found & c & INSIDE
    elif rule == 2:
        for k in range(len(own)):
            n, c, s = north[k], own[k], south[k]
            found = thins_in_first_pass(n << _1, n, n >> _1, c >> _1, s >> _1, s, s << _1, c << _1)
            goes[k] = found & c & INSIDE
    elif rule == 1:
        for k in range(len(own)):
            n, c, s = north[k], own[k], south[k]
            found = goes_in_second_pass(n << _1, n, n >> _1, c >> _1, s >> _1, s, s << _1, c << _1)
            goes[k] = found & c & INSIDE
    else:
        for k in range(len(own)):
            n, c, s = north[k], own[k], south[k]
            found = goes_in_first_pass(n << _1, n, n >> _1, c >> _1, s >> _1, s, s << _1, c << _1)
            goes[k] = found & c & INSIDE


@jit_loop
def _find(
    words: Any, row: Any, rule: Any, listed: Any, found: Any, count: Any, north: Any, own: Any, south: Any, goes: Any
) -> Any:
    """Find what goes of the listed words by a rule, on the state as it is; list and count those of which any does."""
    found_count = 0
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        for k in range(size):
            i = listed[start + k]
            north[k], own[k], south[k] = words[i - row], words[i], words[i + row]
        _apply_rule(north[:size], own[:size], south[:size], rule, goes)
        for k in range(size):
            listed[found_count], found[found_count] = listed[start + k], goes[k]
            found_count += int(goes[k] != _0)
    return found_count


@jit_loop
def _thin(
    words: Any,
    row: Any,
    method: Any,
    todo: Any,
    occupied: Any,
    changed: Any,
    around: Any,
    listed: Any,
    found: Any,
    north: Any,
    own: Any,
    south: Any,
    goes: Any,
    passes: Any,
) -> Any:
    """Delete pixels of the words to do, in one pass and the other, until none can go; within a pass all at once.

    If ``passes`` is not 0, that is how many there are at most.
    """
    second, idle, done = 0, 0, 0
    while idle < 2 and (passes == 0 or done < passes):
        done += 1
        count = 0
        for block in range(len(occupied)):
            rest = todo[second, block]
            todo[second, block] = _0
            while rest:
                listed[count] = (_U(block) << _6) + lowest_bit(rest)
                rest &= rest - _1
                count += 1
        count = _find(words, row, 2 * method + second, listed, found, count, north, own, south, goes)
        for k in range(count):
            delete_and_note(words, changed, occupied, listed[k], found[k])
        idle = 0 if count else idle + 1
        if count:
            around[:] = _0
            spread(changed, row, around)
            for block in range(len(around)):
                changed[block] = _0
                marked = around[block] & occupied[block]
                todo[0, block] |= marked
                todo[1, block] |= marked
        second = 1 - second


@jit
def _thin_packed(words: Any, row: Any, method: Any, passes: Any) -> Any:
    """Thin an image by one of the methods, in some passes if that is not 0."""
    occupied = np.zeros((len(words) + 63) // 64, np.uint64)
    count = 0
    for i in range(len(words)):
        if words[i]:
            occupied[i >> 6] |= _1 << _U(i & 63)
            count += 1
    todo = np.empty((2, len(occupied)), np.uint64)
    todo[0], todo[1] = occupied, occupied
    listed, found = np.empty(count + 1, np.uint64), np.empty(count + 1, np.uint64)
    changed, around = np.zeros_like(occupied), np.empty_like(occupied)
    north, own, south = np.empty(_CHUNK, np.uint64), np.empty(_CHUNK, np.uint64), np.empty(_CHUNK, np.uint64)
    goes = np.empty(_CHUNK, np.uint64)
    _thin(words, _U(row), method, todo, occupied, changed, around, listed, found, north, own, south, goes, passes)


def thin(image: NDArray[Any], method: str) -> tuple[NDArray[np.uint64], Layout]:
    """Return the skeleton of an image of bool or integers, where nonzero is foreground, as words of bits."""
    words, layout = pack(image, 0)
    _thin_packed(words, layout.row, METHODS.index(method), 0)
    return words, layout


def thin_bytes(rows: NDArray[np.uint8], passes: int, method: str) -> NDArray[np.uint8]:
    """Thin a part of an image, (1, Y, bytes), in an even number of passes; each looks one pixel ahead."""
    words, layout = pack_bytes(rows, 0)
    _thin_packed(words, layout.row, METHODS.index(method), passes)
    return unpack_bytes(words, layout)
