"""Graphs of tasks, and the arrays that come out of them.

They are written down as Dask takes them, each task a function and the keys of its arguments. Its wrapper for functions,
`dask.delayed`, copies all the graph behind each list of arguments: the square of the number of blocks.

What only one task needs, such as reading its block, becomes part of it. Otherwise Dask may read all blocks before it
does anything with them.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from monai_topoloss.chunked import _scratch

try:
    import dask as _dask
    import dask.array as _array
    from dask._task_spec import DataNode as _DataNode
    from dask._task_spec import Task as _Task
    from dask._task_spec import TaskRef as _TaskRef
    from dask._task_spec import convert_legacy_graph as _convert_legacy_graph
    from dask.base import clone_key as _clone_key
    from dask.delayed import Delayed as _Delayed
    from dask.highlevelgraph import HighLevelGraph as _HighLevelGraph
except ImportError as error:
    raise ImportError('Functions of volumes in chunks need Dask: pip install "monai-topoloss[chunked]".') from error

# Dask's functions have no types.
dask: Any = _dask
da: Any = _array
_clone: Any = _clone_key
_make_delayed: Any = _Delayed
_Graph: Any = _HighLevelGraph

Key = tuple[str, int]
Index = tuple[int, int, int]  # of a block, in z, y and x


class Tasks:
    """Tasks that depend on arrays, and on each other.

    Once something has been made of them, there can be no more: graphs are put together by the names of their parts.

    Args:
        inputs: dask arrays whose blocks are arguments; what is behind them and needed by one task becomes part of it.
        others: Dask's collections whose keys are arguments, and which stay as they are.
    """

    def __init__(self, *inputs: Any, others: Sequence[Any] = ()) -> None:
        self._name = f"tasks-{uuid.uuid4().hex}"
        self._tasks: dict[Key, Any] = {}
        self._inputs = inputs
        self._others = others
        self._graph: Any = None
        scratch = _scratch.current()
        self._kept = None if scratch is None else scratch.next_graph()

    def add(self, function: Callable[..., Any], *arguments: Any, keep: bool = False, **options: Any) -> Key:
        """Add the call of a function: on keys, or lists of keys, and with options that are known.

        What it returns is worth keeping in the scratch folder, if there is one and ``keep`` says so.
        """
        if self._graph is not None:
            raise RuntimeError("Something has been made of these tasks: there can be no more.")
        key = (f"{function.__name__.strip('_')}-{self._name[-16:]}", len(self._tasks))
        call = partial(function, **options)
        if keep and self._kept is not None:
            path = self._path(key)
            self._tasks[key] = (
                (partial(_scratch.load, path=path),) if path.exists() else (_scratch.Keeping(call, path), *arguments)
            )
        else:
            self._tasks[key] = (call, *arguments)
        return key

    def _path(self, key: Key) -> Path:
        return cast(Path, self._kept) / str(key[1])

    def constant(self, value: Any) -> Key:
        """Add a task that returns a value, which may be of a kind that Dask would look into."""
        return self.add(_constant, value=value)

    def part(self, key: Key, k: Any, *, keep: bool = False) -> Key:
        """Add a task that returns part of a result: so what is not needed any more can be forgotten."""
        return self.add(_part, key, k=k, keep=keep)

    def settle(self, blocks: dict[Index, Key], values: dict[Index, Key]) -> tuple[dict[Index, Any], dict[Index, Any]]:
        """Compute tasks that have been added to be kept, and others.

        Returns:
            One of Dask's collections for each of the first, which is in memory, or in the scratch folder if there is
            one. And what the others return.
        """
        if self._kept is None:
            done, found = dask.persist(
                *({i: self.collection(key) for i, key in each.items()} for each in (blocks, values))
            )
            return done, dask.compute(found)[0]
        waiting = [self.add(_nothing, key) for key in blocks.values() if not self._path(key).exists()]
        found = {index: self.collection(key) for index, key in values.items()}
        found, _ = dask.compute(found, [self.collection(key) for key in waiting])
        loading = Tasks()
        keys = {index: loading.add(_scratch.load, path=self._path(key)) for index, key in blocks.items()}
        return {index: loading.collection(key) for index, key in keys.items()}, found

    def collection(self, key: Key) -> Any:
        """Return what a task computes as one of Dask's collections."""
        if self._graph is None:
            behind = [dict(each.__dask_graph__()) for each in self._inputs]
            done = {key for each in self._others for key in each.__dask_graph__()}
            tasks = _fuse(self._tasks, {key: task for each in behind for key, task in each.items()}, done)
            self._graph = _Graph.from_collections(self._name, tasks, dependencies=self._others)
        return _make_delayed(key, self._graph, layer=self._name)

    def collections(self) -> list[Any]:
        """Return what all tasks compute, as Dask's collections."""
        return [self.collection(key) for key in self._tasks]

    def array(self, keys: dict[Any, Key], chunks: Sequence[Sequence[int]], dtype: Any) -> Any:
        """Return a dask array of blocks that tasks compute, or dependencies."""
        return self._array({index: (_itself, key) for index, key in keys.items()}, chunks, dtype)

    def number(self, key: Key, dtype: Any = np.int64, shape: tuple[int, ...] = ()) -> Any:
        """Return a dask array of one block, a number or a few, that a task computes."""
        return self._array({(0,) * len(shape): (partial(np.asarray, dtype=dtype), key)}, [(n,) for n in shape], dtype)

    def _array(self, blocks: dict[Any, Any], chunks: Sequence[Sequence[int]], dtype: Any) -> Any:
        name = f"array-{uuid.uuid4().hex}"
        behind = [self.collection(next(iter(self._tasks)))] if self._tasks else self._others
        graph = _Graph.from_collections(
            name, {(name, *index): each for index, each in blocks.items()}, dependencies=behind
        )
        return da.Array(graph, name, chunks, dtype=dtype)


def _fuse(tasks: dict[Key, Any], behind: dict[Any, Any], done: set[Any]) -> dict[Any, Any]:
    """Make tasks behind some others part of them, if they are needed by one only.

    Args:
        tasks: what is kept apart, as it has been added.
        behind: what these need.
        done: keys of what stays where it is.
    """
    behind = {key: task for key, task in behind.items() if key not in done}
    keys = {*tasks, *behind, *done}
    own, others = _convert_legacy_graph(tasks, keys), _convert_legacy_graph(behind, keys)
    needed_by: dict[Any, list[Any]] = defaultdict(list)
    for key, task in (*own.items(), *others.items()):
        for each in task.dependencies:
            needed_by[each].append(key)
    owner: dict[Any, Any] = {key: key for key in own}
    parts: dict[Any, list[Any]] = defaultdict(list)
    shared = {}
    for key in _dependents_first(others, needed_by):
        owners = {owner[each] for each in needed_by[key]}
        owner[key] = None if len(owners) != 1 or isinstance(others[key], _DataNode) else owners.pop()
        if owner[key] is not None:
            parts[owner[key]].append(others[key])
        elif needed_by[key]:
            shared[key] = others[key]
    return {**shared, **{key: _Task.fuse(task, *parts[key], key=key) for key, task in own.items()}}


def _dependents_first(tasks: dict[Any, Any], needed_by: dict[Any, list[Any]]) -> Iterator[Any]:
    """Yield keys of tasks, each after all the others that need it."""
    waiting = {key: sum(each in tasks for each in needed_by[key]) for key in tasks}
    ready = [key for key, number in waiting.items() if not number]
    while ready:
        key = ready.pop()
        yield key
        for each in tasks[key].dependencies:
            if each in waiting:
                waiting[each] -= 1
                if not waiting[each]:
                    ready.append(each)


def only_key(array: Any) -> Any:
    """Return the key of the only block of a dask array."""
    return (array.name, *(0,) * array.ndim)


def again(array: Any, after: Any, kept: Any = None) -> Any:
    """Return a dask array that is computed once more, when something else has been computed.

    What two tasks need is kept in memory until both have run. So an array that is needed again much later is better
    computed again. (That is what `dask.graph_manipulation.bind` is for, which loses tasks of Dask's newer kind.)

    Args:
        array: a dask array.
        after: one of Dask's collections: nothing of the array is computed before.
        kept: a collection of whose tasks none is computed again.
    """
    seed = str(after.key)  # so that two arrays have in common what they are made of, as before
    graph: Any = _convert_legacy_graph(dict(array.__dask_graph__()))
    stays = set() if kept is None else set(kept.__dask_graph__())
    names = {key: _clone(key, seed) for key in graph if key not in stays}
    tasks = {}
    for key, name in names.items():
        tasks[name] = task = graph[key].substitute(names, key=name)
        if not task.dependencies:
            tasks[name] = _Task(name, _second, _TaskRef(after.key), task)
    name = _clone(array.name, seed)
    behind = [after] if kept is None else [after, kept]
    return da.Array(_Graph.from_collections(name, tasks, dependencies=behind), name, array.chunks, dtype=array.dtype)


def _second(first: Any, second: Any) -> Any:  # noqa: ARG001 -- it is waited for
    return second


def _constant(*, value: Any) -> Any:
    return value


def _part(result: Any, *, k: Any) -> Any:
    return result[k]


def _nothing(_: Any) -> None:
    """Wait for a result, and forget it."""


def _itself(value: Any) -> Any:
    return value
