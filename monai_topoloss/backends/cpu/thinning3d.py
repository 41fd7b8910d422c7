"""Three-dimensional thinning after Lee, Kashyap and Chu, on bit sets.

The foreground is laid out as `monai_topoloss.backends.cpu.bits` says: 62 voxels a word. Of each word, one bit for each
direction says whether it is still *to do*: something around it has changed since the voxels on the border in that
direction were last looked at. These bits lie close together, so that seeing what is to do costs next to nothing, and
so does spreading what has changed to all words around.

Directions are gone through in turns. The voxels on the border in a direction that can be deleted, on the state at its
start, are candidates; which of them go is where the methods differ. ``by_parity`` takes them in eight classes, by the
parities of z, y and x from the corner of the foreground's box, and deletes those that still can be. No two voxels of a
class touch, so that a class may be deleted all at once, on a GPU too, and deleting simple points one class after the
other never changes the topology. Otherwise, scikit-image's way, candidates are taken in raster order, and deleted if
their neighbours are still connected, which is not enough.

Medial surfaces keep besides what lies in a surface by then, see `monai_topoloss.backends.cpu.surface_point`: a voxel is
looked at in the same two places, so that here, too, what is deleted is simple.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, jit_inline, jit_loop, lowest_bit
from monai_topoloss.backends.cpu.bits import (
    INSIDE,
    Layout,
    delete_and_note,
    pack,
    pack_bytes,
    spread,
    unpack_bytes,
)
from monai_topoloss.backends.cpu.simple_point import deletable_table, is_deletable
from monai_topoloss.backends.cpu.surface_point import is_in_surface, thin_octants

REACH = 6 * 9  # voxels that a pass looks ahead: in each direction one for candidates, and one for each class
_CHUNK = 512  # words of a class taken together
_OWN_CORNER = np.zeros(0, np.int64)
_NO_OCTANTS = np.zeros(0, np.uint8)  # of curves

_U = np.uint64
_0, _1, _2, _3, _4, _5, _6, _7, _9 = (_U(i) for i in (0, 1, 2, 3, 4, 5, 6, 7, 9))
_12, _15, _18, _21, _24, _62, _63 = (_U(i) for i in (12, 15, 18, 21, 24, 62, 63))
_EVEN_X = _U(0x2AAA_AAAA_AAAA_AAAA)  # bits 1, 3, ..., 61: x = 0, 2, ..., 60
# The 27 voxels of a neighbourhood as bits 9 z + 3 y + x, in octal: one digit for each row.
_CENTRE = _U(0o000_020_000)
_NOT_FIRST_X, _NOT_LAST_X = _U(0o666_666_666), _U(0o333_333_333)
_NOT_FIRST_Y, _NOT_LAST_Y = _U(0o770_770_770), _U(0o077_077_077)


@jit
def _survey(words: Any, layout: Any, by_parity: Any) -> Any:
    """See where the foreground is.

    Words are in four groups, ``2 (z & 1) + (y & 1)``, or all in the first if not ``by_parity``.

    Returns:
        Which words are occupied, which of them are in odd planes and which in odd rows, as sets of bits; how many are
        in each group; z, y and x of the corner of the foreground's box.
    """
    occupied = np.zeros((len(words) + 63) // 64, np.uint64)
    odd = np.zeros((2, len(occupied)), np.uint64)
    columns = np.zeros(layout.row, np.uint64)
    corner_z, corner_y, counts = -1, layout.height, np.zeros(4, np.int64)
    for z in range(layout.depth):
        for y in range(layout.height):
            start = 1 + (z + 1) * layout.plane + (y + 1) * layout.row
            for w in range(layout.row):
                if words[start + w]:
                    if corner_z < 0:
                        corner_z = z
                    corner_y = min(corner_y, y)
                    columns[w] |= words[start + w] & INSIDE
                    i = _U(start + w)
                    bit = _1 << (i & _63)
                    occupied[i >> _6] |= bit
                    if by_parity:
                        odd[0, i >> _6] |= bit * _U(z & 1)
                        odd[1, i >> _6] |= bit * _U(y & 1)
                        counts[2 * (z & 1) + (y & 1)] += 1
                    else:
                        counts[0] += 1
    corner_x: Any = 0
    for w in range(layout.row - 1, -1, -1):
        if columns[w]:
            corner_x = np.int64(lowest_bit(columns[w])) - 1
    return occupied, odd, counts, np.array([corner_z, corner_y, corner_x])


@jit_loop
def _list_border(
    fore: Any,
    todo: Any,
    odd: Any,
    row: Any,
    plane: Any,
    direction: Any,
    words: Any,
    voxels: Any,
    starts: Any,
    ends: Any,
) -> Any:
    """List, group by group, the words to do with voxels on the border in a direction."""
    step, right, left = _0, _0, _0
    if direction == 0:
        step = _0 - row
    elif direction == 1:
        step = row
    elif direction == 2:
        right = _1
    elif direction == 3:
        left = _1
    elif direction == 4:
        step = plane
    else:
        step = _0 - plane
    for group in range(4):
        ends[group] = starts[group]
    for block in range(todo.shape[1]):
        rest = todo[direction, block]
        if rest:
            todo[direction, block] = _0
            odd_z, odd_y = odd[0, block], odd[1, block]
            while rest:
                bit = lowest_bit(rest)
                rest &= rest - _1
                i = (_U(block) << _6) + bit
                group = (((odd_z >> bit) & _1) << _1) | ((odd_y >> bit) & _1)
                # Written in any case, and kept if it is something: a branch would be mispredicted half of the time.
                end = ends[group]
                border = fore[i] & INSIDE & ~((fore[i + step] >> right) << left)
                words[end], voxels[end] = i, border
                ends[group] = end + int(border != _0)


@jit_loop
def _keep_deletable(fore: Any, row: Any, plane: Any, table: Any, words: Any, voxels: Any, count: Any) -> Any:
    """Keep of the listed voxels, some in each word, those that can be deleted; the lists are longer by one.

    One round of the loop is one voxel, whether or not the next is in the same word, so that no branch depends on it.
    """
    k: Any = 0
    kept, rest = _0, voxels[0]
    while k < count:
        shift = lowest_bit(rest) - _1
        i = words[k]
        below, above = i - plane, i + plane
        kept |= is_deletable(
            table, fore[below - row], fore[below], fore[below + row], fore[i - row], fore[i], fore[i + row],
            fore[above - row], fore[above], fore[above + row], shift,
        ) << (shift + _1)  # fmt: skip
        following = voxels[k + 1]
        voxels[k] = kept
        rest &= rest - _1
        done = (rest - _1) >> _63  # 1 if nothing is left, else 0: written so that it stays arithmetic
        k += np.int64(done)
        rest |= following & (_0 - done)
        kept &= done - _1


@jit_loop
def _drop_surface(fore: Any, row: Any, plane: Any, octants: Any, words: Any, voxels: Any, count: Any) -> Any:
    """Drop of the listed voxels those that lie in a surface."""
    for k in range(count):
        i, rest, kept = words[k], voxels[k], _0
        below, above = i - plane, i + plane
        while rest:
            bit = lowest_bit(rest)
            rest &= rest - _1
            stays = is_in_surface(
                octants, fore[below - row], fore[below], fore[below + row], fore[i - row], fore[i], fore[i + row],
                fore[above - row], fore[above], fore[above + row], bit - _1,
            )  # fmt: skip
            kept |= (stays ^ _1) << bit
        voxels[k] = kept


@jit_loop
def _delete_class(
    fore: Any,
    changed: Any,
    occupied: Any,
    row: Any,
    plane: Any,
    table: Any,
    octants: Any,
    words: Any,
    voxels: Any,
    some_x: Any,
    first: Any,
    chunk_words: Any,
    chunk: Any,
) -> Any:
    """Delete those of a parity class that still can be; return whether there were any.

    Voxels of a class are never 26-adjacent, so that within it the order does not matter. The first class of all has
    nothing to look at again.
    """
    deleted = _0
    for start in range(0, len(words), _CHUNK):
        count = 0
        for k in range(start, min(start + _CHUNK, len(words))):
            chunk_words[count], chunk[count] = words[k], voxels[k] & some_x
            count += int(chunk[count] != _0)
        if not first:
            _keep_deletable(fore, row, plane, table, chunk_words, chunk, count)
            if len(octants):
                _drop_surface(fore, row, plane, octants, chunk_words, chunk, count)
        for k in range(count):
            delete_and_note(fore, changed, occupied, chunk_words[k], chunk[k])
            deleted |= chunk[k]
    return deleted != _0


@jit_inline
def _grow(found: Any, neighbours: Any) -> Any:
    """Add to some of the neighbours those 26-adjacent to them."""
    found |= ((found & _NOT_LAST_X) << _1) | ((found & _NOT_FIRST_X) >> _1)
    found |= ((found & _NOT_LAST_Y) << _3) | ((found & _NOT_FIRST_Y) >> _3)
    found |= (found << _9) | (found >> _9)
    return found & neighbours


@jit_loop
def is_connected(neighbours: Any) -> Any:
    """Whether the neighbours, bits 9 z + 3 y + x, are 26-connected among themselves, or none."""
    found = _grow(_grow(neighbours & (_0 - neighbours), neighbours), neighbours)
    while found != neighbours:
        grown = _grow(found, neighbours)
        if grown == found:
            return False
        found = grown
    return True


@jit_loop
def _delete_in_raster_order(
    fore: Any, changed: Any, occupied: Any, row: Any, plane: Any, table: Any, words: Any, voxels: Any
) -> Any:
    """Delete the candidates whose neighbours are connected, one by one; return whether there were any."""
    deleted = _0
    for k in range(len(words)):
        i, rest = words[k], voxels[k]
        below, above, own = i - plane, i + plane, fore[i]
        w0, w1, w2 = fore[below - row], fore[below], fore[below + row]
        w3, w5 = fore[i - row], fore[i + row]
        w6, w7, w8 = fore[above - row], fore[above], fore[above + row]
        while rest:
            shift = lowest_bit(rest) - _1
            rest &= rest - _1
            goes = is_deletable(table, w0, w1, w2, w3, own, w5, w6, w7, w8, shift)  # implies that, and is fast
            if not goes:
                code = ((w0 >> shift) & _7) | (((w1 >> shift) & _7) << _3) | (((w2 >> shift) & _7) << _6)
                code |= (((w3 >> shift) & _7) << _9) | (((own >> shift) & _7) << _12) | (((w5 >> shift) & _7) << _15)
                code |= (((w6 >> shift) & _7) << _18) | (((w7 >> shift) & _7) << _21) | (((w8 >> shift) & _7) << _24)
                goes = _U(is_connected(code & ~_CENTRE))
            own ^= goes << (shift + _1)
        gone = fore[i] ^ own
        delete_and_note(fore, changed, occupied, i, gone)
        deleted |= gone
    return deleted != _0


@jit_loop
def _mark(changed: Any, in_plane: Any, around: Any, occupied: Any, row: Any, plane: Any, todo: Any) -> Any:
    """Put the occupied words around those that have changed to do, in all directions; forget what has changed."""
    in_plane[:], around[:] = _0, _0
    spread(changed, row, in_plane)
    spread(in_plane, plane, around)
    changed[:] = _0
    for block in range(len(around)):
        marked = around[block] & occupied[block]
        if marked:
            for direction in range(len(todo)):
                todo[direction, block] |= marked


@jit_loop
def _thin(
    fore: Any,
    todo: Any,
    occupied: Any,
    odd: Any,
    corner: Any,
    first_x: Any,
    row: Any,
    plane: Any,
    table: Any,
    octants: Any,
    by_parity: Any,
    words: Any,
    voxels: Any,
    starts: Any,
    ends: Any,
    chunk_words: Any,
    chunk: Any,
    changed: Any,
    in_plane: Any,
    around: Any,
    passes: Any,
) -> Any:
    """Delete border voxels, direction after direction, until none can go, or that many times if that is not 0."""
    again, done = True, 0
    while again and (passes == 0 or done < passes):
        again = False
        done += 1
        for direction in range(len(todo)):
            _list_border(fore, todo, odd, row, plane, direction, words, voxels, starts, ends)
            for group in range(4):
                start, end = starts[group], ends[group]
                if start < end:
                    _keep_deletable(fore, row, plane, table, words[start:], voxels[start:], end - start)
                    if len(octants):
                        _drop_surface(fore, row, plane, octants, words[start:], voxels[start:], end - start)
            deleted = False
            if by_parity:
                for k in range(8):
                    group = (k >> 1) ^ corner
                    start, end = starts[group], ends[group]
                    some_x = first_x if k & 1 == 0 else ~first_x
                    deleted |= _delete_class(
                        fore, changed, occupied, row, plane, table, octants, words[start:end], voxels[start:end],
                        some_x, not deleted, chunk_words, chunk,
                    )  # fmt: skip
            else:
                start, end = starts[0], ends[0]
                deleted = _delete_in_raster_order(
                    fore, changed, occupied, row, plane, table, words[start:end], voxels[start:end]
                )
            if deleted:
                _mark(changed, in_plane, around, occupied, row, plane, todo)
                again = True


@jit
def _thin_packed(
    fore: Any, layout: Any, table: Any, octants: Any, directions: Any, by_parity: Any, corner: Any, passes: Any
) -> Any:
    """Thin the foreground, laid out as ``layout`` says; parities count from its own corner if none is given."""
    occupied, odd, counts, own_corner = _survey(fore, layout, by_parity)
    if len(corner) == 0:
        corner = own_corner
    first = (2 * (corner[0] & 1) + (corner[1] & 1)) if by_parity else 0
    todo = np.empty((directions, len(occupied)), np.uint64)
    for direction in range(directions):
        todo[direction] = occupied
    starts = np.zeros(5, np.int64)
    for group in range(4):
        starts[group + 1] = starts[group] + counts[group] + 1
    words, voxels = np.empty(starts[4], np.uint64), np.zeros(starts[4], np.uint64)
    chunk_words, chunk = np.empty(_CHUNK + 1, np.uint64), np.zeros(_CHUNK + 1, np.uint64)
    changed, in_plane, around = np.zeros_like(occupied), np.empty_like(occupied), np.empty_like(occupied)
    first_x = ~_EVEN_X if corner[2] & 1 else _EVEN_X
    _thin(
        fore, todo, occupied, odd, first, first_x, _U(layout.row), _U(layout.plane), table, octants, by_parity,
        words, voxels, starts, starts.copy(), chunk_words, chunk, changed, in_plane, around, passes,
    )  # fmt: skip


def thin(mask: NDArray[Any], method: str) -> tuple[NDArray[np.uint64], Layout]:
    """Return the skeleton of a 2-D or 3-D mask of bool or integers, where nonzero is foreground, as words of bits.

    Args:
        mask: the mask.
        method: ``"lee"``; ``"lee_surface"`` for medial surfaces; or ``"lee_skimage"``, which deletes as scikit-image
            does instead of by parity classes, and may change the topology.
    """
    as_scikit_image = method == "lee_skimage"
    # scikit-image treats a volume of one plane as an image: without the two directions across it.
    directions = 4 if mask.ndim == 2 or (as_scikit_image and mask.shape[0] == 1) else 6
    words, layout = pack(mask, 1)
    _thin_packed(words, layout, deletable_table(), _octants_of(method), directions, not as_scikit_image, _OWN_CORNER, 0)
    return words, layout


def thin_bytes(
    rows: NDArray[np.uint8], corner: NDArray[np.int64], ndim: int, passes: int, method: str
) -> NDArray[np.uint8]:
    """Thin a part of a volume for some passes; what is further than `REACH` a pass from its rim is as in the whole.

    Args:
        rows: the part, (Z, Y, bytes), eight voxels a byte from the lowest bit on.
        corner: z, y and x, in this part, from which parities count: that of the box of the whole foreground.
        ndim: 2 for the one plane of an image, which has four directions, or 3.
        passes: how often each direction has its turn, at most.
        method: ``"lee"`` or ``"lee_surface"``.
    """
    words, layout = pack_bytes(rows, 1)
    directions = 4 if ndim == 2 else 6
    _thin_packed(words, layout, deletable_table(), _octants_of(method), directions, True, corner, passes)  # noqa: FBT003
    return unpack_bytes(words, layout)


def _octants_of(method: str) -> NDArray[np.uint8]:
    return thin_octants() if method == "lee_surface" else _NO_OCTANTS
