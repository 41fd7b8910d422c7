"""Dask arrays as grids of blocks, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np

from monai_topoloss._checks.sizes import check_chunk_size
from monai_topoloss._checks.tensors import check_tensor
from monai_topoloss.chunked._tasks import Index, Key, Tasks, again, da

Box = tuple[slice, slice, slice]  # a part of a volume
Sizes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]  # of blocks along each axis


def box_of(sizes: Sizes, index: Index) -> Box:
    """Return where a block is in a grid."""
    z, y, x = (slice(sum(each[:i]), sum(each[: i + 1])) for each, i in zip(sizes, index, strict=True))
    return z, y, x


class Volume(NamedTuple):
    """An image or volume of three axes, none of whose chunks is empty."""

    array: Any  # dask array, (Z, Y, X)
    ndim: int  # of the argument that it is of; an image is a volume of one plane
    chunks: tuple[tuple[int, ...], ...]  # of that argument
    source: Any = None  # of what is computed once more, the first time
    kept: Any = None  # one of Dask's collections, whose tasks are not run again for that

    @property
    def grid(self) -> Index:
        """How many blocks there are along each axis."""
        return cast(Index, self.array.numblocks)

    def keys(self) -> dict[Index, Key]:
        """Return the key of each block, in raster order."""
        return {index: (self.array.name, *index) for index in np.ndindex(*self.grid)}

    def number(self, index: Index) -> int:
        """Return the number of a block in raster order."""
        return int(np.ravel_multi_index(index, self.grid))

    def box(self, index: Index) -> Box:
        """Return where a block is, along z, y and x."""
        return box_of(self.array.chunks, index)

    def again(self, after: Any) -> Volume:
        """Return the same, computed once more when something else has been computed: nothing is kept until then."""
        source = self.array if self.source is None else self.source
        return self._replace(array=again(source, after, self.kept), source=source)

    def restore(self, array: Any) -> Any:
        """Return a result, (Z, Y, X), in the shape and the chunks of the argument."""
        return (array if self.ndim == 3 else array[0]).rechunk(self.chunks)


def as_volume(name: str, array: Any, *, shape_of: tuple[str, Any] | None = None) -> Volume:
    """Check an argument, of the shape of another one if that is given with its name."""
    if not isinstance(array, da.Array):
        raise TypeError(f"Expected `{name}` to be a dask.array.Array, got {type(array).__name__}.")
    check_tensor(name, np.empty(0, array.dtype))
    if array.ndim not in (2, 3):
        raise ValueError(f"Expected `{name}` to have 2 or 3 axes, got shape {array.shape}.")
    if not all(np.isfinite(array.shape)):
        raise ValueError(f"Expected `{name}` of a known shape, got {array.shape}: see its `compute_chunk_sizes()`.")
    if shape_of is not None and array.shape != shape_of[1].shape:
        raise ValueError(f"Expected `{name}` of the shape of `{shape_of[0]}`, {shape_of[1].shape}, got {array.shape}.")
    chunks = array.chunks if shape_of is None else shape_of[1].chunks
    full = tuple(tuple(size for size in sizes if size) or (0,) for sizes in chunks)
    check_chunk_size(name, math.prod(map(max, full)))
    volume = array.rechunk(full)
    return Volume(volume if volume.ndim == 3 else volume[None], array.ndim, chunks)


def for_each(tasks: Tasks, function: Callable[..., Any], *volumes: Volume, **options: Any) -> dict[Index, Key]:
    """Add tasks that call a function on each block of a volume, and on those of others in the same grid."""
    keys = [each.keys() for each in volumes]
    return {index: tasks.add(function, *(each[index] for each in keys), **options) for index in keys[0]}
