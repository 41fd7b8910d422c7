"""Skeletons and tubes of one image, as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu import thinning2d, thinning3d
from monai_topoloss.backends.cpu._numba import jit_loop, lowest_bit
from monai_topoloss.backends.cpu.bits import INSIDE, PAYLOAD, Layout, pack, pack_bytes, unpack_bytes

_U = np.uint64
_0, _1, _2, _61, _62 = (_U(i) for i in (0, 1, 2, 61, 62))


def skeletonize(mask: NDArray[np.bool_], out: NDArray[np.bool_], method: str) -> None:
    """Thin a 2-D or 3-D mask; write the skeleton into zeros."""
    _write(out.reshape(-1), *_thin(mask, method))


def tubed_skeleton(
    label: NDArray[Any], out: NDArray[Any], *, ball: NDArray[np.int64], per_class: bool, method: str
) -> None:
    """Dilate the skeleton of a label by a ball, and write the label there, into zeros."""
    raw = np.dtype(f"u{label.itemsize}")  # copied as bits, so that there is one kernel for each size and not each type
    flat_out, flat_label = out.reshape(-1).view(raw), label.reshape(-1).view(raw)
    if per_class:
        for value in np.unique(label[label != 0]):
            mask = label == value
            words, layout = _thin(mask, method)
            inside, _ = pack(mask, layout.border)
            _copy(flat_out, flat_label, _dilate(words, layout, ball) & inside, layout)
    else:
        foreground = label if label.dtype.kind in "bui" else label != 0
        words, layout = _thin(foreground, method)
        _copy(flat_out, flat_label, _dilate(words, layout, ball), layout)


def dilate(mask: NDArray[np.bool_], out: NDArray[np.bool_], *, ball: NDArray[np.int64]) -> None:
    """Dilate a mask by a ball, into zeros."""
    words, layout = pack(mask, 1)
    _write(out.reshape(-1), _dilate(words, layout, ball), layout)


def dilate_bytes(rows: NDArray[np.uint8], ball: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Dilate rows of whole bytes, (Z, Y, bytes), by a ball."""
    words, layout = pack_bytes(rows, 1)
    return unpack_bytes(_dilate(words, layout, ball), layout)


def _thin(mask: NDArray[Any], method: str) -> tuple[NDArray[np.uint64], Layout]:
    """Return the skeleton of a mask of bool or integers as words of bits."""
    if method in thinning2d.METHODS:
        return thinning2d.thin(mask, method)
    return thinning3d.thin(mask, method)


def _dilate(words: NDArray[np.uint64], layout: Layout, ball: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return words dilated by a ball, see `monai_topoloss.backends.base.Backend.tubed_skeleton`.

    Each word is written, widened along x as far as the ball reaches there, to the rows around it. What reaches beyond
    the next word is done in steps: words that are widened already are widened by the rest.
    """
    longest = int(ball.max())
    if ball.size == 1 and longest == 0:
        return words
    dilated = np.zeros_like(words)
    wide = np.empty((3, PAYLOAD + 1), np.uint64)
    for begin in range(0, max(longest, 1), PAYLOAD):
        left = ball - begin
        left[(left > PAYLOAD) | ((left <= 0) & (begin > 0))] = -1
        _write_balls(words, layout, left, int(left.max()), wide, dilated)
        if begin + PAYLOAD < longest:
            wider = np.zeros_like(words)
            _write_balls(words, layout, np.full((1, 1), PAYLOAD), PAYLOAD, wide, wider)
            words = wider
    return dilated


@jit_loop
def _write_balls(words: Any, layout: Any, ball: Any, longest: Any, wide: Any, dilated: Any) -> Any:
    """Add words widened along x, as far as a ball reaches, ``longest``, to rows around, as far as they are inside.

    ``wide`` has room for each width up to that of a word: for the word before, the word itself and the one behind.
    """
    last = (_1 << _U(layout.width - (layout.row - 1) * PAYLOAD + 1)) - _1
    reach_z, reach_y = ball.shape[0] - 1, ball.shape[1] - 1
    for z in range(layout.depth):
        for y in range(layout.height):
            start = 1 + (z + layout.border) * layout.plane + (y + 1) * layout.row
            for w in range(layout.row):
                own = words[start + w] & INSIDE
                if own:
                    _widen(own, longest, wide)
                    for dz in range(-min(reach_z, z), min(reach_z, layout.depth - 1 - z) + 1):
                        for dy in range(-min(reach_y, y), min(reach_y, layout.height - 1 - y) + 1):
                            k = ball[abs(dz), abs(dy)]
                            if k < 0:
                                continue
                            i = start + w + dz * layout.plane + dy * layout.row
                            dilated[i] |= wide[1, k] & (last if w == layout.row - 1 else INSIDE)
                            if wide[0, k] and w > 0:
                                dilated[i - 1] |= wide[0, k]
                            if wide[2, k] and w < layout.row - 1:
                                dilated[i + 1] |= wide[2, k] & (last if w == layout.row - 2 else INSIDE)


@jit_loop
def _widen(own: Any, radius: Any, wide: Any) -> Any:
    """Spread bits of a word along x, by 0 to radius, into the words beside it."""
    before, behind = _0, _0
    wide[0, 0], wide[1, 0], wide[2, 0] = before, own, behind
    for k in range(1, radius + 1):
        wider = own | (own << _1) | (own >> _1)  # what comes back from beside is there already
        before = (before | (before >> _1) | ((own & _2) << _61)) & INSIDE
        behind = (behind | (behind << _1) | ((own >> _62) << _1)) & INSIDE
        own = wider & INSIDE
        wide[0, k], wide[1, k], wide[2, k] = before, own, behind


@jit_loop
def _write(out: Any, words: Any, layout: Any) -> Any:
    """Write 1 at the voxels of the words."""
    for z in range(layout.depth):
        for y in range(layout.height):
            start = 1 + (z + layout.border) * layout.plane + (y + 1) * layout.row
            first = (z * layout.height + y) * layout.width - 1
            for w in range(layout.row):
                rest = words[start + w] & INSIDE
                while rest:
                    out[first + w * PAYLOAD + np.int64(lowest_bit(rest))] = 1
                    rest &= rest - _1


@jit_loop
def _copy(out: Any, label: Any, words: Any, layout: Any) -> Any:
    """Copy the label at the voxels of the words."""
    for z in range(layout.depth):
        for y in range(layout.height):
            start = 1 + (z + layout.border) * layout.plane + (y + 1) * layout.row
            first = (z * layout.height + y) * layout.width - 1
            for w in range(layout.row):
                rest = words[start + w] & INSIDE
                while rest:
                    i = first + w * PAYLOAD + np.int64(lowest_bit(rest))
                    rest &= rest - _1
                    out[i] = label[i]
