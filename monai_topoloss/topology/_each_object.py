"""One object after the other, with its skeleton."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import KINDS, check_method, check_option, check_pruning, check_spacing
from monai_topoloss._checks.sizes import type_of_numbers
from monai_topoloss._checks.tensors import IDS, check_rank, check_tensor
from monai_topoloss.backends import BACKENDS
from monai_topoloss.topology._items import as_ids
from monai_topoloss.topology.skeleton import skeletonize

_FEW = 2**24  # ids up to which a table is faster than sorting


class Object(NamedTuple):
    """An object in a box with a voxel of what is around it, if the image has one there."""

    number: int  # its id
    corner: NDArray[np.int64]  # of the box
    mask: NDArray[np.bool_]  # in the box
    skeleton: NDArray[np.bool_]


class Objects:
    """The objects of a label map, each of which is thinned on its own, with `skeletonize`'s options.

    Args:
        instances: ids from 0 on, or a mask, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        spacing: size of a voxel along each axis, or one number for all.
        method: of thinning.
        backend: where to thin.
        prune: how long end branches must be to stay.
        prune_factor: how long they must be, times the radius there.
        prune_spacing: by which they are measured for that. Default: ``spacing``.

    Raises:
        TypeError: see `monai_topoloss.topology.skeleton_graph`.
        ValueError: see there.
    """

    def __init__(
        self,
        instances: Tensor | NDArray[np.generic],
        spacing: float | Sequence[float] | None,
        *,
        method: str | None = None,
        backend: str = "auto",
        prune: float | None = None,
        prune_factor: float | None = None,
        prune_spacing: float | Sequence[float] | None = None,
    ) -> None:
        tensor = check_tensor("instances", instances, keep=IDS)
        self.sizes = np.array(check_spacing(spacing, check_rank("instances", tensor)))
        check_class_ids("instances", tensor)
        check_method(method, tensor.ndim)
        check_option("backend", backend, BACKENDS)
        check_pruning(prune, prune_factor, KINDS[0])
        self._image = as_ids(tensor).numpy(force=True)
        self._device = tensor.device
        self._thin = partial(
            skeletonize,
            method=method,
            prune=prune,
            prune_factor=prune_factor,
            spacing=self.sizes.tolist() if prune_spacing is None else prune_spacing,
            spatial_dims=tensor.ndim,
            backend=backend,
        )

    def __iter__(self) -> Iterator[Object]:
        """Yield each object, by increasing ids."""
        ids, compact = _number(self._image)
        for number, box in _find_boxes(compact):
            mask = compact[box] == number
            tensor = torch.from_numpy(mask).to(self._device)
            skeleton: Tensor = self._thin(tensor)
            corner = np.array([part.start for part in box])
            yield Object(int(ids[number]), corner, mask, skeleton.numpy(force=True))


def _number(image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return all ids, 0 first, and the image with their places in that list."""
    image = image.view(np.uint8) if image.dtype == np.bool_ else image
    highest = int(image.max(initial=0))
    if highest > _FEW:
        ids = np.unique(np.append(image.reshape(-1), 0))
        return ids, np.searchsorted(ids, image).astype(type_of_numbers(len(ids)))
    is_there = np.zeros(highest + 1, np.bool_)
    is_there[image] = True
    is_there[0] = True
    places = np.cumsum(is_there) - 1
    return np.flatnonzero(is_there), places.astype(type_of_numbers(highest + 1))[image]


def _find_boxes(ids: NDArray[Any]) -> Iterator[tuple[int, tuple[slice, ...]]]:
    """Return each id from 1 on, and the part of the image that it is in, with a margin where there is one."""
    count = int(ids.max(initial=0))
    if not count:
        return
    borders = []
    for axis, length in enumerate(ids.shape):
        is_there = np.zeros((count + 1, length), np.bool_)
        is_there[ids, np.arange(length).reshape(-1, *[1] * (ids.ndim - axis - 1))] = True
        borders.append((is_there.argmax(axis=1), length - is_there[:, ::-1].argmax(axis=1)))
    for number in range(1, count + 1):
        yield (
            number,
            tuple(
                slice(max(int(start[number]) - 1, 0), min(int(end[number]) + 1, length))
                for (start, end), length in zip(borders, ids.shape, strict=True)
            ),
        )
