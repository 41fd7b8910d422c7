"""Three-dimensional thinning after Lee, Kashyap and Chu, on bit sets.

The foreground is laid out as `monai_topoloss.backends.cpu.bits` says. A second bit set, ``loose``, holds the voxels
that could be deleted, by the last look at them: that would change no topology, and they are no end points. ``state``
has a byte for each word: a bit for each direction in which loose voxels are on the border, and one, stale, where
something around has changed since the last look. Walking it visits words in raster order; what does not change costs
nothing.

Directions are gone through in turns. The loose voxels on the border in a direction, on the state at its start, are
candidates; which of them go is where the methods differ. ``by_parity`` takes them in eight classes, by the parities of
z, y and x from the corner of the foreground's box, and deletes those that are still loose. No two voxels of a class
touch, so that a class may be deleted all at once, on a GPU too, and deleting simple points one class after the other
never changes the topology. Otherwise, scikit-image's way, candidates are taken in raster order, and deleted if their
neighbours are still connected, which is not enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, lowest_bit
from monai_topoloss.backends.cpu.bits import INSIDE, bounding_box, delete, pack, positions, words_of_box
from monai_topoloss.backends.cpu.simple_point import are_deletable

_CHUNK = 128  # words looked at together

_U = np.uint64
_0, _1, _2, _3, _4, _5, _6, _7, _9 = (_U(i) for i in (0, 1, 2, 3, 4, 5, 6, 7, 9))
_12, _15, _18, _21, _24, _62, _63 = (_U(i) for i in (12, 15, 18, 21, 24, 62, 63))
_STALE = np.uint8(64)
_EACH_BYTE = _U(0x0101_0101_0101_0101)
_EVEN_X = _U(0x2AAA_AAAA_AAAA_AAAA)  # bits 1, 3, ..., 61: x = 0, 2, ..., 60
_ODD_X = _U(0x5555_5555_5555_5554)
# The 27 voxels of a neighbourhood as bits 9 z + 3 y + x, in octal: one digit for each row.
_CENTRE = _U(0o000_020_000)
_NOT_FIRST_X, _NOT_LAST_X = _U(0o666_666_666), _U(0o333_333_333)
_NOT_FIRST_Y, _NOT_LAST_Y = _U(0o770_770_770), _U(0o077_077_077)


@jit
def _gather(fore: Any, row: Any, plane: Any, words: Any, around: Any) -> Any:
    """Copy the nine rows around some words."""
    for k in range(len(words)):
        i = words[k]
        below, above = i - plane, i + plane
        around[0, k], around[1, k], around[2, k] = fore[below - row], fore[below], fore[below + row]
        around[3, k], around[4, k], around[5, k] = fore[i - row], fore[i], fore[i + row]
        around[6, k], around[7, k], around[8, k] = fore[above - row], fore[above], fore[above + row]


@jit
def _look(fore: Any, row: Any, plane: Any, words: Any, loose: Any, exposed: Any) -> Any:
    """Find the loose voxels of the listed words, and as six bits the directions in which any of them are on the border.

    The loops over k are contiguous and have no branches, so that the compiler vectorises them.
    """
    around = np.empty((9, _CHUNK), np.uint64)
    for start in range(0, len(words), _CHUNK):
        size = min(_CHUNK, len(words) - start)
        _gather(fore, row, plane, words[start : start + size], around)
        for k in range(size):
            loose[start + k] = around[4, k] & INSIDE & are_deletable(
                around[0, k], around[1, k], around[2, k], around[3, k], around[4, k], around[5, k], around[6, k],
                around[7, k], around[8, k],
            )  # fmt: skip
        for k in range(size):
            found, own = loose[start + k], around[4, k]
            flags = _U(found & ~around[3, k] != _0) | (_U(found & ~around[5, k] != _0) << _1)
            flags |= (_U(found & ~(own >> _1) != _0) << _2) | (_U(found & ~(own << _1) != _0) << _3)
            flags |= (_U(found & ~around[7, k] != _0) << _4) | (_U(found & ~around[1, k] != _0) << _5)
            exposed[start + k] = flags


@jit
def _background_beside(fore: Any, i: Any, row: Any, plane: Any, direction: Any) -> Any:
    """Return, in place of each voxel of word i, whether its neighbour in a direction is background."""
    if direction == 0:
        return ~fore[i - row]
    if direction == 1:
        return ~fore[i + row]
    if direction == 2:
        return ~(fore[i] >> _1)
    if direction == 3:
        return ~(fore[i] << _1)
    if direction == 4:
        return ~fore[i + plane]
    return ~fore[i - plane]


@jit
def _list_words(state: Any, flag: Any, words: Any) -> Any:
    """List the words with a flag in their state, and take it from them; return how many they are."""
    count = 0
    blocks, flags = state.view(np.uint64), _U(flag) * _EACH_BYTE
    for block in range(len(blocks)):
        rest = blocks[block] & flags
        if rest:
            blocks[block] ^= rest
        while rest:
            words[count] = (_U(block) << _3) + (lowest_bit(rest) >> _3)
            rest &= rest - _1
            count += 1
    return count


@jit
def _find_candidates(
    fore: Any, loose: Any, state: Any, row: Any, plane: Any, direction: Any, words: Any, bits: Any, exposed: Any
) -> Any:
    """List the loose voxels on the border in a direction, in raster order; return how many words have some."""
    count = _list_words(state, _STALE, words)
    _look(fore, row, plane, words[:count], bits, exposed)
    for k in range(count):
        loose[words[k]] = bits[k]
        state[words[k]] = exposed[k]
    visits = _list_words(state, np.uint8(1) << np.uint8(direction), words)
    count = 0
    for k in range(visits):
        i = words[k]
        words[count] = i
        bits[count] = fore[i] & loose[i] & _background_beside(fore, i, row, plane, direction)
        count += bits[count] != _0
    return count


@jit
def _mark_around(fore: Any, state: Any, i: Any, row: Any, plane: Any, gone: Any) -> Any:
    """Mark the words with voxels around deleted ones of word i as stale."""
    around = gone | (gone << _1) | (gone >> _1)
    first, last = around & _1, around >> _63
    around &= INSIDE
    for base in (i - plane, i, i + plane):
        for k in (base - row, base, base + row):
            state[k] |= _STALE * np.uint8(fore[k] & around != _0)
            if first:
                state[k - _1] |= _STALE * np.uint8((fore[k - _1] >> _62) & _1 != _0)
            if last:
                state[k + _1] |= _STALE * np.uint8(fore[k + _1] & _2 != _0)


@jit
def _delete_by_parity(
    fore: Any,
    state: Any,
    group: Any,
    row: Any,
    plane: Any,
    words: Any,
    bits: Any,
    exposed: Any,
    lists: Any,
    voxels: Any,
) -> Any:
    """Delete the candidates that are still loose, one parity class after the other; return whether there were any.

    Voxels of a class are never 26-adjacent, so that within it the order does not matter.
    """
    counts = np.zeros(8, np.int64)
    for k in range(len(words)):
        c = group[words[k]]
        even, odd = bits[k] & _EVEN_X, bits[k] & _ODD_X
        lists[c, counts[c]], voxels[c, counts[c]] = words[k], even
        counts[c] += even != _0
        lists[c + 1, counts[c + 1]], voxels[c + 1, counts[c + 1]] = words[k], odd
        counts[c + 1] += odd != _0
    changed = False
    for c in range(8):
        if changed:  # else nothing has been deleted since the candidates were found
            _look(fore, row, plane, lists[c, : counts[c]], bits, exposed)
            for k in range(counts[c]):
                voxels[c, k] &= bits[k]
        for k in range(counts[c]):
            delete(fore, lists[c, k], voxels[c, k])
            changed |= voxels[c, k] != _0
    for c in range(8):
        for k in range(counts[c]):
            _mark_around(fore, state, lists[c, k], row, plane, voxels[c, k])
    return changed


@jit
def _grow(found: Any, neighbours: Any) -> Any:
    """Add to some of the neighbours those 26-adjacent to them."""
    found |= ((found & _NOT_LAST_X) << _1) | ((found & _NOT_FIRST_X) >> _1)
    found |= ((found & _NOT_LAST_Y) << _3) | ((found & _NOT_FIRST_Y) >> _3)
    found |= (found << _9) | (found >> _9)
    return found & neighbours


@jit
def _is_connected(neighbours: Any) -> Any:
    """Whether the neighbours are 26-connected among themselves, or none."""
    found = _grow(_grow(neighbours & (_0 - neighbours), neighbours), neighbours)
    while found != neighbours:
        grown = _grow(found, neighbours)
        if grown == found:
            return False
        found = grown
    return True


@jit
def _delete_in_raster_order(fore: Any, state: Any, row: Any, plane: Any, words: Any, bits: Any) -> Any:
    """Delete the candidates whose neighbours are connected, one by one; return whether there were any."""
    changed = False
    for k in range(len(words)):
        i, todo = words[k], bits[k]
        below, above, own = i - plane, i + plane, fore[i]
        w0, w1, w2 = fore[below - row], fore[below], fore[below + row]
        w3, w5 = fore[i - row], fore[i + row]
        w6, w7, w8 = fore[above - row], fore[above], fore[above + row]
        while todo:
            voxel = todo & (_0 - todo)
            todo ^= voxel
            shift = lowest_bit(voxel) - _1
            code = ((w0 >> shift) & _7) | (((w1 >> shift) & _7) << _3) | (((w2 >> shift) & _7) << _6)
            code |= (((w3 >> shift) & _7) << _9) | (((own >> shift) & _7) << _12) | (((w5 >> shift) & _7) << _15)
            code |= (((w6 >> shift) & _7) << _18) | (((w7 >> shift) & _7) << _21) | (((w8 >> shift) & _7) << _24)
            if _is_connected(code & ~_CENTRE):
                own ^= voxel
                changed = True
        bits[k] = fore[i] ^ own
        delete(fore, i, bits[k])
    for k in range(len(words)):
        _mark_around(fore, state, words[k], row, plane, bits[k])
    return changed


@jit
def _thin(fore: Any, group: Any, row: Any, plane: Any, directions: Any, by_parity: Any) -> Any:
    """Delete border voxels, direction after direction, until none can go."""
    loose = np.zeros_like(fore)
    state = np.zeros((len(fore) + 7) // 8 * 8, np.uint8)
    size = 1
    for i in range(len(fore)):
        if fore[i]:
            state[i] = _STALE
            size += 1
    words, bits, exposed = np.empty(size, np.uint64), np.empty(size, np.uint64), np.empty(size, np.uint64)
    lists, voxels = np.empty((8, size), np.uint64), np.empty((8, size), np.uint64)
    changed = True
    while changed:
        changed = False
        for direction in range(directions):
            count = _find_candidates(fore, loose, state, row, plane, direction, words, bits, exposed)
            found, which = words[:count], bits[:count]
            if by_parity:
                changed |= _delete_by_parity(fore, state, group, row, plane, found, which, exposed, lists, voxels)
            else:
                changed |= _delete_in_raster_order(fore, state, row, plane, found, which)


@jit
def _classes(box: Any, row: Any, plane: Any, size: Any) -> Any:
    """Return the first parity class of the voxels of each word: that of its row's z and y, and of even x."""
    group = np.zeros(size, np.uint8)
    for z in range(box[1] - box[0]):
        for y in range(box[3] - box[2]):
            start = 1 + (z + 1) * plane + (y + 1) * row
            group[start : start + row] = 4 * (z & 1) + 2 * (y & 1)
    return group


def skeleton_positions(mask: NDArray[np.bool_], *, as_scikit_image: bool) -> NDArray[np.int64]:
    """Return the positions in the flattened 2-D or 3-D mask of its skeleton, ascending.

    Args:
        mask: bool.
        as_scikit_image: delete as scikit-image does, which may change the topology, instead of by parity classes.
    """
    # scikit-image treats a volume of one plane as an image: without the two directions across it.
    directions = 4 if mask.ndim == 2 or (as_scikit_image and mask.shape[0] == 1) else 6
    lines = pack(mask)
    box = bounding_box(lines)
    fore, row, plane = words_of_box(lines, box, 1)
    del lines
    group = _classes(box, row, plane, len(fore))
    _thin(fore, group, _U(row), _U(plane), directions, not as_scikit_image)
    found: NDArray[np.int64] = positions(fore, box, 1, mask.shape[-2], mask.shape[-1], row, plane)
    return found
