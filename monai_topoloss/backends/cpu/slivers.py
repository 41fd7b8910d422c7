"""Slivers: fragments of objects that are too thin to be one.

Where a border between two instances is a voxel off, a layer of one is joined to the other. All affinities within the
layer are right, so that it is a component of the remainder; but nobody would say that an object was split there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.sizes import type_of_numbers
from monai_topoloss.backends.cpu._numba import jit_loop, lowest_bit
from monai_topoloss.backends.cpu.graphs import Graph, add_ends, read_word, span
from monai_topoloss.backends.cpu.rows import first_bits

_U = np.uint64
_0, _1 = _U(0), _U(1)


def find_slivers(
    graph: Graph, right: NDArray[np.uint64], ids: NDArray[Any], tolerance: int
) -> NDArray[np.uint64] | None:
    """Return which right affinities are of slivers, or None where there are none.

    A sliver has no voxel whose affinities within ``tolerance`` steps are all right, while another component of its
    object has one.

    Args:
        graph: that of the right affinities.
        right: bits, (edges, words).
        ids: of instances, of 32 or 64 bits, (Z, Y, X).
        tolerance: from 1 on.
    """
    broken = np.zeros_like(graph.has_edge)
    _find_broken(graph, right, broken)
    for _ in range(tolerance - 1):
        wider = broken.copy()
        _spread(graph, right, broken, wider)
        broken = wider
    ids = ids.reshape(-1)
    if int(ids.max(initial=0)) >= ids.size:
        ids = np.unique(ids, return_inverse=True)[1].astype(type_of_numbers(ids.size))
    core, of_object = np.zeros(ids.size, np.bool_), np.zeros(int(ids.max(initial=0)) + 1, np.bool_)
    _mark_cores(graph, broken, ids, core, of_object)
    slivers = np.zeros_like(graph.has_edge)
    if not _find_voxels(graph, ids, core, of_object, slivers):
        return None
    found = np.zeros_like(right)
    _find_affinities(graph, right, slivers, found)
    return found


@jit_loop
def _find_broken(graph: Any, right: Any, broken: Any) -> Any:
    """Note both ends of affinities that are not right."""
    for row in range(graph.shape[0] * graph.shape[1]):
        for e in range(len(graph.edges)):
            at = span(graph, e, row)
            for w in range((at.length + 63) >> 6):
                wrong = ~right[e, row * graph.words + w] & first_bits(at.length - 64 * w)
                if wrong:
                    add_ends(broken, graph.words, at, w, wrong)


@jit_loop
def _spread(graph: Any, right: Any, broken: Any, wider: Any) -> Any:
    """Note both ends of right affinities that have a broken one."""
    for row in range(graph.shape[0] * graph.shape[1]):
        for e in range(len(graph.edges)):
            at = span(graph, e, row)
            for w in range((at.length + 63) >> 6):
                bits = right[e, row * graph.words + w]
                bits &= read_word(broken, at.row, graph.words, w, at.first) | read_word(
                    broken, at.earlier, graph.words, w, at.other
                )
                if bits:
                    add_ends(wider, graph.words, at, w, bits)


@jit_loop
def _mark_cores(graph: Any, broken: Any, ids: Any, core: Any, of_object: Any) -> Any:
    """Mark components, at their first voxel, and objects that have a voxel which is not broken."""
    for row in range(graph.shape[0] * graph.shape[1]):
        for w in range(graph.words):
            k = row * graph.words + w
            whole = graph.has_edge[k] & ~broken[k]
            rest = whole & ~((whole << _1) & graph.follows[k])
            while rest:
                j = row * graph.shape[2] + 64 * w + np.int64(lowest_bit(rest))
                rest &= rest - _1
                core[graph.parent[j]] = of_object[ids[j]] = True


@jit_loop
def _find_voxels(graph: Any, ids: Any, core: Any, of_object: Any, slivers: Any) -> Any:
    """Mark the voxels of slivers; return whether there are any."""
    found = False
    for row in range(graph.shape[0] * graph.shape[1]):
        is_sliver = False
        for w in range(graph.words):
            rest, follows = graph.has_edge[row * graph.words + w], graph.follows[row * graph.words + w]
            marked = _0
            while rest:
                bit = lowest_bit(rest)
                rest &= rest - _1
                if not (follows >> bit) & _1:
                    j = row * graph.shape[2] + 64 * w + np.int64(bit)
                    is_sliver = of_object[ids[j]] and not core[graph.parent[j]]
                if is_sliver:
                    marked |= _1 << bit
            slivers[row * graph.words + w] = marked
            found |= marked != _0
    return found


@jit_loop
def _find_affinities(graph: Any, right: Any, slivers: Any, found: Any) -> Any:
    """Mark right affinities between voxels of slivers."""
    for row in range(graph.shape[0] * graph.shape[1]):
        for e in range(len(graph.edges)):
            at = span(graph, e, row)
            for w in range((at.length + 63) >> 6):
                k = row * graph.words + w
                found[e, k] = right[e, k] & read_word(slivers, at.row, graph.words, w, at.first)
