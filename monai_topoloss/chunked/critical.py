"""Critical components of the mistakes of a segmentation in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from monai_topoloss._checks.options import check_connectivity, check_ignore_index, check_num_classes
from monai_topoloss.backends.cpu.critical import INVENTED, MISSED
from monai_topoloss.chunked import _mistakes
from monai_topoloss.chunked._mistakes import MakeKeys, Rule
from monai_topoloss.chunked._seams import join_blocks
from monai_topoloss.chunked._tasks import Index, Key, Tasks
from monai_topoloss.chunked._volumes import Volume, as_volume, for_each
from monai_topoloss.chunked.components import label_volume
from monai_topoloss.topology.critical import CriticalComponentsResult

__all__ = ["critical_components"]


def critical_components(
    input: Any,
    target: Any,
    *,
    num_classes: int | None = None,
    connectivity: int | None = None,
    object_connectivity: int | None = None,
    mistake_connectivity: int | None = None,
    ignore_index: int | None = None,
) -> CriticalComponentsResult:
    """Find the connected components of the mistakes that split or merge objects, chunk by chunk.

    The result is that of `monai_topoloss.topology.critical_components` on the whole, whatever the chunks. Each chunk is
    read and labelled twice, as nothing but its faces is kept. Masks of bool need half of the work that others need.

    Args:
        input: the prediction: dask array of bool or ids from 0 on, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        target: what is true, likewise and of the same shape; chunks may differ, but cost less if they do not.
        num_classes: ids are classes below this number, the background included. Otherwise several ids are instances.
        connectivity: in how many axes at once neighbours may differ, from 1 to the number of axes. Default: all.
        object_connectivity: that of objects and of what remains of them, instead of ``connectivity``.
        mistake_connectivity: that of mistakes, among themselves and with what remains, instead of ``connectivity``.
        ignore_index: a value of ``target`` where nothing counts.

    Returns:
        ``splits`` and ``merges``, dask arrays of bool of the shape and in the chunks of ``input``. ``n_splits`` and
        ``n_merges``: how many components they are, int64 ``()``, or ``(num_classes - 1,)`` for the classes from 1 on.

    Raises:
        TypeError: if ``input`` or ``target`` is no dask array of real numbers, or another argument no int.
        ValueError: if shapes differ, the rank is not 2-D or 3-D or a connectivity is out of range; or when it is
            computed, if ids are negative, too high or no whole numbers.

    Example:
        >>> import dask.array as da
        >>> target = da.from_array([[1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0]], chunks=2) != 0
        >>> input = da.from_array([[0, 1, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0]], chunks=2) != 0
        >>> critical_components(input, target).splits.compute().astype(int)
        array([[0, 0, 1, 0, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 0]])
    """
    check_num_classes(num_classes)
    check_ignore_index(ignore_index)
    image = as_volume("input", input)
    truth = as_volume("target", target, shape_of=("input", input))
    connectivity = check_connectivity("connectivity", connectivity, image.ndim)
    rule = Rule(
        connectivity if object_connectivity is None else object_connectivity,
        connectivity if mistake_connectivity is None else mistake_connectivity,
    )
    check_connectivity("object_connectivity", rule.object_connectivity, image.ndim)
    check_connectivity("mistake_connectivity", rule.mistake_connectivity, image.ndim)
    are_masks = input.dtype == target.dtype == np.bool_ and num_classes is None and ignore_index is None
    if are_masks and rule.object_connectivity == rule.mistake_connectivity:
        return _of_masks(image, truth, rule)
    image, truth = (
        _mistakes.read(name, each, truth, num_classes, ignore_index)
        for name, each in (("input", image), ("target", truth))
    )
    splits, n_splits = _of_objects(truth, image, num_classes, rule)
    merges, n_merges = _of_objects(image, truth, num_classes, rule)
    return CriticalComponentsResult(splits, merges, n_splits, n_merges)


def _of_masks(image: Volume, truth: Volume, rule: Rule) -> CriticalComponentsResult:
    """Find splits and merges at once: what is missed and what is invented touch the same remainder."""
    tasks = Tasks(image.array, truth.array)
    by_rule = tasks.constant(rule)
    judged, tables = _judge(tasks, [image, truth], by_rule, _mistakes.pair_keys, n_kinds=INVENTED + 1)
    n_splits, n_merges = (tasks.add(_mistakes.number_of, judged, kinds=kind) for kind in (MISSED, INVENTED))
    splits, merges = _mark([image, truth], by_rule, _mistakes.pair_keys, tasks.collection(judged), tables)
    return CriticalComponentsResult(splits, merges, tasks.number(n_splits), tasks.number(n_merges))


def _of_objects(reference: Volume, other: Volume, num_classes: int | None, rule: Rule) -> tuple[Any, Any]:
    """Find what the other misses of the objects of a reference and is critical; return how many that is too."""
    look = Tasks(reference.array)
    if num_classes is None and reference.array.dtype != np.bool_:
        as_mask = look.add(
            _mistakes.is_mask, list(for_each(look, _mistakes.list_values, reference, keep=True).values())
        )
        seen = look.collection(as_mask)
        reference, other = reference.again(seen), other.again(seen)
    else:
        as_mask = look.constant(num_classes is None)
        seen = look.collection(as_mask)
    volumes = [reference, other]
    if rule.object_connectivity != rule.mistake_connectivity:
        volumes.append(label_volume(reference, rule.object_connectivity)[0])
    tasks = Tasks(*(each.array for each in volumes), others=[seen])
    by_rule = tasks.add(_mistakes.make_rule, as_mask, rule=rule, num_classes=num_classes)
    make = partial(_mistakes.object_keys, num_classes=num_classes)
    judged, tables = _judge(tasks, volumes, by_rule, make, as_mask, n_kinds=num_classes or 1)
    count = tasks.add(_mistakes.number_of, judged, kinds=0 if num_classes is None else slice(1, None))
    critical, _ = _mark(volumes, by_rule, make, tasks.collection(judged), tables, as_mask)
    return critical, tasks.number(count, shape=() if num_classes is None else (num_classes - 1,))


def _judge(
    tasks: Tasks, volumes: list[Volume], rule: Key, make: MakeKeys, *others: Key, n_kinds: int
) -> tuple[Key, dict[Index, Key]]:
    """Add tasks that find which components are critical, of all blocks, and the part of each.

    Args:
        tasks: to add to.
        volumes: what keys are made of.
        rule: task that returns what is connected.
        make: makes keys of what others return, and of the blocks of the volumes.
        others: tasks.
        n_kinds: how many kinds of mistakes there are.
    """
    first = volumes[0]
    surveys = {
        index: tasks.add(_mistakes.survey, rule, *others, *blocks, keep=True, make=make, index=first.number(index))
        for index, blocks in _blocks(volumes)
    }
    judged = tasks.add(_mistakes.judge, join_blocks(tasks, first, surveys, rule, faces=1), n_kinds=n_kinds)
    return judged, {index: tasks.add(_mistakes.table_of, judged, block=first.number(index)) for index in surveys}


def _mark(
    volumes: list[Volume], rule: Key, make: MakeKeys, judged: Any, tables: dict[Index, Key], *others: Key
) -> list[Any]:
    """Return dask arrays of what is missed and critical, and in keys of two masks, of what is invented and critical."""
    again = [each.again(judged) for each in volumes]
    tasks = Tasks(*(each.array for each in again), others=[judged])
    marked = {
        index: tasks.add(_mistakes.mark, rule, tables[index], *others, *blocks, make=make)
        for index, blocks in _blocks(again)
    }
    masks = [{index: tasks.part(key, k) for index, key in marked.items()} for k in (0, 1)]
    return [volumes[0].restore(tasks.array(each, volumes[0].array.chunks, np.bool_)) for each in masks]


def _blocks(volumes: list[Volume]) -> Iterator[tuple[Index, list[Key]]]:
    """Yield the index of each block, and its keys in all volumes."""
    keys = [each.keys() for each in volumes]
    return ((index, [each[index] for each in keys]) for index in keys[0])
