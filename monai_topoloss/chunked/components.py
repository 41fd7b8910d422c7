"""Connected components of masks and instance maps in chunks."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_connectivity
from monai_topoloss._checks.sizes import type_of_numbers
from monai_topoloss._checks.tensors import IDS, check_tensor
from monai_topoloss.backends.cpu.components import Pieces, find_pieces, list_firsts, write, write_face
from monai_topoloss.backends.cpu.joins import look_up
from monai_topoloss.chunked._seams import Faces, Joined, find_components, join_blocks, take_faces
from monai_topoloss.chunked._tasks import Index, Tasks
from monai_topoloss.chunked._volumes import Box, Volume, as_volume
from monai_topoloss.topology._items import as_ids
from monai_topoloss.topology.components import Components

__all__ = ["label_components"]


def label_components(image: Any, *, connectivity: int | None = None) -> Components:
    """Number the connected components of a mask, or of each id of an instance map, that is computed chunk by chunk.

    The result is that of `monai_topoloss.topology.label_components` on the whole, whatever the chunks. Each chunk is
    read and labelled twice, as nothing but its faces is kept.

    Args:
        image: dask array of bool or ids from 0 on, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        connectivity: in how many axes at once neighbours may differ, from 1 to the number of axes. Default: all.

    Returns:
        ``labels``, a dask array of the shape and in the chunks of ``image``: components count from 1 on in raster
        order. It is int32, or int64 for images of 2^31 voxels or more. ``counts``: how many they are, int64 ``()``.

    Raises:
        TypeError: if ``image`` is no dask array of real numbers, or ``connectivity`` no int.
        ValueError: if the rank is not 2-D or 3-D or ``connectivity`` is out of range; or when it is computed, if ids
            are negative or no whole numbers.

    Example:
        >>> import dask.array as da
        >>> image = da.from_array([[1, 1, 0, 1], [0, 2, 0, 1]], chunks=(1, 2))
        >>> label_components(image).labels.compute()
        array([[1, 1, 0, 2],
               [0, 3, 0, 2]], dtype=int32)
    """
    volume = as_volume("image", image)
    labels, count = label_volume(volume, check_connectivity("connectivity", connectivity, volume.ndim))
    return Components(volume.restore(labels.array), count)


def label_volume(volume: Volume, connectivity: int) -> tuple[Volume, Any]:
    """Label a volume; return its labels, and a dask array of how many components there are."""
    rule = Labelling(connectivity)
    tasks = Tasks(volume.array)
    found = {
        index: tasks.add(_survey, key, keep=True, box=volume.box(index), shape=volume.array.shape, rule=rule)
        for index, key in volume.keys().items()
    }
    numbered = tasks.add(_number, join_blocks(tasks, volume, found, tasks.constant(rule), faces=1))
    numbers = {index: tasks.add(_numbers_of, numbered, block=volume.number(index)) for index in found}
    count = tasks.part(numbered, 1)
    after = tasks.collection(numbered)
    again = volume.again(after)
    dtype = type_of_numbers(volume.array.size)
    writing = Tasks(again.array, others=[after])
    labels = {
        index: writing.add(_write, key, numbers[index], rule=rule, dtype=dtype) for index, key in again.keys().items()
    }
    labelled = writing.array(labels, volume.array.chunks, dtype)
    return volume._replace(array=labelled, source=None, kept=after), tasks.number(count)


class Labelling(NamedTuple):
    """Voxels of equal ids are of one component."""

    connectivity: int

    def find(self, ids: NDArray[Any]) -> Pieces:
        """Check the ids of a block (Z, Y, X), and find its components."""
        tensor = check_tensor("image", ids, keep=IDS)
        highest = check_class_ids("image", tensor)
        return find_pieces(np.ascontiguousarray(as_ids(tensor).numpy()), self.connectivity, highest)

    def join(self, ids: NDArray[Any]) -> tuple[NDArray[np.int32], int, NDArray[np.int64]]:
        """Label a block; return how many components there are too, and no pairs of them that matter to each other."""
        pieces = self.find(ids)
        labels = np.zeros(ids.shape, np.int32)
        write(pieces, pieces.number, labels)
        return labels, pieces.n_components, np.zeros((0, 2), np.int64)


class _Survey(NamedTuple):
    n_components: int
    faces: Faces
    firsts: NDArray[np.int64]  # voxels, in the raster order of the whole


def _survey(ids: NDArray[Any], *, box: Box, shape: Index, rule: Labelling) -> _Survey:
    """Label a block; return how many components it has, its faces, and where in the whole components begin."""
    pieces = rule.find(ids)
    z, y, x = np.unravel_index(list_firsts(pieces), ids.shape)
    firsts = ((z + box[0].start) * shape[1] + y + box[1].start) * shape[2] + x + box[2].start
    return _Survey(pieces.n_components, take_faces(ids, partial(write_face, pieces)), firsts)


def _number(joined: list[Joined]) -> tuple[list[Any], int]:
    """Return the number of each component, for each block after a 0; and how many there are."""
    counts, _, firsts = zip(*(each.survey for each in joined), strict=True)
    roots = find_components(counts, [each.joins for each in joined])
    first = np.concatenate(firsts)
    np.minimum.at(first, roots.root, first.copy())
    places = np.flatnonzero(roots.root == np.arange(len(roots.root)))
    numbers = np.zeros(len(roots.root), np.int64)
    numbers[places[np.argsort(first[places])]] = np.arange(1, len(places) + 1)
    numbers = numbers[roots.root]
    return [np.append(0, each) for each in np.split(numbers, roots.begins[1:-1])], len(places)


def _numbers_of(numbered: tuple[list[NDArray[np.int64]], int], *, block: int) -> NDArray[np.int64]:
    return numbered[0][block]


def _write(ids: NDArray[Any], numbers: NDArray[np.int64], *, rule: Labelling, dtype: Any) -> NDArray[Any]:
    """Write the numbers that the components of a block have in the whole."""
    pieces = rule.find(ids)
    labels = np.zeros(ids.shape, np.int32)
    if dtype == np.int32:
        write(pieces, numbers.astype(np.int32)[pieces.number], labels)
        return labels
    write(pieces, pieces.number, labels)
    return look_up(numbers, labels)
