"""Scores of segmentations in chunks: those of the metrics, of one image or volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.options import (
    check_betti_kind,
    check_connectivity,
    check_option,
    check_patches,
    check_spacing,
)
from monai_topoloss.chunked._lengths import count_steps_within
from monai_topoloss.chunked._pairs import Pair, read_pair
from monai_topoloss.chunked._partitions import compare_partitions
from monai_topoloss.chunked._patches import betti_differences
from monai_topoloss.chunked._tasks import Tasks, da, only_key
from monai_topoloss.chunked._volumes import Volume, for_each
from monai_topoloss.chunked.betti import betti_numbers, euler_number
from monai_topoloss.chunked.components import label_volume
from monai_topoloss.chunked.critical import critical_components
from monai_topoloss.chunked.skeleton import skeletonize
from monai_topoloss.metrics import adapted_rand_error as _are
from monai_topoloss.metrics import centerline_dice as _cldice
from monai_topoloss.metrics import critical_error as _critical
from monai_topoloss.metrics import variation_of_information as _voi
from monai_topoloss.topology._lengths import sum_lengths

__all__ = ["adapted_rand_error", "betti_error", "centerline_dice", "critical_error", "variation_of_information"]


def centerline_dice(
    y_pred: Any,
    y: Any,
    *,
    ignore_empty: bool = True,
    score: str = "cldice",
    spacing: float | Sequence[float] | None = None,
    method: str | None = None,
    ignore_index: int | None = None,
) -> Any:
    """Compute the centreline Dice of masks in chunks.

    The skeletons are computed at once, see `monai_topoloss.chunked.skeletonize`, and the score when it is asked for.

    Args:
        y_pred: prediction: dask array of bool, or of 0 and 1, ``(*spatial)`` in 2-D or 3-D.
        y: label, likewise and of the same shape.
        ignore_empty: see `monai_topoloss.metrics.compute_centerline_dice`.
        score: see there.
        spacing: see there.
        method: thinning method, see `monai_topoloss.chunked.skeletonize`.
        ignore_index: a value of ``y`` where nothing counts.

    Returns:
        What `monai_topoloss.metrics.compute_centerline_dice` returns of the whole: a dask array of float32, ``()``.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no dask array.
        ValueError: if shapes differ, the rank is not 2-D or 3-D, values are not 0 and 1, or ``spacing`` is not
            positive.

    Example:
        >>> import dask.array as da
        >>> line = da.zeros((5, 9), dtype=bool, chunks=4)
        >>> line[2] = True
        >>> half = da.concatenate([line[:, :5], da.zeros((5, 4), dtype=bool)], axis=1)
        >>> float(centerline_dice(half, line, score="precision"))
        1.0
    """
    check_option("score", score, _cldice.SCORES)
    pair = read_pair(y_pred, y, ignore_index)
    masks = [each.array for each in pair[:2]]
    if pair.label.ndim == 2:
        masks = [mask[0] for mask in masks]
    sizes = None if spacing is None else check_spacing(spacing, pair.label.ndim)
    of_prediction, of_label = (skeletonize(mask, method=method) for mask in masks)
    if sizes is not None:
        counts = [count_steps_within(of_prediction, masks[1]), count_steps_within(of_label, masks[0])]
        is_there = masks[0].any(), masks[1].any()
        return _call(_cldice_of_lengths, *counts, *is_there, sizes=sizes, score=score, ignore_empty=ignore_empty)
    sums = [(of_prediction & masks[1]).sum(), of_prediction.sum(), (of_label & masks[0]).sum(), of_label.sum()]
    return _call(_cldice_of, *sums, masks[0].any(), masks[1].any(), score=score, ignore_empty=ignore_empty)


def _call(function: Callable[..., Tensor], *arrays: Any, **options: Any) -> Any:
    """Return what a function of dask arrays of one block each returns, a number in float32."""
    tasks = Tasks(others=arrays)
    return tasks.number(tasks.add(function, *map(only_key, arrays), **options), np.float32)


def _cldice_of(*values: Any, score: str, ignore_empty: bool) -> Tensor:
    *counts, some_predicted, some_true = (torch.as_tensor(int(each)) for each in values)
    return _combine_centerlines(*counts, some_predicted, some_true, score=score, ignore_empty=ignore_empty)


def _cldice_of_lengths(
    prediction: NDArray[np.int64], label: NDArray[np.int64], *is_there: Any, sizes: Sequence[float], **options: Any
) -> Tensor:
    lengths = [sum_lengths(counts, sizes) for counts in (prediction, label)]
    values = torch.tensor(lengths, dtype=torch.float64).reshape(-1)
    return _combine_centerlines(*values, *(torch.as_tensor(bool(each)) for each in is_there), **options)


def _combine_centerlines(*values: Tensor, score: str, ignore_empty: bool) -> Tensor:
    """Return the score of what is within the label and in all, vice versa, and whether there is anything in each."""
    inside, total, inside_label, total_label, some_predicted, some_true = values
    precision, sensitivity = _cldice.share(inside, total), _cldice.share(inside_label, total_label)
    value = _cldice.combine_shares(precision, sensitivity, score)
    return _or_nan(value if some_predicted or some_true else torch.ones(()), some_true, ignore_empty=ignore_empty)


def betti_error(
    y_pred: Any,
    y: Any,
    *,
    ignore_empty: bool = False,
    kind: str | int = "sum",
    connectivity: int | None = None,
    patch_size: int | Sequence[int] | None = None,
    stride: int | Sequence[int] | None = None,
    ignore_index: int | None = None,
) -> Any:
    """Compute the Betti error of masks in chunks.

    Args:
        y_pred: prediction: dask array of bool, or of 0 and 1, ``(*spatial)`` in 2-D or 3-D.
        y: label, likewise and of the same shape.
        ignore_empty: see `monai_topoloss.metrics.compute_betti_error`.
        kind: see there.
        connectivity: see there.
        patch_size: see there.
        stride: see there; no smaller than ``patch_size``.
        ignore_index: a value of ``y`` where nothing counts.

    Returns:
        What `monai_topoloss.metrics.compute_betti_error` returns of the whole: a dask array of float32, ``()``.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no dask array.
        ValueError: if shapes differ, the rank is not 2-D or 3-D, values are not 0 and 1, or ``kind``,
            ``connectivity`` or a size is out of range.

    Example:
        >>> import dask.array as da
        >>> line = da.zeros((5, 9), dtype=bool, chunks=4)
        >>> line[2] = True
        >>> broken = da.concatenate([line[:, :4], da.zeros((5, 1), dtype=bool), line[:, 5:]], axis=1)
        >>> float(betti_error(broken, line))
        1.0
    """
    check_betti_kind(kind)
    pair = read_pair(y_pred, y, ignore_index)
    check_betti_kind(kind, pair.label.ndim)
    if patch_size is not None or stride is not None:
        return _betti_of_patches(pair, patch_size, stride, connectivity, kind=kind, ignore_empty=ignore_empty)
    count = euler_number if kind == "euler" else betti_numbers
    found, true = (
        count(each.array if each.ndim == 3 else each.array[0], connectivity=connectivity) for each in pair[:2]
    )
    some_true = pair.label.array.any() if kind == "euler" else true[0] > 0
    return _call(_betti_of, found, true, some_true, kind=kind, ignore_empty=ignore_empty)


def _betti_of(
    found: NDArray[np.int64], true: NDArray[np.int64], some_true: Any, *, kind: str | int, ignore_empty: bool
) -> Tensor:
    errors = np.abs(found - true)
    return _or_nan(
        torch.as_tensor(errors.sum() if isinstance(kind, str) else errors[kind]), some_true, ignore_empty=ignore_empty
    )


def _betti_of_patches(
    pair: Pair, patch_size: Any, stride: Any, connectivity: int | None, *, kind: str | int, ignore_empty: bool
) -> Any:
    arrays: list[Any] = [each if each is None else each.array if each.ndim == 3 else each.array[0] for each in pair]
    size, step = check_patches(patch_size, stride, arrays[1].shape)
    if any(s < p for s, p in zip(step, size, strict=True)):
        raise ValueError(f"Expected `stride` to be no smaller than `patch_size`, {size}, got {step}.")
    connectivity = check_connectivity("connectivity", connectivity, pair.label.ndim)
    differences = betti_differences(arrays[0], arrays[1], size, step, connectivity, arrays[2])
    return _call(_betti_of_all, differences, pair.label.array.any(), kind=kind, ignore_empty=ignore_empty)


def _betti_of_all(differences: NDArray[np.int64], some_true: Any, *, kind: str | int, ignore_empty: bool) -> Tensor:
    if kind == "euler":
        differences = (differences * [1, -1, 1][: differences.shape[1]]).sum(axis=1, keepdims=True)
    errors = np.abs(differences if isinstance(kind, str) else differences[:, [kind]])
    mean = torch.as_tensor(errors.sum()).float() / max(len(errors), 1)
    return _or_nan(mean, some_true, ignore_empty=ignore_empty)


def variation_of_information(
    y_pred: Any,
    y: Any,
    *,
    ignore_empty: bool = True,
    score: str = "sum",
    instances: bool = False,
    foreground_only: bool = False,
    connectivity: int | None = None,
    ignore_index: int | None = None,
) -> Any:
    """Compute the variation of information of segmentations in chunks, in bits.

    Args:
        y_pred: prediction: dask array of bool, or of 0 and 1, whose objects are its components; or with ``instances``
            of ids; ``(*spatial)`` in 2-D or 3-D.
        y: label, likewise and of the same shape.
        ignore_empty: see `monai_topoloss.metrics.compute_variation_of_information`.
        score: see there.
        instances: see there.
        foreground_only: see there.
        connectivity: see there.
        ignore_index: a value of ``y`` where nothing counts.

    Returns:
        What `monai_topoloss.metrics.compute_variation_of_information` returns of the whole: a dask array of float32,
        ``()``.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no dask array.
        ValueError: if shapes differ, the rank is not 2-D or 3-D, masks hold other values than 0 and 1 or maps such as
            are no ids, or ``score`` or ``connectivity`` is out of range.

    Example:
        >>> import dask.array as da
        >>> line = da.zeros((5, 9), dtype=bool, chunks=4)
        >>> line[2] = True
        >>> broken = da.concatenate([line[:, :4], da.zeros((5, 1), dtype=bool), line[:, 5:]], axis=1)
        >>> round(float(variation_of_information(broken, line, foreground_only=True)), 3)
        1.392
    """
    check_option("score", score, _voi.SCORES)
    pair = read_pair(y_pred, y, ignore_index, instances=instances)
    errors = compare_partitions(pair, connectivity, instances=instances, foreground_only=foreground_only)
    parts = {"sum": [0, 1], "split": [0], "merge": [1]}[score]
    return _call(_add_up, errors, parts=parts, ignore_empty=ignore_empty)


def adapted_rand_error(
    y_pred: Any,
    y: Any,
    *,
    ignore_empty: bool = True,
    score: str = "error",
    instances: bool = False,
    foreground_only: bool = True,
    connectivity: int | None = None,
    ignore_index: int | None = None,
) -> Any:
    """Compute the adapted Rand error of segmentations in chunks.

    Args:
        y_pred: see `variation_of_information`.
        y: see there.
        ignore_empty: see `monai_topoloss.metrics.compute_adapted_rand_error`.
        score: see there.
        instances: see there.
        foreground_only: see there.
        connectivity: see there.
        ignore_index: a value of ``y`` where nothing counts.

    Returns:
        What `monai_topoloss.metrics.compute_adapted_rand_error` returns of the whole: a dask array of float32, ``()``.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no dask array.
        ValueError: see `variation_of_information`.

    Example:
        >>> import dask.array as da
        >>> line = da.zeros((5, 9), dtype=bool, chunks=4)
        >>> line[2] = True
        >>> broken = da.concatenate([line[:, :4], da.zeros((5, 1), dtype=bool), line[:, 5:]], axis=1)
        >>> float(adapted_rand_error(broken, line, score="precision"))
        1.0
    """
    check_option("score", score, _are.SCORES)
    pair = read_pair(y_pred, y, ignore_index, instances=instances)
    errors = compare_partitions(pair, connectivity, instances=instances, foreground_only=foreground_only)
    return _call(_add_up, errors, parts=[2 + _are.SCORES.index(score)], ignore_empty=ignore_empty)


def _add_up(errors: NDArray[np.float64], *, parts: list[int], ignore_empty: bool) -> Tensor:
    """Add up some of what `compare_partitions` returns."""
    return _or_nan(torch.as_tensor(errors[parts]).float().sum(), errors[5], ignore_empty=ignore_empty)


def critical_error(
    y_pred: Any,
    y: Any,
    *,
    ignore_empty: bool = False,
    kind: str = "splits",
    instances: bool = False,
    connectivity: int | None = None,
    ignore_index: int | None = None,
) -> Any:
    """Count the splits or merges of segmentations in chunks.

    Args:
        y_pred: see `variation_of_information`.
        y: see there.
        ignore_empty: see `monai_topoloss.metrics.compute_critical_error`.
        kind: see there.
        instances: see there.
        connectivity: see there.
        ignore_index: a value of ``y`` where nothing counts.

    Returns:
        What `monai_topoloss.metrics.compute_critical_error` returns of the whole: a dask array of float32, ``()``.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no dask array.
        ValueError: see `variation_of_information`.

    Example:
        >>> import dask.array as da
        >>> line = da.zeros((5, 9), dtype=bool, chunks=4)
        >>> line[2] = True
        >>> broken = da.concatenate([line[:, :4], da.zeros((5, 1), dtype=bool), line[:, 5:]], axis=1)
        >>> float(critical_error(broken, line))
        1.0
    """
    check_option("kind", kind, _critical.KINDS)
    pair = read_pair(y_pred, y, ignore_index, instances=instances)
    connectivity = check_connectivity("connectivity", connectivity, pair.label.ndim)
    found = critical_components(pair.prediction.array, pair.label.array, connectivity=connectivity)
    among: Any = None
    if kind == "fraction":
        critical: Any = found.splits | found.merges
        value = critical.sum()
        among = (da.ones_like(pair.label.array, dtype=bool) if pair.ignored is None else ~pair.ignored.array).sum()
    else:
        value = found.n_splits if kind.startswith("splits") else found.n_merges
        if kind.endswith("per_object"):
            among = _count_objects(pair.label, connectivity, instances=instances)
    arrays = [value, pair.label.array.any(), *([] if among is None else [among])]
    return _call(_critical_of, *arrays, ignore_empty=ignore_empty)


def _count_objects(label: Volume, connectivity: int, *, instances: bool) -> Any:
    if not instances:
        return label_volume(label, connectivity)[1]
    tasks = Tasks(label.array)
    return tasks.number(tasks.add(_count_ids, list(for_each(tasks, np.unique, label, keep=True).values())))


def _count_ids(ids: Sequence[NDArray[Any]]) -> int:
    return int(np.count_nonzero(np.unique(np.concatenate(ids))))


def _critical_of(value: Any, some_true: Any, among: Any = 1, *, ignore_empty: bool) -> Tensor:
    count, number = (torch.as_tensor(int(each)) for each in (value, among))
    return _or_nan(count.float() / number.clamp(min=1), some_true, ignore_empty=ignore_empty)


def _or_nan(value: Tensor, some_true: Any, *, ignore_empty: bool) -> Tensor:
    """Return float32: NaN if the label is empty, and that counts for nothing."""
    return torch.full((), torch.nan) if ignore_empty and not some_true else value.float()
