"""Betti numbers and Euler characteristic of masks in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.options import check_connectivity
from monai_topoloss._checks.tensors import check_finite, check_mask
from monai_topoloss.backends.cpu import betti
from monai_topoloss.chunked._seams import (
    Faces,
    Joins,
    find_components,
    join_blocks,
    nodes_of,
    seams_at,
    take_faces,
    visit,
)
from monai_topoloss.chunked._tasks import Index, Key, Tasks, da
from monai_topoloss.chunked._volumes import Volume, as_volume, for_each
from monai_topoloss.chunked.components import Labelling

__all__ = ["betti_numbers", "euler_number"]


def betti_numbers(mask: Any, *, connectivity: int | None = None) -> Any:
    """Count the components, the tunnels and the cavities of a mask that is read chunk by chunk, once.

    Args:
        mask: dask array, ``(*spatial)`` in 2-D or 3-D; nonzero is foreground.
        connectivity: in how many axes at once neighbours may differ, from 1 to the number of axes. Default: all.

    Returns:
        What `monai_topoloss.topology.betti_numbers` returns of the whole: a dask array of int64, ``(2,)`` or ``(3,)``.

    Raises:
        TypeError: if ``mask`` is no dask array of real numbers, or ``connectivity`` no int.
        ValueError: if the rank is not 2-D or 3-D or ``connectivity`` is out of range; or when it is computed, if
            ``mask`` holds NaN or infinity.

    Example:
        >>> import dask.array as da
        >>> ring = da.from_array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], chunks=2)
        >>> betti_numbers(ring).compute()
        array([1, 1])
    """
    volume, connectivity = _prepare(mask, connectivity)
    tasks = Tasks(volume.array)
    n_components, faces = _count(tasks, volume, Labelling(connectivity), _FOREGROUND)
    euler = _add_up_euler(tasks, volume, faces, connectivity)
    if volume.ndim == 3:
        n_cavities, _ = _count(tasks, volume, Labelling(3 if connectivity == 1 else 1), _BACKGROUND)
        numbers = tasks.add(_numbers_of_volume, n_components, n_cavities, euler)
    else:
        numbers = tasks.add(_numbers_of_image, n_components, euler)
    return tasks.number(numbers, shape=(volume.ndim,))


def euler_number(mask: Any, *, connectivity: int | None = None) -> Any:
    """Return the Euler characteristic of a mask that is read chunk by chunk, once.

    Args:
        mask: see `betti_numbers`.
        connectivity: see `betti_numbers`.

    Returns:
        What `monai_topoloss.topology.euler_number` returns of the whole: a dask array of int64, ``()``.

    Raises:
        TypeError: see `betti_numbers`.
        ValueError: see `betti_numbers`.

    Example:
        >>> import dask.array as da
        >>> int(euler_number(da.eye(4, chunks=2)))
        1
    """
    volume, connectivity = _prepare(mask, connectivity)
    tasks = Tasks(volume.array)
    faces = for_each(tasks, take_faces, volume)
    return tasks.number(_add_up_euler(tasks, volume, faces, connectivity))


def _prepare(mask: Any, connectivity: int | None) -> tuple[Volume, int]:
    """Return the checked mask as bool, and the connectivity."""
    volume = as_volume("mask", mask)
    connectivity = check_connectivity("connectivity", connectivity, volume.ndim)
    return read_mask("mask", volume), connectivity


def read_mask(name: str, volume: Volume) -> Volume:
    """Return a volume as bool."""
    return volume._replace(array=da.map_blocks(_as_bool, volume.array, argument=name, meta=np.empty((0, 0, 0), bool)))


def _as_bool(block: NDArray[Any], *, argument: str) -> NDArray[np.bool_]:
    tensor = check_mask(argument, block)
    check_finite(argument, tensor)
    return (tensor != 0).numpy()


_FOREGROUND, _BACKGROUND = True, False


def _count(tasks: Tasks, volume: Volume, rule: Labelling, side: bool) -> tuple[Key, dict[Index, Key]]:
    """Count the components of the foreground, or those of the background that do not reach the border; return faces."""
    found = {}
    for index, key in volume.keys().items():
        outer = [(axis, end) for axis in range(3) for end in (0, -1) if _is_last(volume, index, axis, end)]
        options = {"block": volume.number(index), "outer": () if side == _FOREGROUND else outer}
        found[index] = tasks.add(_survey, key, rule=rule, side=side, **options)
    faces = {index: tasks.part(key, 1) for index, key in found.items()}
    counts, outside = ([tasks.part(key, k) for key in found.values()] for k in (0, 2))
    return tasks.add(_count_roots, counts, outside, join_blocks(tasks, volume, faces, tasks.constant(rule))), faces


def _is_last(volume: Volume, index: Index, axis: int, end: int) -> bool:
    return index[axis] == (0 if end == 0 else volume.grid[axis] - 1)


def _survey(
    mask: NDArray[np.bool_], *, rule: Labelling, block: int, side: bool, outer: Sequence[tuple[int, int]]
) -> tuple[int, Faces, NDArray[np.int64]]:
    """Label a block; return how many components there are, its faces, and nodes of those at the border of the whole."""
    part = np.ascontiguousarray(mask if side == _FOREGROUND else ~mask)
    labels, count = rule.label(part)
    faces = take_faces(part, labels)
    at_border = np.unique(
        np.concatenate(
            [np.zeros(0, np.int32), *(faces.labels[face].reshape(-1) for face in outer if face in faces.labels)]
        )
    )
    return count, faces, nodes_of(block, at_border[at_border != 0])


def _count_roots(counts: list[int], outside: list[NDArray[np.int64]], joins: list[Joins]) -> int:
    """Count the components that have no piece outside."""
    roots = find_components(counts, joins)
    is_inside = roots.root == np.arange(len(roots.root))
    is_inside[roots.root[roots.places(np.concatenate(outside))]] = False
    return int(is_inside.sum())


def _numbers_of_image(n_components: int, euler: int) -> list[int]:
    return [n_components, n_components - euler]


def _numbers_of_volume(n_components: int, n_cavities: int, euler: int) -> list[int]:
    return [n_components, n_components + n_cavities - euler, n_cavities]


def _add_up_euler(tasks: Tasks, volume: Volume, faces: dict[Index, Key], connectivity: int) -> Key:
    """Add up the numbers of blocks and what seams between them change."""
    own = for_each(tasks, _euler, volume, connectivity=connectivity)
    return tasks.add(sum, [*own.values(), *visit(tasks, volume, faces, _euler_of_seams, connectivity=connectivity)])


def _euler(mask: NDArray[np.bool_], *, connectivity: int) -> int:
    return betti.euler_number(np.ascontiguousarray(mask), connectivity)


def _euler_of_seams(faces: list[Faces], *, steps: list[Index], blocks: list[int], connectivity: int) -> int:
    """Return by how much the number of the whole is more than those of the blocks behind one.

    It is a sum over cells of neighbouring voxels. So where two blocks meet, what the slab of two planes has, without
    what either plane has alone, are the cells that are in neither block. Where four or eight meet, this is done along
    two or three axes at once.
    """
    total = 0
    for axes, keys, _ in seams_at(steps, blocks, faces):
        for parts in product((slice(0, 2), slice(0, 1), slice(1, 2)), repeat=len(axes)):
            where = [slice(None)] * 3
            for axis, part in zip(axes, parts, strict=True):
                where[axis] = part
            sign = (-1) ** sum(part.stop - part.start == 1 for part in parts)
            total += sign * _euler(keys[tuple(where)], connectivity=connectivity)
    return total
