"""Betti numbers and Euler characteristic of masks in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.options import check_connectivity
from monai_topoloss._checks.tensors import check_finite, check_mask
from monai_topoloss.backends.cpu import betti
from monai_topoloss.backends.cpu.components import write_face
from monai_topoloss.chunked._seams import (
    Faces,
    Joined,
    find_components,
    join_blocks,
    nodes_of,
    seams_at,
    take_faces,
    visit,
)
from monai_topoloss.chunked._tasks import Index, Tasks, da
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
    foreground = Labelling(connectivity)
    background = Labelling(3 if connectivity == 1 else 1) if volume.ndim == 3 else None
    tasks = Tasks(volume.array)
    found = {}
    for index, key in volume.keys().items():
        outer = [(axis, end) for axis in range(3) for end in (0, -1) if _is_last(volume, index, axis, end)]
        options: dict[str, Any] = {"foreground": foreground, "background": background, "outer": outer}
        found[index] = tasks.add(_survey, key, keep=True, block=volume.number(index), **options)
    of_foreground = join_blocks(tasks, volume, found, tasks.constant(foreground), faces=1)
    n_components = tasks.add(_count, of_foreground, side=0)
    euler = tasks.add(sum, visit(tasks, volume, found, _euler_at, connectivity=connectivity, faces=1, own=3))
    if background is None:
        numbers = tasks.add(_numbers_of_image, n_components, euler)
    else:
        of_background = join_blocks(tasks, volume, found, tasks.constant(background), faces=5)
        n_cavities = tasks.add(_count, of_background, side=4)
        numbers = tasks.add(_numbers_of_volume, n_components, n_cavities, euler)
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
    found = for_each(tasks, _survey_euler, volume, keep=True, connectivity=connectivity)
    numbers = visit(tasks, volume, found, _euler_at, connectivity=connectivity, faces=0, own=1)
    return tasks.number(tasks.add(sum, numbers))


def _prepare(mask: Any, connectivity: int | None) -> tuple[Volume, int]:
    """Return the checked mask as bool, and the connectivity."""
    volume = as_volume("mask", mask)
    connectivity = check_connectivity("connectivity", connectivity, volume.ndim)
    return read_mask("mask", volume), connectivity


def read_mask(name: str, volume: Volume) -> Volume:
    """Return a volume as bool."""
    if volume.array.dtype == np.bool_:
        return volume
    return volume._replace(array=da.map_blocks(_as_bool, volume.array, argument=name, meta=np.empty((0, 0, 0), bool)))


def _as_bool(block: NDArray[Any], *, argument: str) -> NDArray[np.bool_]:
    check_finite(argument, check_mask(argument, block))
    is_foreground: NDArray[np.bool_] = block != 0
    return is_foreground


def _is_last(volume: Volume, index: Index, axis: int, end: int) -> bool:
    return index[axis] == (0 if end == 0 else volume.grid[axis] - 1)


class _Survey(NamedTuple):
    """What is kept of a block. Each side has the number of its components, faces, and nodes that do not count."""

    n_components: int
    faces: Faces
    nodes: NDArray[np.int64]
    euler: int
    n_of_background: int = 0
    faces_of_background: Faces | None = None
    nodes_outside: NDArray[np.int64] | None = None  # of the background, at the border of the whole


def _survey(
    mask: NDArray[np.bool_],
    *,
    foreground: Labelling,
    background: Labelling | None,
    block: int,
    outer: Sequence[tuple[int, int]],
) -> _Survey:
    mask = np.ascontiguousarray(mask)
    pieces = foreground.find(mask)
    euler = betti.euler_number(mask, foreground.connectivity)
    survey = _Survey(pieces.n_components, take_faces(mask, partial(write_face, pieces)), np.zeros(0, np.int64), euler)
    if background is None:
        return survey
    others = ~mask
    pieces = background.find(others)
    faces = take_faces(others, partial(write_face, pieces))
    at_border = [np.unique(faces.labels[face].values) for face in outer if face in faces.labels]
    outside = np.unique(np.concatenate([np.zeros(0, np.int32), *at_border]))
    outside = nodes_of(block, outside[outside != 0])
    return survey._replace(n_of_background=pieces.n_components, faces_of_background=faces, nodes_outside=outside)


def _count(joined: list[Joined], *, side: int) -> int:
    """Count the components that have no piece outside, of the side that begins there in surveys."""
    roots = find_components([each.survey[side] for each in joined], [each.joins for each in joined])
    is_inside = roots.root == np.arange(len(roots.root))
    is_inside[roots.root[roots.places(np.concatenate([each.survey[side + 2] for each in joined]))]] = False
    return int(is_inside.sum())


def _numbers_of_image(n_components: int, euler: int) -> list[int]:
    return [n_components, n_components - euler]


def _numbers_of_volume(n_components: int, n_cavities: int, euler: int) -> list[int]:
    return [n_components, n_components + n_cavities - euler, n_cavities]


def _euler(mask: NDArray[np.bool_], *, connectivity: int) -> int:
    return betti.euler_number(np.ascontiguousarray(mask), connectivity)


def _survey_euler(mask: NDArray[np.bool_], *, connectivity: int) -> tuple[Faces, int]:
    mask = np.ascontiguousarray(mask)
    return take_faces(mask), _euler(mask, connectivity=connectivity)


def _euler_at(
    surveys: list[tuple[Any, ...]], *, steps: list[Index], blocks: list[int], connectivity: int, faces: int, own: int
) -> int:
    """Return the number of a block, and by how much that of the whole is more than those of the blocks behind it.

    It is a sum over cells of neighbouring voxels. So where two blocks meet, what the slab of two planes has, without
    what either plane has alone, are the cells that are in neither block. Where four or eight meet, this is done along
    two or three axes at once.
    """
    total: int = surveys[0][own]
    for axes, keys, _ in seams_at(steps, blocks, [each[faces] for each in surveys]):
        for parts in product((slice(0, 2), slice(0, 1), slice(1, 2)), repeat=len(axes)):
            where = [slice(None)] * 3
            for axis, part in zip(axes, parts, strict=True):
                where[axis] = part
            sign = (-1) ** sum(part.stop - part.start == 1 for part in parts)
            total += sign * _euler(keys[tuple(where)], connectivity=connectivity)
    return total
