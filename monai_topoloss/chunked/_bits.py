"""Masks in chunks, kept as bits where they are computed: an eighth of the memory that bool takes.

Along x, eight voxels are a byte, from its lowest bit on, so that blocks begin at multiples of eight voxels.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.chunked._tasks import Index, Key, Tasks
from monai_topoloss.chunked._volumes import Box, Sizes, Volume, box_of


class Bits(NamedTuple):
    """Blocks of bits, uint8 (Z, Y, bytes), of any sizes, in a grid."""

    blocks: dict[Index, Any]  # one of Dask's collections each
    sizes: Sizes  # of the blocks, along x in bytes

    def box(self, index: Index) -> Box:
        """Return where a block is."""
        return box_of(self.sizes, index)

    def widen(self, box: Box, reach: tuple[int, int, int]) -> Box:
        """Return a box that is so much larger on each side, as far as the volume reaches."""
        z, y, x = (
            slice(max(part.start - more, 0), min(part.stop + more, sum(sizes)))
            for part, more, sizes in zip(box, reach, self.sizes, strict=True)
        )
        return z, y, x

    def overlapping(self, box: Box) -> Iterator[tuple[Index, Box, Box]]:
        """Yield the blocks that a box meets: index, what of the block, and where in the box that is."""
        along = []
        for part, sizes in zip(box, self.sizes, strict=True):
            ends = list(accumulate(sizes))
            met = [i for i, end in enumerate(ends) if end > part.start and end - sizes[i] < part.stop]
            along.append([(i, *_overlap(part, ends[i] - sizes[i], ends[i])) for i in met])
        for (i, own_z, at_z), (j, own_y, at_y), (k, own_x, at_x) in product(*along):
            yield (i, j, k), (own_z, own_y, own_x), (at_z, at_y, at_x)

    def cut(self, tasks: Tasks, box: Box) -> Key:
        """Add tasks that return what is in a box; the blocks have to be their dependencies."""
        met = [(tasks.add(_take, self.blocks[index].key, part=own), at) for index, own, at in self.overlapping(box)]
        shape = tuple(part.stop - part.start for part in box)
        return tasks.add(_put_together, [part for part, _ in met], shape=shape, places=[at for _, at in met])

    def unpack(self, like: Volume) -> Any:
        """Return a dask array of bool, (Z, Y, X), in chunks like those of a volume."""
        keys = {index: block.key for index, block in self.blocks.items()}
        array = Tasks(others=list(self.blocks.values())).array(keys, self.sizes, np.uint8)
        z, y, x = like.array.chunks
        in_bytes = tuple(-(-size // 8) for size in _whole_bytes(x))
        array = array.rechunk((z, y, in_bytes))
        array = array.map_blocks(unpack_block, dtype=np.bool_, chunks=(z, y, tuple(8 * size for size in in_bytes)))
        return array[..., : sum(x)].rechunk(like.array.chunks)


def _whole_bytes(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return sizes of chunks of which all but the last are multiples of eight, close to those given."""
    ends = sorted({0, *(end // 8 * 8 for end in accumulate(sizes[:-1]))} - {sum(sizes)})
    return tuple(np.diff([*ends, sum(sizes)]).tolist())


def _overlap(part: slice, begin: int, end: int) -> tuple[slice, slice]:
    first, last = max(part.start, begin), min(part.stop, end)
    return slice(first - begin, last - begin), slice(first - part.start, last - part.start)


def _take(block: NDArray[np.uint8], *, part: Box) -> NDArray[np.uint8]:
    return block[part].copy()


def _put_together(parts: list[NDArray[np.uint8]], *, shape: tuple[int, ...], places: list[Box]) -> NDArray[np.uint8]:
    whole = np.empty(shape, np.uint8)
    for part, place in zip(parts, places, strict=True):
        whole[place] = part
    return whole


def pack(volume: Volume, side: int) -> tuple[Bits, dict[Index, NDArray[np.int64]]]:
    """Pack a volume of bool, and compute that.

    Args:
        volume: to pack.
        side: blocks are of about so many voxels along each axis.

    Returns:
        The bits, and the lowest z, y and x of the foreground in the whole, for each block that has some.
    """
    z, y, x = volume.array.chunks
    array = volume.array.rechunk((z, y, _whole_bytes(x)))
    packed_x = tuple(-(-size // 8) for size in array.chunks[2])
    array = array.map_blocks(_pack, dtype=np.uint8, chunks=(z, y, packed_x))
    sides = (side, side, max(side // 8, 1))
    array = array.rechunk(tuple(_split(length, size) for length, size in zip(array.shape, sides, strict=True)))
    bits = Bits({}, array.chunks)
    tasks = Tasks(array)
    keys = {index: tasks.add(_keep, (array.name, *index), keep=True) for index in np.ndindex(array.numblocks)}
    seen = {index: tasks.add(_look_at, key, box=bits.box(index), keep=True) for index, key in keys.items()}
    blocks, corners = tasks.settle(keys, seen)
    return bits._replace(blocks=blocks), {index: corner for index, corner in corners.items() if corner is not None}


def _pack(block: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(block, axis=-1, bitorder="little")


def _keep(block: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return block


def _look_at(block: NDArray[np.uint8], *, box: Box) -> NDArray[np.int64] | None:
    """Return the lowest z, y and x of the foreground of a block, in the whole; None if there is none."""
    if not block.any():
        return None
    z, y = (int(np.flatnonzero(block.any(axis=axes))[0]) for axes in ((1, 2), (0, 2)))
    columns = np.bitwise_or.reduce(block.reshape(-1, block.shape[2]), axis=0)
    x = int(np.flatnonzero(np.unpackbits(columns, bitorder="little"))[0])
    return np.array([z + box[0].start, y + box[1].start, x + 8 * box[2].start])


def unpack_block(block: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the voxels of a block."""
    return np.unpackbits(block, axis=-1, bitorder="little").view(np.bool_)


def _split(length: int, size: int) -> tuple[int, ...]:
    """Return sizes of parts that are alike, none of them larger than a size."""
    n = max(-(-length // size), 1)
    return tuple(length * (k + 1) // n - length * k // n for k in range(n))
