"""Masks as rows of bits, which the thinning kernels work on.

Voxels along x are bits of uint64 words. A word holds 62 voxels in its bits 1 to 62; bits 0 and 63 repeat the neighbours
in the words beside it, so that three neighbours in x are always read from one word. Rows have a border of zeros above
and below, volumes planes of zeros in front and behind, and the array a guard word at each end.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit_inline, jit_loop

PAYLOAD = 62  # voxels in a word
INSIDE = np.uint64(0x7FFF_FFFF_FFFF_FFFE)  # bits 1 to 62

_U = np.uint64
_0, _1, _2, _6, _62, _63, _255 = (_U(i) for i in (0, 1, 2, 6, 62, 63, 255))


class Layout(NamedTuple):
    """Where voxels are: (z, y, x) is in the word ``1 + (z + border) plane + (y + 1) row + x // 62``."""

    depth: int
    height: int
    width: int
    row: int  # words from one row to the next
    plane: int  # words from one plane to the next
    border: int  # planes of zeros in front and behind


def pack(mask: NDArray[Any], border: int) -> tuple[NDArray[np.uint64], Layout]:
    """Pack a 2-D or 3-D mask of bool or integers, where nonzero is foreground, into words.

    Without a border of planes (0 instead of 1), nothing may look beyond an image's single plane.
    """
    return _lay_out(np.packbits(mask.reshape(-1), bitorder="little"), (1,) * (3 - mask.ndim) + mask.shape, border)


def pack_bytes(rows: NDArray[np.uint8], border: int) -> tuple[NDArray[np.uint64], Layout]:
    """Pack rows of whole bytes, (Z, Y, bytes), of which each holds eight voxels from its lowest bit on."""
    depth, height, size = rows.shape
    return _lay_out(rows.reshape(-1), (depth, height, 8 * size), border)


def unpack_bytes(words: NDArray[np.uint64], layout: Layout) -> NDArray[np.uint8]:
    """Return rows of bytes, (Z, Y, bytes): the opposite of `pack_bytes`."""
    rows = np.zeros((layout.depth, layout.height, layout.width // 8 + 9), np.uint8)
    _write_bytes(words, layout, rows.reshape(-1), rows.shape[2])
    return rows[..., : layout.width // 8]


def _lay_out(stream: NDArray[np.uint8], shape: tuple[int, ...], border: int) -> tuple[NDArray[np.uint64], Layout]:
    """Cut a stream of bits into the words of its rows."""
    depth, height, width = shape
    row = -(-width // PAYLOAD)
    layout = Layout(depth, height, width, row, row * (height + 2), border)
    words = np.zeros(layout.plane * (depth + 2 * border) + 2, np.uint64)
    whole = len(stream) // 8 * 8
    tail = _U(int.from_bytes(stream[whole:].tobytes(), "little"))
    _fill(stream[:whole].view("<u8").astype(_U, copy=False), tail, words, layout)
    return words, layout


@jit_inline
def _read(stream: Any, tail: Any, k: Any) -> Any:
    return stream[k] if k < len(stream) else tail


@jit_loop
def _fill(stream: Any, tail: Any, words: Any, layout: Any) -> Any:
    """Cut the rows of a mask, which follow each other in a stream of bits, into words."""
    for z in range(layout.depth):
        for y in range(layout.height):
            first = (z * layout.height + y) * layout.width
            start = 1 + (z + layout.border) * layout.plane + (y + 1) * layout.row
            for w in range(layout.row):
                # The word's bits are those from x - 1 to x + 62; what is not in the row is zero.
                x = w * PAYLOAD
                position = first + x
                k, shift = position >> 6, _U(position & 63)
                low, high = _read(stream, tail, k), _read(stream, tail, k + 1)
                if (shift or x == 0) and low | high == _0:
                    continue
                word = (low >> shift) | ((high << _1) << (_63 - shift))
                before = _0
                if x:
                    before = (low >> (shift - _1)) & _1 if shift else _read(stream, tail, k - 1) >> _63
                rest = layout.width - x
                if rest < 63:
                    word &= (_1 << _U(rest)) - _1
                word = (word << _1) | before
                if word:
                    words[start + w] = word


@jit_loop
def _write_bytes(words: Any, layout: Any, out: Any, size: Any) -> Any:
    """Write the voxels of words into rows of ``size`` bytes of zeros, which have room for a word more."""
    for z in range(layout.depth):
        for y in range(layout.height):
            start = 1 + (z + layout.border) * layout.plane + (y + 1) * layout.row
            for w in range(layout.row):
                payload = (words[start + w] & INSIDE) >> _1
                if payload:
                    k, shift = (z * layout.height + y) * size + (w * PAYLOAD >> 3), _U(w * PAYLOAD & 7)
                    low = payload << shift
                    for byte in range(8):
                        out[k + byte] |= np.uint8((low >> _U(8 * byte)) & _255)
                    out[k + 8] |= np.uint8((payload >> _1) >> (_63 - shift))


@jit_loop
def delete_and_note(words: Any, changed: Any, occupied: Any, i: Any, gone: Any) -> Any:
    """Delete voxels of word i, and their repetitions in the words beside it.

    In ``changed``, a bit for each word, note those that see a change in their own column of words; forget in
    ``occupied`` those that have become empty.
    """
    left = words[i] & ~gone
    words[i] = left
    block, bit = i >> _6, i & _63
    changed[block] |= _U(gone != _0) << bit
    occupied[block] &= ~(_U(left & INSIDE == _0) << bit)
    if gone & _2:
        words[i - _1] &= ~(_1 << _63)
        changed[(i - _1) >> _6] |= _1 << ((i - _1) & _63)
    if gone >> _62:
        words[i + _1] &= ~_1
        changed[(i + _1) >> _6] |= _1 << ((i + _1) & _63)


@jit_loop
def spread(bits: Any, step: Any, wider: Any) -> Any:
    """Set in ``wider`` the bits, and those a step before and behind them."""
    blocks, shift = np.int64(step >> _6), step & _63
    for k in range(len(bits)):
        own = bits[k]
        if own:
            wider[k] |= own
            if k + blocks < len(bits):
                wider[k + blocks] |= own << shift
            if k + blocks + 1 < len(bits):
                wider[k + blocks + 1] |= (own >> _1) >> (_63 - shift)
            if k - blocks >= 0:
                wider[k - blocks] |= own >> shift
            if k - blocks - 1 >= 0:
                wider[k - blocks - 1] |= (own << _1) << (_63 - shift)
