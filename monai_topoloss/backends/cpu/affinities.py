"""Graphs of voxels that affinities join, in one image or volume, as NumPy arrays.

An array says for each voxel another one of its component that comes before it in raster order, or itself. Affinities
are taken row by row, each at its later end: most often that points to the same voxel as the earlier one already, and
nothing is to be done. So the cost of a correct affinity is that of comparing two numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit_inline, jit_loop
from monai_topoloss.backends.cpu.roots import find_root

_NONE = -1  # of the remainder is touched; r is a component of it, -2 - r that one and others


def label_affinities(affinity: NDArray[np.bool_], edges: NDArray[np.int64], out: NDArray[np.int32]) -> None:
    """Number the components of a graph of voxels from 1 on, in raster order, into zeros; single voxels stay 0.

    Args:
        affinity: (edges, Z, Y, X), whether a voxel is joined to the one an edge further, which may be outside.
        edges: (edges, 3), steps in z, y and x.
        out: int32, (Z, Y, X), zeros.
    """
    parent = _each_its_own(out.size)
    _join(affinity.reshape(len(edges), -1), out.shape, *_backwards(edges), parent, out.reshape(-1))
    _number(parent, out.reshape(-1))


def critical_affinities(
    input: NDArray[np.bool_],
    target: NDArray[Any],
    edges: NDArray[np.int64],
    splits: NDArray[np.bool_],
    merges: NDArray[np.bool_],
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
    """
    parent = _each_its_own(target.size)
    remains = np.zeros(target.size, np.bool_)
    missed, invented = (mistakes.reshape(len(edges), -1) for mistakes in (splits, merges))
    _compare(
        input.reshape(missed.shape), _as_int32(target).reshape(-1), target.shape, *_backwards(edges), parent, remains,
        missed, invented,
    )  # fmt: skip
    steps = _as_steps(edges, target.shape)
    return _mark_critical(missed, steps, parent, remains), _mark_critical(invented, steps, parent, remains)


def _each_its_own(size: int) -> NDArray[Any]:
    return np.arange(size, dtype=np.int32 if size < 2**31 - 2 else np.int64)


def _as_int32(ids: NDArray[Any]) -> NDArray[np.int32]:
    """Return ids, or if they are too high others that are equal where they are, and 0 where they are."""
    if int(ids.max(initial=0)) >= 2**31:
        ids = np.searchsorted(np.unique(np.append(ids, 0)), ids)
    return ids.astype(np.int32, copy=False)


def _as_steps(edges: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return how many voxels on in raster order an edge leads."""
    return (edges[:, 0] * shape[1] + edges[:, 1]) * shape[2] + edges[:, 2]


def _backwards(edges: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return edges from the earlier to the later voxel, and whether it is the later one that has the affinity."""
    signs = [next((np.sign(step) for step in edge if step), 0) for edge in edges]
    return edges * np.array(signs)[:, None], np.array(signs) < 0


def _mark_critical(
    mistakes: NDArray[np.bool_], steps: NDArray[np.int64], parent: NDArray[Any], remains: NDArray[np.bool_]
) -> int:
    """Leave of mistakes those that are critical; return how many splits or merges they make."""
    if not mistakes.any():
        return 0
    touched = np.full(len(parent), _NONE, parent.dtype)
    joined = parent.copy()  # the components of the remainder, as far as mistakes join them
    _join_mistakes(mistakes, steps, parent, remains)
    count = _touch(mistakes, steps, parent, remains, touched, joined)
    count += _select(mistakes, steps, parent, remains, touched)
    _part(parent, remains)
    return int(count)


@jit_loop
def _join(affinity: Any, shape: Any, edges: Any, at_later: Any, parent: Any, joined: Any) -> Any:
    """Join the ends of affinities; mark them."""
    for row in range(shape[0] * shape[1]):
        for e in range(len(edges)):
            begin, end, back = _clip(edges, e, row, shape)
            own = 0 if at_later[e] else back
            for j in range(begin, end):
                if affinity[e, j - own]:
                    joined[j - back], joined[j] = 1, 1
                    _link(parent, j - back, j)


@jit_loop
def _compare(
    input: Any,
    ids: Any,
    shape: Any,
    edges: Any,
    at_later: Any,
    parent: Any,
    remains: Any,
    missed: Any,
    invented: Any,
) -> Any:
    """Join the ends of affinities that are right and mark them; mark what is missed and what is invented."""
    for row in range(shape[0] * shape[1]):
        for e in range(len(edges)):
            begin, end, back = _clip(edges, e, row, shape)
            own = 0 if at_later[e] else back
            for j in range(begin, end):
                i, k = j - back, j - own
                if (ids[i] == ids[j]) & (ids[j] != 0):
                    if input[e, k]:
                        remains[i], remains[j] = True, True
                        _link(parent, i, j)
                    else:
                        missed[e, k] = True
                elif input[e, k]:
                    invented[e, k] = True
    for j in range(len(parent)):
        parent[j] = parent[parent[j]]


@jit_inline
def _clip(edges: Any, e: Any, row: Any, shape: Any) -> Any:
    """Return the first voxel of a row that is the later end of an edge, the one past the last, and the edge's step."""
    z, y = row // shape[1] - edges[e, 0], row % shape[1] - edges[e, 1]
    is_inside = (z >= 0) & (z < shape[0]) & (y >= 0) & (y < shape[1])
    begin, end = max(0, edges[e, 2]), min(shape[2], shape[2] + edges[e, 2])
    back = (edges[e, 0] * shape[1] + edges[e, 1]) * shape[2] + edges[e, 2]
    return row * shape[2] + begin, row * shape[2] + (end if is_inside else 0), back


@jit_inline
def _link(parent: Any, i: Any, j: Any) -> Any:
    """Join the components of two voxels, of which i comes first; return whether they were apart."""
    if parent[i] == parent[j]:
        return False
    a, b = find_root(parent, i), find_root(parent, j)
    parent[max(a, b)] = min(a, b)
    return a != b


@jit_loop
def _join_mistakes(mistakes: Any, steps: Any, parent: Any, remains: Any) -> Any:
    """Join mistakes that share a voxel without remainder: all such voxels are roots as yet."""
    for e in range(len(steps)):
        for i in range(len(parent)):
            if mistakes[e, i] and not remains[i] and not remains[i + steps[e]]:
                _link(parent, i, i + steps[e])


@jit_loop
def _touch(mistakes: Any, steps: Any, parent: Any, remains: Any, touched: Any, joined: Any) -> Any:
    """Note which components of the remainder mistakes touch, and join these; return how often they were apart."""
    count = 0
    for e in range(len(steps)):
        for i in range(len(parent)):
            j = i + steps[e]
            if mistakes[e, i] and (remains[i] or remains[j]):
                if remains[i] and remains[j]:
                    first, root = parent[i], parent[j]
                else:
                    mistake = find_root(parent, j if remains[i] else i)
                    first, root = touched[mistake], parent[i if remains[i] else j]
                    if first == _NONE:
                        touched[mistake], first = root, root
                    elif first < 0:
                        first = -2 - first
                    if first != root:
                        touched[mistake] = -2 - first
                count += _link(joined, first, root)
    return count


@jit_loop
def _select(mistakes: Any, steps: Any, parent: Any, remains: Any, touched: Any) -> Any:
    """Leave the critical ones of mistakes; return how many components of them touch no remainder."""
    count = 0
    for e in range(len(steps)):
        for i in range(len(parent)):
            if mistakes[e, i]:
                j = i + steps[e]
                if remains[i] and remains[j]:
                    mistakes[e, i] = parent[i] != parent[j]
                else:
                    mistake = find_root(parent, j if remains[i] else i)
                    mistakes[e, i] = touched[mistake] < 0
                    if touched[mistake] == _NONE:
                        touched[mistake] = -2  # it is counted
                        count += 1
    return count


@jit_loop
def _part(parent: Any, remains: Any) -> Any:
    """Let each voxel without remainder be its own again."""
    for i in range(len(parent)):
        if not remains[i]:
            parent[i] = i


@jit_loop
def _number(parent: Any, out: Any) -> Any:
    count = 0
    for i in range(len(parent)):
        if out[i]:
            if parent[i] == i:
                count += 1
                out[i] = count
            else:
                out[i] = out[parent[i]]
