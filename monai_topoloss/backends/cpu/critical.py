"""Critical components of the mistakes, in one image or volume, as NumPy arrays.

Voxels carry keys: even for the remainder of an object, the voxels without mistake, and the next odd number for its
mistakes. Components of equal keys are joined run by run. Of each component of mistakes, what is kept about the
components of its object's remainder that it touches is one number: none yet, which one, or more than one. It is
critical unless it touches exactly one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.sizes import type_of_numbers
from monai_topoloss.backends.cpu._numba import jit, jit_inline, jit_loop
from monai_topoloss.backends.cpu.components import label_components
from monai_topoloss.backends.cpu.runs import find_root, find_runs, join, list_meetings, meet, rows_before

_NONE, _MANY = -1, -2
# Of keys, what says whose voxel it is.
_OBJECT = {np.dtype(np.uint8): 0x7E, np.dtype(np.int32): 2**31 - 2, np.dtype(np.int64): 2**63 - 2}
# Binary masks need one labelling for both directions: what is missed and what is invented touch the same remainder.
_FOUND, MISSED, INVENTED = 2, 3, 0x83


def critical_components(
    input: NDArray[Any],
    target: NDArray[Any],
    splits: NDArray[np.bool_],
    merges: NDArray[np.bool_],
    *,
    classes: int | None,
    object_connectivity: int,
    mistake_connectivity: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find critical components in arrays (Z, Y, X) of bool or integers from 0 on; mark them in zeros.

    Args:
        input: the prediction.
        target: what is true.
        splits: is written to.
        merges: is written to.
        classes: how many classes the ids are of, the background included; None: they are of instances.
        object_connectivity: of objects and of what remains of them.
        mistake_connectivity: of mistakes, among themselves and with what remains.

    Returns:
        How many splits and how many merges there are: (1,), or (classes,) for each class from 0 on.
    """
    options = (object_connectivity, mistake_connectivity)
    masks = (None, None) if classes is not None else (_as_mask(input), _as_mask(target))
    if masks[0] is not None and masks[1] is not None and object_connectivity == mistake_connectivity:
        return _of_masks(masks[0], masks[1], splits, merges, options)
    n_splits = _of_objects(target, input, masks[1], splits, classes, options)
    n_merges = _of_objects(input, target, masks[0], merges, classes, options)
    return n_splits, n_merges


def _of_masks(
    input: NDArray[np.bool_],
    target: NDArray[np.bool_],
    splits: NDArray[np.bool_],
    merges: NDArray[np.bool_],
    options: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    keys = binary_keys(input, target)
    found = _mark_critical(
        keys.shape, *find_runs(keys), splits, merges, _OBJECT[keys.dtype], *options, as_released=False
    )
    kinds = keys.reshape(-1)[found]
    return np.array([(kinds == MISSED).sum()]), np.array([(kinds == INVENTED).sum()])


def _of_objects(
    reference: NDArray[Any],
    other: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    critical: NDArray[np.bool_],
    classes: int | None,
    options: tuple[int, int],
) -> NDArray[np.int64]:
    """Mark the critical components of what ``other`` misses of the objects of ``reference``; return how many they are.

    The objects of masks and of classes are their components; ids of instances are taken as they are.
    """
    mistakes = reference != 0
    mistakes &= (other == 0) if classes is None else (other != reference)
    mixed = options[0] != options[1]
    ids: NDArray[Any] = reference if mask is None else mask
    if mixed and (classes is not None or mask is not None):
        labels = np.zeros(reference.shape, type_of_numbers(reference.size))
        label_components(ids, labels, options[0])
        ids = labels
    keys = _as_keys(ids)
    keys |= mistakes
    as_released = mixed and classes is None and mask is None
    found = _mark_critical(keys.shape, *find_runs(keys), critical, critical, _OBJECT[keys.dtype], *options, as_released)
    if classes is None:
        return np.array([len(found)])
    return np.bincount(reference.reshape(-1)[found].astype(np.int64), minlength=classes)


def _as_keys(ids: NDArray[Any]) -> NDArray[Any]:
    """Return ids, which are 0 for background and above elsewhere, times 2: in uint8, int32 or int64."""
    highest = int(ids.max(initial=0))
    if highest <= 63:
        return ids.astype(np.uint8) * np.uint8(2)
    if type_of_numbers(2 * highest + 1) != np.int32:
        different = np.unique(np.append(ids, 0))
        ids, highest = np.searchsorted(different, ids), len(different) - 1
    keys: NDArray[Any] = ids.astype(type_of_numbers(2 * highest + 1))
    keys *= 2
    return keys


def binary_keys(input: NDArray[np.bool_], target: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return keys of two masks (Z, Y, X): of what is found, missed or invented."""
    keys = np.empty(input.shape, np.uint8)
    _write_binary_keys(input.view(np.uint8), target.view(np.uint8), keys)
    return keys


def _as_mask(image: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return an image with at most one value besides 0 as a mask."""
    if image.dtype == np.bool_:
        return image
    mask = image != 0
    return mask if (mask * image.max() == image).all() else None


@jit_loop
def _write_binary_keys(input: Any, target: Any, keys: Any) -> Any:
    for z in range(keys.shape[0]):
        for y in range(keys.shape[1]):
            for x in range(keys.shape[2]):
                i, t = np.uint8(input[z, y, x] != 0), np.uint8(target[z, y, x] != 0)
                keys[z, y, x] = ((i | t) << 1) | (i ^ t) | ((i & ~t) << 7)


@jit
def _mark_critical(
    shape: Any,
    first: Any,
    start: Any,
    end: Any,
    key: Any,
    missed: Any,
    invented: Any,
    of_object: Any,
    object_connectivity: Any,
    mistake_connectivity: Any,
    as_released: Any,
) -> Any:
    """Mark the critical components of the mistakes in zeros; return the position of the first voxel of each.

    What is invented, in keys of masks, goes to zeros of its own. As released, the remainder does not tell objects
    apart.
    """
    parent = np.arange(len(start))
    touched = np.full(len(start), _NONE)
    rows, pairs = np.empty((4, 2), np.int64), np.empty((4 * shape[2] + 4, 2), np.int64)
    touching = np.empty((len(start), 2), start.dtype)  # enough unless nearly all is wrong
    if as_released:
        join_neighbours_in_rows(first, start, end, key, parent)
    count = join_rows(
        shape, first, start, end, key, of_object, object_connectivity, mistake_connectivity, as_released, parent,
        rows, pairs, touching,
    )  # fmt: skip
    _touch_in_rows(first, start, end, key, of_object, parent, touched)
    if count <= len(touching):
        for k in range(count):
            _note(parent, touched, touching[k, 0], touching[k, 1])
    else:
        _touch(shape, first, start, end, key, of_object, mistake_connectivity, parent, touched, rows, pairs)
    found = np.empty(len(start), np.int64)
    return found[: _mark(shape, first, start, end, key, parent, touched, missed, invented, found)].copy()


@jit_loop
def join_neighbours_in_rows(first: Any, start: Any, end: Any, key: Any, parent: Any) -> Any:
    """Join the remainders of different objects where they touch within a row."""
    for row in range(len(first) - 1):
        for a in range(first[row], first[row + 1] - 1):
            if end[a] == start[a + 1] and (key[a] | key[a + 1]) & 1 == 0:
                join(parent, a, a + 1)


@jit_loop
def join_rows(
    shape: Any,
    first: Any,
    start: Any,
    end: Any,
    key: Any,
    of_object: Any,
    object_connectivity: Any,
    mistake_connectivity: Any,
    as_released: Any,
    parent: Any,
    rows: Any,
    pairs: Any,
    touching: Any,
) -> Any:
    """Join mistakes of an object, and the remainder of one, across rows.

    List the mistakes and remainders of one object that touch, as far as there is room; return how many pairs there are.
    """
    connectivity = max(object_connectivity, mistake_connectivity)
    found = 0
    for z in range(shape[0]):
        for y in range(shape[1]):
            row = z * shape[1] + y
            if first[row] == first[row + 1]:
                continue
            for n in range(rows_before(z, y, shape[1], connectivity, rows)):
                before, distance = rows[n, 0], rows[n, 1]
                count = list_meetings(
                    start, end, first[row], first[row + 1], first[before], first[before + 1],
                    int(connectivity > distance), pairs,
                )  # fmt: skip
                for k in range(count):
                    a, b = pairs[k, 0], pairs[k, 1]
                    alike = key[a] == key[b] or (as_released and (key[a] | key[b]) & 1 == 0)
                    touch = are_of_one_object(key, of_object, a, b)
                    if alike or touch:
                        its = mistake_connectivity if (key[a] | key[b]) & 1 else object_connectivity
                        if its == connectivity or (its >= distance and meet(start, end, a, b, int(its > distance))):
                            if alike:
                                join(parent, a, b)
                            elif found < len(touching):
                                odd = int(key[a] & 1)
                                touching[found, 1 - odd], touching[found, odd] = a, b
                            found += int(touch)
    return found


@jit_inline
def are_of_one_object(key: Any, of_object: Any, a: Any, b: Any) -> Any:
    """Whether one of two runs is a mistake and the other of the remainder of its object."""
    return (key[a] ^ key[b]) & 1 != 0 and key[a] & of_object == key[b] & of_object


@jit_loop
def _touch_in_rows(first: Any, start: Any, end: Any, key: Any, of_object: Any, parent: Any, touched: Any) -> Any:
    """Note what touches within a row."""
    for row in range(len(first) - 1):
        for a in range(first[row], first[row + 1] - 1):
            if end[a] == start[a + 1] and are_of_one_object(key, of_object, a, a + 1):
                odd = int(key[a] & 1)
                _note(parent, touched, a + 1 - odd, a + odd)


@jit_loop
def _touch(
    shape: Any,
    first: Any,
    start: Any,
    end: Any,
    key: Any,
    of_object: Any,
    connectivity: Any,
    parent: Any,
    touched: Any,
    rows: Any,
    pairs: Any,
) -> Any:
    """Note what touches across rows, looking again: there was no room to keep what `join_rows` saw."""
    for z in range(shape[0]):
        for y in range(shape[1]):
            row = z * shape[1] + y
            for n in range(rows_before(z, y, shape[1], connectivity, rows)):
                before, distance = rows[n, 0], rows[n, 1]
                count = list_meetings(
                    start, end, first[row], first[row + 1], first[before], first[before + 1],
                    int(connectivity > distance), pairs,
                )  # fmt: skip
                for k in range(count):
                    a, b = pairs[k, 0], pairs[k, 1]
                    if are_of_one_object(key, of_object, a, b):
                        odd = int(key[a] & 1)
                        _note(parent, touched, a if odd else b, b if odd else a)


@jit_loop
def _note(parent: Any, touched: Any, a: Any, b: Any) -> Any:
    """Note that mistake a touches remainder b."""
    mistake, remainder = find_root(parent, a), find_root(parent, b)
    if touched[mistake] == _NONE:
        touched[mistake] = remainder
    elif touched[mistake] != remainder:
        touched[mistake] = _MANY


@jit_loop
def _mark(
    shape: Any,
    first: Any,
    start: Any,
    end: Any,
    key: Any,
    parent: Any,
    touched: Any,
    missed: Any,
    invented: Any,
    found: Any,
) -> Any:
    """Mark what touches none or many; list the first voxels of the components that are, and count them."""
    count = 0
    for z in range(shape[0]):
        for y in range(shape[1]):
            row = z * shape[1] + y
            for k in range(first[row], first[row + 1]):
                if key[k] & 1 and touched[find_root(parent, k)] < 0:
                    if parent[k] == k:
                        found[count] = row * shape[2] + start[k]
                        count += 1
                    critical = invented if key[k] == INVENTED else missed
                    critical[z, y, start[k] : end[k]] = True
    return count
