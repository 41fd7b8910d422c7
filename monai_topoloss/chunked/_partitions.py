"""Tables of the pairs of ids that meet, of partitions in chunks, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.options import check_connectivity
from monai_topoloss.backends.cpu.partitions import compare_pairs, list_pairs
from monai_topoloss.chunked._pairs import Pair
from monai_topoloss.chunked._tasks import Key, Tasks
from monai_topoloss.chunked._volumes import for_each
from monai_topoloss.chunked.components import label_volume

Table = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]  # ids, ids, and how many voxels have both


def compare_partitions(pair: Pair, connectivity: int | None, *, instances: bool, foreground_only: bool) -> Any:
    """Return `monai_topoloss.backends.base.PartitionErrors` and whether there is a label, float64 ``(6,)``."""
    tasks, table = tabulate(pair, connectivity, instances=instances, foreground_only=foreground_only)
    return tasks.number(tasks.add(_compare, table, foreground_only=foreground_only), np.float64, (6,))


def tabulate(pair: Pair, connectivity: int | None, *, instances: bool, foreground_only: bool) -> tuple[Tasks, Key]:
    """Return tasks, and which one lists the pairs of ids that meet, of the whole.

    Args:
        pair: prediction and label: ids, or masks whose components are numbered.
        connectivity: of components.
        instances: they are ids.
        foreground_only: leave out the background of the label.
    """
    connectivity = check_connectivity("connectivity", connectivity, pair.label.ndim)
    ids = list(pair[:2])
    if not instances:
        ids = [label_volume(each, connectivity)[0] for each in ids]
    volumes = ids if pair.ignored is None else [*ids, pair.ignored]
    tasks = Tasks(*(each.array for each in volumes))
    tables = for_each(tasks, _list_pairs, *volumes, keep=True, foreground_only=foreground_only)
    return tasks, tasks.add(_add_up, list(tables.values()))


def _list_pairs(
    prediction: NDArray[Any],
    label: NDArray[Any],
    ignored: NDArray[np.bool_] | None = None,
    *,
    foreground_only: bool,
) -> Table:
    """List pairs of ids of a block, and how many voxels each has."""
    if ignored is not None:
        prediction, label = prediction[~ignored], label[~ignored]
    return list_pairs(prediction, label, foreground_only=foreground_only)


def _add_up(tables: Sequence[Table]) -> Table:
    """Add up the pairs of all blocks."""
    inputs, targets, counts = (np.concatenate(column) for column in zip(*tables, strict=True))
    order = np.lexsort((targets, inputs))
    inputs, targets, counts = inputs[order], targets[order], counts[order]
    is_new = np.append(True, (np.diff(inputs) != 0) | (np.diff(targets) != 0))[: len(inputs)]
    counts = np.add.reduceat(counts, np.flatnonzero(is_new)) if len(counts) else counts
    return inputs[is_new], targets[is_new], counts


def _compare(table: Table, *, foreground_only: bool) -> NDArray[np.floating]:
    errors = compare_pairs(*table, foreground_only=foreground_only)
    return np.append(errors, (table[1] != 0).any())
