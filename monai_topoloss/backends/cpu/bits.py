"""Masks as lines of bits, which the thinning kernels work on.

Voxels along x are bits of uint64 words. A word holds 62 voxels in its bits 1 to 62; bits 0 and 63 repeat the neighbours
in the words beside it, so that three neighbours in x are always read from one word. Rows and planes have a border of
zeros, and the array a guard word at each end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, lowest_bit

PAYLOAD = 62  # voxels in a word
INSIDE = np.uint64(0x7FFF_FFFF_FFFF_FFFE)  # bits 1 to 62

_U = np.uint64
_0, _1, _2, _62, _63 = (_U(i) for i in (0, 1, 2, 62, 63))


def pack(mask: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack a mask (Y, X) or (Z, Y, X) into lines of bits (Z, Y, words), each with a word of zeros behind it."""
    height, width = mask.shape[-2:]
    packed = np.packbits(mask, axis=-1, bitorder="little").reshape(-1, height, (width + 7) // 8)
    lines = np.zeros((*packed.shape[:2], packed.shape[2] // 8 + 2), np.dtype("<u8"))
    lines.view(np.uint8)[:, :, : packed.shape[2]] = packed
    return lines.astype(np.uint64, copy=False)


@jit
def bounding_box(lines: Any) -> Any:
    """Return the first and one past the last plane, row and column with foreground, or zeros if there is none."""
    box = np.array([lines.shape[0], 0, lines.shape[1], 0, 0, 0])
    columns = np.zeros(lines.shape[2], np.uint64)
    for z in range(lines.shape[0]):
        for y in range(lines.shape[1]):
            occupied = _0
            for x in range(lines.shape[2]):
                occupied |= lines[z, y, x]
                columns[x] |= lines[z, y, x]
            if occupied:
                box[0], box[1] = min(box[0], z), z + 1
                box[2], box[3] = min(box[2], y), max(box[3], y + 1)
    for x in range(64 * len(columns)):
        if (columns[x >> 6] >> _U(x & 63)) & _1:
            box[4] = box[4] if box[5] else x
            box[5] = x + 1
    return box if box[5] else np.zeros_like(box)


@jit
def _read_word(line: Any, start: Any) -> Any:
    """Return 64 bits of a line from bit start on, which may be -1; the line ends with a word of zeros."""
    if start < 0:
        return line[0] << _1
    shift = _U(start & 63)
    return (line[start >> 6] >> shift) | ((line[(start >> 6) + 1] << _1) << (_63 - shift))


@jit
def words_of_box(lines: Any, box: Any, border: Any) -> Any:
    """Return the words of the foreground's box, and the steps to the next row and the next plane.

    Without a border of planes (0 instead of 1), nothing may look beyond an image's single plane.
    """
    depth, height = box[1] - box[0], box[3] - box[2]
    row = (box[5] - box[4] + PAYLOAD - 1) // PAYLOAD
    plane = row * (height + 2)
    words = np.zeros(plane * (depth + 2 * border) + 2, np.uint64)
    for z in range(depth):
        for y in range(height):
            line = lines[box[0] + z, box[2] + y]
            start = 1 + (z + border) * plane + (y + 1) * row
            for w in range(row):
                words[start + w] = _read_word(line, box[4] + w * PAYLOAD - 1)
    return words, row, plane


@jit
def positions(words: Any, box: Any, border: Any, height: Any, width: Any, row: Any, plane: Any) -> Any:
    """Return the positions in the flattened mask, of that height and width, of the voxels in words, ascending."""
    count = 0
    for word in words:
        rest = word & INSIDE
        while rest:
            rest &= rest - _1
            count += 1
    result = np.empty(count, np.int64)
    count = 0
    for z in range(box[0], box[1]):
        for y in range(box[2], box[3]):
            start = 1 + (z - box[0] + border) * plane + (y - box[2] + 1) * row
            for w in range(row):
                rest = words[start + w] & INSIDE
                while rest:
                    x = box[4] + w * PAYLOAD + np.int64(lowest_bit(rest)) - 1
                    result[count] = (z * height + y) * width + x
                    rest &= rest - _1
                    count += 1
    return result


@jit
def delete(words: Any, i: Any, gone: Any) -> Any:
    """Delete voxels of word i, and their repetitions in the words beside it."""
    words[i] &= ~gone
    if gone & _2:
        words[i - _1] &= ~(_1 << _63)
    if gone >> _62:
        words[i + _1] &= ~_1
