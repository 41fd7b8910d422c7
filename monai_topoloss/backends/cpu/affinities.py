"""Instances that affinities make, and the mistakes that split or merge them, in one image or volume of NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit_inline, jit_loop, lowest_bit
from monai_topoloss.backends.cpu.graphs import (
    Graph,
    as_numbers,
    compare,
    first_of_same,
    is_set,
    join,
    link,
    make_graph,
    part,
    read,
    span,
)
from monai_topoloss.backends.cpu.slivers import find_slivers

_NONE = -1  # of the remainder is touched; r is a component of it, -2 - r that one and others
_PREPARE, _TOUCH, _EXCUSE, _SELECT = range(4)  # what is done with mistakes, one after the other
_0, _1 = np.uint64(0), np.uint64(1)


def label_affinities(affinity: NDArray[np.bool_], edges: NDArray[np.int64], out: NDArray[Any]) -> None:
    """Number the components of a graph of voxels from 1 on, in raster order, into zeros; single voxels stay 0.

    Args:
        affinity: (edges, Z, Y, X), whether a voxel is joined to the one an edge further, which may be outside.
        edges: (edges, 3), steps in z, y and x.
        out: int32 or int64, as numbers of its voxels need, (Z, Y, X), zeros.
    """
    graph = make_graph(out.shape, edges)
    join(graph, read(graph, affinity), np.zeros_like(graph.has_edge))
    _number(graph, out.reshape(-1))


def critical_affinities(
    input: NDArray[np.bool_],
    target: NDArray[Any],
    edges: NDArray[np.int64],
    splits: NDArray[np.bool_],
    merges: NDArray[np.bool_],
    tolerance: int = 0,
) -> tuple[int, int]:
    """Mark the affinities that split or merge objects in zeros; return how many splits and merges they make.

    What both sides join is the *remainder*. Mistakes of one kind are one component where they share a voxel that is not
    of the remainder. A component is critical unless it touches exactly one component of the remainder.

    Args:
        input: (edges, Z, Y, X), whether a voxel is joined to the one an edge further, which may be outside.
        target: ids of instances, (Z, Y, X); 0 is background.
        edges: (edges, 3), steps in z, y and x.
        splits: (edges, Z, Y, X), is written to.
        merges: likewise.
        tolerance: how many steps deep a fragment of an object has to be to count; thinner ones are slivers, which are
            no part of the remainder, and hang together with mistakes.
    """
    graph, ids = make_graph(target.shape, edges), as_numbers(target)
    right, *mistakes = compare(graph, input, ids)
    nothing = np.zeros_like(graph.has_edge)
    join(graph, right, nothing)
    slivers = find_slivers(graph, right, ids, tolerance) if tolerance else None
    if slivers is not None:
        graph = make_graph(target.shape, edges)
        join(graph, right & ~slivers, nothing)
    state = np.empty(target.size, graph.parent.dtype)  # only what mistakes touch is used, so most pages stay untouched
    n_splits, n_merges = (
        _mark_critical(graph, wrong, slivers, state, critical.reshape(-1)) if wrong.any() else 0
        for wrong, critical in zip(mistakes, (splits, merges), strict=True)
    )
    return n_splits, n_merges


def _mark_critical(
    graph: Graph,
    mistakes: NDArray[np.uint64],
    slivers: NDArray[np.uint64] | None,
    state: NDArray[Any],
    critical: NDArray[np.bool_],
) -> int:
    """Mark mistakes that are critical; return how many splits or merges they make.

    Args:
        graph: the remainder.
        mistakes: bits, (edges, words).
        slivers: likewise, of right affinities which mistakes hang together by.
        state: (Z * Y * X), is used at the first voxel of what mistakes touch. Of a component of the remainder it says
            another one that mistakes join to it, or itself; of a component of mistakes without remainder it says which
            component of that they touch.
        critical: (edges * Z * Y * X), is written to.
    """
    apart = graph._replace(has_edge=np.zeros_like(graph.has_edge), follows=np.zeros_like(graph.follows))
    join(apart, mistakes if slivers is None else mistakes | slivers, graph.has_edge)
    same = graph.follows | apart.follows
    count = 0
    for step in (_PREPARE, _TOUCH, _EXCUSE, _SELECT):
        of_step = slivers if step == _EXCUSE else mistakes
        if of_step is not None:
            count += _look_at(step, graph, same, of_step, state, critical)
    part(apart)
    return count


@jit_loop
def _look_at(step: Any, graph: Any, same: Any, mistakes: Any, state: Any, critical: Any) -> Any:
    """Do a step with each mistake, but once for those in a row that are between the same components."""
    parent, words = graph.parent, graph.words
    count = 0
    for row in range(graph.shape[0] * graph.shape[1]):
        for e in range(len(graph.edges)):
            at, before, is_critical = span(graph, e, row), _0, False
            for w in range((at.length + 63) >> 6):
                bits = mistakes[e, row * words + w]
                starts = first_of_same(same, words, at, w, bits, before) if bits else _0
                before, rest = bits, bits if step == _SELECT else starts
                while rest:
                    bit = lowest_bit(rest)
                    rest &= rest - _1
                    x = 64 * w + np.int64(bit)
                    if (starts >> bit) & _1:
                        i, j = parent[at.begin + x - at.back], parent[at.begin + x]
                        i_remains = is_set(graph.has_edge, at.earlier, words, at.other + x)
                        j_remains = is_set(graph.has_edge, row, words, at.first + x)
                        if step == _PREPARE:
                            _prepare(state, i, j, i_remains, j_remains)
                        elif step == _TOUCH:
                            count += _touch(state, i, j, i_remains, j_remains)
                        elif step == _EXCUSE:
                            _excuse(state, i)
                        else:
                            is_critical, is_new = _select(state, i, j, i_remains, j_remains)
                            count += is_new
                    if is_critical:
                        critical[at.own + x] = True
    return count


@jit_inline
def _prepare(state: Any, i: Any, j: Any, i_remains: Any, j_remains: Any) -> Any:
    """Let a mistake touch nothing as yet, and components of the remainder be apart."""
    state[i] = i if i_remains else _NONE
    state[j] = j if j_remains else _NONE


@jit_inline
def _touch(state: Any, i: Any, j: Any, i_remains: Any, j_remains: Any) -> Any:
    """Note which component of the remainder a mistake touches, and join it; return how often two were apart."""
    if i_remains and j_remains:
        return int(link(state, i, j))
    if not (i_remains or j_remains):
        return 0
    mistake, root = (j, i) if i_remains else (i, j)
    first = np.int64(state[mistake])
    if first == _NONE:
        state[mistake] = root
        return 0
    if first < 0:
        first = -2 - first
    if first != root:
        state[mistake] = -2 - first
    return int(link(state, first, root))


@jit_inline
def _excuse(state: Any, i: Any) -> Any:
    """Let what touches slivers only be not critical, as if it touched one component."""
    if state[i] == _NONE:
        state[i] = i


@jit_inline
def _select(state: Any, i: Any, j: Any, i_remains: Any, j_remains: Any) -> Any:
    """Return whether a mistake is critical, and whether it is the first of a component that touches no remainder."""
    if i_remains and j_remains:
        return i != j, False
    mistake = j if i_remains else i
    is_new = state[mistake] == _NONE
    if is_new:
        state[mistake] = -2  # it is counted
    return state[mistake] < 0, is_new


@jit_loop
def _number(graph: Any, out: Any) -> Any:
    width, count = graph.shape[2], 0
    for row in range(graph.shape[0] * graph.shape[1]):
        for w in range(graph.words):
            rest = graph.has_edge[row * graph.words + w]
            while rest:
                j = row * width + 64 * w + np.int64(lowest_bit(rest))
                rest &= rest - _1
                if graph.parent[j] == j:
                    count += 1
                    out[j] = count
                else:
                    out[j] = out[graph.parent[j]]
