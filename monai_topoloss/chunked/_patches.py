"""Betti numbers of patches of masks in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.chunked._tasks import Tasks, da
from monai_topoloss.topology._patches import betti_differences as of_patches


def betti_differences(
    prediction: Any,
    label: Any,
    size: Sequence[int],
    step: Sequence[int],
    connectivity: int | None,
    ignored: Any = None,
) -> Any:
    """Return Betti numbers of the prediction less those of the label: a dask array of int64, (patches, axes).

    Patches of nothing but ignored voxels are left out. Blocks are such that each patch is in one: they begin at
    multiples of the step, and the last one along each axis holds the patch at the end.

    Args:
        prediction: dask array of bool, (*spatial).
        label: likewise.
        size: of a patch, no larger than the image.
        step: from one patch to the next, no smaller than a patch.
        connectivity: of components.
        ignored: likewise; None: nowhere.
    """
    chunks = [_split(*each) for each in zip(label.shape, size, step, label.chunksize, strict=True)]
    masks = [mask.rechunk(tuple(chunks)) for mask in (prediction, label, ignored) if mask is not None]
    tasks = Tasks(*masks)
    keys = []
    for index in np.ndindex(*(len(each) for each in chunks)):
        last = [i == len(each) - 1 for i, each in zip(index, chunks, strict=True)]
        blocks = [(mask.name, *index) for mask in masks]
        options = {"size": list(size), "step": list(step), "last": last, "connectivity": connectivity}
        keys.append(tasks.add(_compare, *blocks, keep=True, **options))
    found = tasks.add(_concatenate, keys)
    array = tasks.number(found, shape=(-1, label.ndim))
    return da.Array(array.dask, array.name, ((np.nan,), (label.ndim,)), dtype=np.int64)


def _split(length: int, size: int, step: int, chunk: int) -> tuple[int, ...]:
    """Return lengths of blocks: multiples of the step, close to chunks, the last one no shorter than a patch."""
    block = max(chunk // step, 1) * step
    begins = [begin for begin in range(0, max(length, 1), block) if begin == 0 or begin <= length - size]
    return tuple(np.diff([*begins, length]).tolist())


def _compare(
    prediction: NDArray[np.bool_], label: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None, *,
    size: Sequence[int], step: Sequence[int], last: Sequence[bool], connectivity: int | None,
) -> NDArray[np.int64]:  # fmt: skip
    """Compare the patches that begin at steps within a block, and the ones at its end if it is the last."""
    starts = [
        sorted({*range(0, n - p + 1, s), *([n - p] if is_last else [])})
        for n, p, s, is_last in zip(label.shape, size, step, last, strict=True)
    ]
    return of_patches(prediction, label, size, starts, connectivity, ignored)


def _concatenate(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(parts)
