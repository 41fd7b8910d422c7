"""Skeletons of masks in chunks, and tubed skeletons of labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import KINDS, check_ignore_index, check_method, check_radius
from monai_topoloss._checks.tensors import check_tensor
from monai_topoloss._labels import has_id
from monai_topoloss.backends.cpu import thinning2d, thinning3d
from monai_topoloss.backends.cpu.skeleton import dilate_bytes
from monai_topoloss.chunked._bits import Bits, pack, unpack_block
from monai_topoloss.chunked._tasks import Index, Key, Tasks, da, dask
from monai_topoloss.chunked._volumes import Box, Volume, as_volume, for_each
from monai_topoloss.chunked.betti import read_mask
from monai_topoloss.topology._balls import Ball, make_ball
from monai_topoloss.topology.skeleton import RADIUS

__all__ = ["skeletonize", "tubed_skeleton"]


class _Round(NamedTuple):
    """How far a block is thinned before it looks at the others again."""

    passes: int
    reach: int  # voxels that these passes look ahead
    side: int  # voxels along each axis of a block


_ROUNDS = {
    ("zhang", 2): _Round(64, 64, 8192),
    ("thin", 2): _Round(64, 64, 8192),
    ("lee", 2): _Round(2, 2 * thinning3d.REACH, 8192),
    ("lee", 3): _Round(2, 2 * thinning3d.REACH, 768),
    ("lee_surface", 3): _Round(2, 2 * thinning3d.REACH, 768),
}


def skeletonize(mask: Any, *, kind: str = KINDS[0], method: str | None = None) -> Any:
    """Thin a mask to its skeleton, chunk by chunk: centrelines one voxel wide, or surfaces.

    The result is that of `monai_topoloss.topology.skeletonize` on the whole, whatever the chunks. Blocks of some
    hundred voxels a side are thinned on their own, and look at each other in between, until nothing changes any more.
    So the skeleton is computed at once, on Dask's current scheduler, and kept there as bits: an eighth of a byte a
    voxel, and while it is computed, twice as much. It is not pruned: a branch may be as long as the volume.

    Args:
        mask: dask array, ``(*spatial)`` in 2-D or 3-D; nonzero is foreground.
        kind: ``"curve"``, or for volumes ``"surface"``.
        method: ``"zhang"`` or ``"thin"``, for images, or ``"lee"``. scikit-image's own, ``"lee_skimage"``, goes through
            the whole in raster order, and cannot be computed in parts.

    Returns:
        The skeleton, a dask array of bool of the shape and in the chunks of ``mask``.

    Raises:
        TypeError: if ``mask`` is no dask array of real numbers.
        ValueError: if the rank is not 2-D or 3-D, ``mask`` holds NaN or infinity, or the method does not fit.

    Example:
        >>> import dask.array as da
        >>> bar = da.zeros((5, 9), dtype=bool, chunks=4)
        >>> bar[1:4, 1:8] = True
        >>> skeletonize(bar).compute().astype(int)
        array([[0, 0, 0, 0, 0, 0, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 1, 0, 0],
               [0, 1, 1, 1, 1, 1, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 0, 0, 0]])
    """
    volume = as_volume("mask", mask)
    method = _check_method(method, volume.ndim, kind)
    if mask.size == 0:
        return da.zeros(mask.shape, dtype=bool, chunks=mask.chunks)
    return volume.restore(_thin(read_mask("mask", volume), method).unpack(volume))


def _check_method(method: str | None, ndim: int, kind: str) -> str:
    method = check_method(method, ndim, kind)
    if method == "lee_skimage":
        raise ValueError(
            "Expected `method` to be 'lee', or for images 'zhang' or 'thin': 'lee_skimage' takes the whole at once."
        )
    return method


def _thin(volume: Volume, method: str) -> Bits:
    """Thin a volume of bool; compute it."""
    how = _ROUNDS[method, volume.ndim]
    bits, corners = pack(volume, how.side)
    if not corners:
        return bits
    corner = np.min(list(corners.values()), axis=0)
    changed = occupied = set(corners)
    while changed:
        boxes = {index: bits.widen(bits.box(index), (how.reach, how.reach, -(-how.reach // 8))) for index in occupied}
        tasks = Tasks(others=list(bits.blocks.values()))
        turns = {
            index: _add_turn(tasks, bits, index, box, corner, ndim=volume.ndim, method=method, passes=how.passes)
            for index, box in boxes.items()
            if any(other in changed for other, _, _ in bits.overlapping(box))
        }
        parts = ({index: tasks.part(key, k, keep=True) for index, key in turns.items()} for k in (0, 1))
        blocks, news = tasks.settle(*parts)
        bits = bits._replace(blocks={**bits.blocks, **blocks})
        changed = {index for index, is_new in news.items() if is_new}
    return bits


def _add_turn(tasks: Tasks, bits: Bits, index: Index, wide: Box, corner: NDArray[np.int64], **options: Any) -> Key:
    """Add the task to thin a block, given what is around it in a wider box."""
    begin = (wide[0].start, wide[1].start, wide[2].start)
    own = tuple(slice(part.start - b, part.stop - b) for part, b in zip(bits.box(index), begin, strict=True))
    inside = corner - np.array([begin[0], begin[1], 8 * begin[2]])
    return tasks.add(_thin_block, bits.cut(tasks, wide), own=own, corner=inside, **options)


def _thin_block(
    bits: NDArray[np.uint8], *, own: Box, corner: NDArray[np.int64], ndim: int, method: str, passes: int
) -> tuple[NDArray[np.uint8], bool]:
    """Thin what is of a block and around it; return the block, and whether that changed anything."""
    if method in thinning2d.METHODS:
        thinned = thinning2d.thin_bytes(bits, passes, method)[own]
    else:
        thinned = thinning3d.thin_bytes(bits, corner, ndim, passes, method)[own]
    return thinned.copy(), not np.array_equal(thinned, bits[own])


def tubed_skeleton(
    label: Any,
    *,
    radius: float = RADIUS,
    spacing: float | Sequence[float] | None = None,
    per_class: bool = False,
    ignore_index: int | None = None,
    kind: str = KINDS[0],
    method: str | None = None,
) -> Any:
    """Thicken the skeleton of a label to a tube that carries the label's classes, chunk by chunk.

    The result is that of `monai_topoloss.topology.tubed_skeleton` on the whole, whatever the chunks. The skeleton is
    computed at once, see `skeletonize`, and the tubes when they are asked for.

    Args:
        label: dask array of class ids, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        radius: of the ball, in voxels, or with ``spacing`` a length; 0 leaves the bare skeleton.
        spacing: size of a voxel along each axis, or one for all.
        per_class: skeletonize each class on its own instead of their union.
        ignore_index: an id that is background here.
        kind: see `skeletonize`.
        method: thinning method, see there.

    Returns:
        The tubed skeleton, a dask array of the dtype and shape and in the chunks of ``label``.

    Raises:
        TypeError: if ``label`` is no dask array of real numbers, ``ignore_index`` no int, or ``radius`` no int or with
            ``spacing`` no number.
        ValueError: if the rank is not 2-D or 3-D, ids are negative or no whole numbers, ``radius`` is negative,
            ``spacing`` is not positive, or the method does not fit.

    Example:
        >>> import dask.array as da
        >>> label = da.zeros((5, 9), dtype="uint8", chunks=4)
        >>> label[1:4, 1:5], label[1:4, 5:8] = 1, 2
        >>> tubed_skeleton(label, radius=1).compute()
        array([[0, 0, 0, 0, 0, 0, 0, 0, 0],
               [0, 1, 1, 1, 1, 2, 2, 2, 0],
               [0, 1, 1, 1, 1, 2, 2, 0, 0],
               [0, 1, 1, 1, 1, 2, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 0, 0, 0]], dtype=uint8)
    """
    check_radius(radius, spacing)
    check_ignore_index(ignore_index)
    volume = as_volume("label", label)
    method = _check_method(method, volume.ndim, kind)
    read = partial(_read, ignore_index=ignore_index)
    volume = volume._replace(array=da.map_blocks(read, volume.array, meta=np.empty((0, 0, 0), label.dtype)))
    if label.size == 0:
        return label
    values: list[Any] = [None]
    if per_class:
        tasks = Tasks(volume.array)
        found = tasks.add(_list_values, list(for_each(tasks, np.unique, volume, keep=True).values()))
        values = dask.compute(tasks.collection(found))[0]
    tubes: Any = da.zeros_like(volume.array)
    for value in values:
        part = volume.array != 0 if value is None else volume.array == value
        bits = _thin(volume._replace(array=part), method)
        is_near = _dilate(bits, volume, make_ball(radius, spacing, label.shape))
        tubes = da.where(is_near & part, volume.array, tubes)
    return volume.restore(tubes).astype(label.dtype)  # also of another order of bytes


def _list_values(found: list[NDArray[Any]]) -> list[Any]:
    """Return the values of blocks besides 0."""
    return [value for value in np.unique(np.concatenate(found)) if value != 0]


def _read(label: NDArray[Any], *, ignore_index: int | None) -> NDArray[Any]:
    """Check the ids of a block, and set those to 0 that are ignored."""
    tensor = check_tensor("label", label)
    if ignore_index is not None:
        ignored = has_id(tensor, ignore_index)
        tensor, label = tensor.masked_fill(ignored, 0), np.where(ignored.numpy(), 0, label).astype(label.dtype)
    check_class_ids("label", tensor)
    return label


def _dilate(bits: Bits, volume: Volume, ball: Ball) -> Any:
    """Return a dask array of bool, (Z, Y, X): the bits dilated by a ball."""
    reach = (ball.shape[0] - 1, ball.shape[1] - 1, -(-int(ball.max()) // 8))
    tasks = Tasks(others=list(bits.blocks.values()))
    near = {}
    for index in np.ndindex(*volume.grid):
        box = volume.box(index)
        in_bytes = (box[0], box[1], slice(box[2].start // 8, -(-box[2].stop // 8)))
        wide = bits.widen(in_bytes, reach)
        begin = (wide[0].start, wide[1].start, 8 * wide[2].start)
        own = tuple(slice(part.start - b, part.stop - b) for part, b in zip(box, begin, strict=True))
        near[index] = tasks.add(_dilate_in, bits.cut(tasks, wide), ball=ball, own=own)
    return tasks.array(near, volume.array.chunks, np.bool_)


def _dilate_in(bits: NDArray[np.uint8], *, ball: Ball, own: Box) -> NDArray[np.bool_]:
    dilated = dilate_bytes(np.ascontiguousarray(bits), ball)[own[0], own[1]]
    return unpack_block(dilated)[..., own[2]]
