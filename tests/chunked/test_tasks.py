from __future__ import annotations

import weakref
from functools import partial

import dask.array as da
import numpy as np
import pytest

from monai_topoloss import chunked
from monai_topoloss.chunked._tasks import Tasks, again

pytestmark = pytest.mark.usefixtures("synchronous")


def counted(shape, chunks, reads):
    """An array of zeros that notes in a list which chunks are read."""

    def read(block, block_info=None):
        reads.append(block_info[0]["chunk-location"])
        return block

    return da.zeros(shape, chunks=chunks).map_blocks(read, dtype=float, meta=np.zeros((0,) * len(shape)))


def test_again_waits_and_computes_once_more():
    order = []
    first = counted((4,), 2, order)
    tasks = Tasks()
    done = tasks.collection(tasks.add(order.append, tasks.constant("done")))
    later = again(first, done)
    assert later.compute().tolist() == [0] * 4
    assert order[0] == "done"
    assert sorted(order[1:]) == [(0,), (1,)]
    order.clear()
    (later + first).compute()
    assert sorted(map(str, order)) == sorted(map(str, ["done", (0,), (1,), (0,), (1,)]))


def test_again_does_not_repeat_what_is_kept():
    order = []
    tasks = Tasks()
    value = tasks.add(_noted, tasks.constant(order))
    kept = tasks.collection(value)
    use = Tasks(others=[kept])
    array = use.number(use.add(_itself, value), np.int64)
    assert int(again(array, kept, kept) + array) == 2
    assert order == ["once"]


def _noted(order):
    order.append("once")
    return 1


def _itself(value):
    return value


def test_no_more_tasks_once_something_was_made():
    tasks = Tasks()
    tasks.collection(tasks.constant(1))
    with pytest.raises(RuntimeError, match="there can be no more"):
        tasks.constant(2)


@pytest.mark.parametrize(
    ("function", "times"),
    [
        (lambda _, y: chunked.label_components(y).labels, 2),
        (lambda _, y: chunked.label_components(y).counts, 1),
        (lambda x, y: chunked.critical_components(x != 0, y != 0).splits, 2),
        (lambda x, y: chunked.critical_components(x != 0, y != 0).n_splits, 1),
        (lambda _, y: chunked.critical_components(y != 0, y != 0).splits, 2),
        (lambda _, y: chunked.betti_numbers(y), 1),
        (lambda _, y: chunked.euler_number(y), 1),
        (lambda _, y: chunked.skeletonize(y), 1),
        (lambda _, y: chunked.tubed_skeleton(y), 2),
        (chunked.variation_of_information, 2),
        (partial(chunked.variation_of_information, instances=True), 1),
        (chunked.betti_error, 1),
        (chunked.centerline_dice, 2),
        (chunked.critical_error, 2),
    ],
)
def test_how_often_chunks_are_read(function, times):
    reads = []
    function(counted((4, 4, 4), 2, []), counted((4, 4, 4), 2, reads)).compute()
    assert len(reads) == 8 * times


@pytest.mark.parametrize("function", [chunked.label_components, chunked.betti_numbers, chunked.euler_number])
def test_nothing_is_read_before_it_is_asked_for(function):
    reads = []
    function(counted((4, 4, 4), 2, reads))
    assert not reads


def test_tasks_are_as_many_as_blocks():
    """What is fused is reading and looking, not all there is."""
    mask = da.zeros((6, 6, 6), dtype=bool, chunks=2)
    for result in (
        chunked.variation_of_information(mask, mask),
        chunked.betti_error(mask, mask),
        chunked.critical_error(mask, mask),
        chunked.betti_numbers(mask),
        chunked.label_components(mask).labels,
    ):
        assert len(dict(result.__dask_graph__())) >= 2 * 27


class Block(np.ndarray):
    """An array that owns its memory, so that views of it keep it alive."""


@pytest.mark.parametrize(
    "function",
    [
        lambda x: chunked.label_components(x).labels,
        lambda x: chunked.critical_components(x, x).splits,
        chunked.betti_numbers,
        chunked.euler_number,
        chunked.skeletonize,
        chunked.tubed_skeleton,
        lambda x: chunked.variation_of_information(x, x),
    ],
)
def test_few_chunks_are_in_memory_at_once(function):
    alive, most = set(), 0

    def read(block):
        nonlocal most
        own = Block(block.shape, bool)
        own[:] = False
        alive.add(id(own))
        most = max(most, len(alive))
        weakref.finalize(own, alive.discard, id(own))
        return own

    mask = da.zeros((20, 20, 20), chunks=4).map_blocks(read, dtype=bool, meta=np.zeros((0, 0, 0), bool))
    result = function(mask)
    if result.ndim == 3:
        da.store(result, Nowhere(), lock=False)
    else:
        result.compute()
    assert most <= 3


class Nowhere:
    def __setitem__(self, key, value):
        pass
