"""Graphs of voxels that affinities join, row by row and 64 affinities at a time.

An affinity is looked at from its later end in raster order. Whether it joins is a bit, and so is whether a voxel has an
affinity at all. Voxels that follow each other in x and are joined are a run, whose voxels all point to the first one.
Where two rows touch, affinity after affinity joins the same two runs: only the first of them needs a look at the runs,
and words of bits say which that is. So the cost of affinities between the same objects is that of comparing words.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.sizes import type_of_numbers
from monai_topoloss.backends.cpu._numba import jit_inline, jit_loop, lowest_bit
from monai_topoloss.backends.cpu.roots import find_root
from monai_topoloss.backends.cpu.rows import as_bits, equal_word, nonzero_word

_U = np.uint64
_0, _1, _63 = _U(0), _U(1), _U(63)


class Graph(NamedTuple):
    """Voxels (Z, Y, X) and the edges between them.

    Bits of voxels are in words of 64, each row from a new one on. Bits of affinities are in such words too, at their
    later ends, and count from the first voxel of a row that can be one.
    """

    shape: tuple[int, ...]
    words: int  # of a row
    edges: NDArray[np.int64]  # from the earlier end to the later one, those along x to the next voxel first
    channel: NDArray[np.int64]  # of each edge
    at_later: NDArray[np.bool_]  # whether the later end has the affinity
    along_x: int  # how many edges lead to the next voxel in x
    parent: NDArray[Any]  # for each voxel, another one of its component that comes before it, or itself
    has_edge: NDArray[np.uint64]  # bits: voxels that are joined to any other
    follows: NDArray[np.uint64]  # bits: voxels that are joined to the one before in x


class Span(NamedTuple):
    """The affinities along an edge that end in a row."""

    length: int
    row: int  # of their later ends
    first: int  # where these begin in x
    earlier: int  # the row of their earlier ends
    other: int  # where these begin in x
    begin: int  # the first later end among all voxels
    back: int  # how many voxels before is the earlier end
    own: int  # where in flat affinities they begin


def make_graph(shape: tuple[int, ...], edges: NDArray[np.int64]) -> Graph:
    """Make a graph without affinities, for `join`."""
    signs = np.array([next((np.sign(step) for step in edge if step), 0) for edge in edges])
    backwards = edges * signs[:, None]
    to_next = (backwards == (0, 0, 1)).all(axis=1)
    order = np.argsort(~to_next, kind="stable")
    size, words = int(np.prod(shape)), -(-shape[2] // 64)
    has_edge, follows = np.zeros((2, shape[0] * shape[1] * words), _U)
    parent = np.arange(size, dtype=type_of_numbers(size))
    return Graph(
        shape, words, backwards[order], order, (signs < 0)[order], int(to_next.sum()), parent, has_edge, follows
    )


class Compared(NamedTuple):
    """Bits of affinities, (edges, words), edges in the order of the graph."""

    right: NDArray[np.uint64]
    missed: NDArray[np.uint64]
    invented: NDArray[np.uint64]


def read(graph: Graph, affinity: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return the bits (edges, words) of affinities (edges, Z, Y, X), but of those that leave the volume."""
    bits = np.zeros((len(graph.edges), len(graph.has_edge)), _U)
    _read(graph, as_bits(affinity), bits)
    return bits


def compare(graph: Graph, input: NDArray[np.bool_], ids: NDArray[Any]) -> Compared:
    """Compare affinities (edges, Z, Y, X) with the true ones: those between equal ids (Z, Y, X) other than 0."""
    compared = Compared(*np.zeros((3, len(graph.edges), len(graph.has_edge)), _U))
    _compare(graph, as_bits(input), as_bits(ids), *compared)
    return compared


def as_numbers(ids: NDArray[Any]) -> NDArray[Any]:
    """Return ids in as many bits as numbers of their voxels need, 32 or 64.

    If they are too high for that, return others that are equal where they are, and 0 where they are.
    """
    dtype = type_of_numbers(ids.size)
    if ids.dtype.itemsize > dtype.itemsize and int(ids.max(initial=0)) > np.iinfo(dtype).max:
        ids = np.searchsorted(np.unique(np.append(ids, 0)), ids)
    return ids if ids.dtype.itemsize == dtype.itemsize else ids.astype(dtype)


@jit_inline
def span(graph: Any, e: Any, row: Any) -> Any:
    """Return the affinities along an edge that end in a row."""
    edge, (depth, height, width) = graph.edges[e], graph.shape
    z, y = row // height - edge[0], row % height - edge[1]
    is_inside = (z >= 0) & (z < depth) & (y >= 0) & (y < height)
    first, other = max(0, edge[2]), max(0, -edge[2])
    length = max(0, width - first - other) if is_inside else 0
    back = (edge[0] * height + edge[1]) * width + edge[2]
    begin = row * width + first
    own = graph.channel[e] * depth * height * width + begin - (0 if graph.at_later[e] else back)
    return Span(length, row, first, row - edge[0] * height - edge[1], other, begin, back, own)


@jit_inline
def read_word(bits: Any, row: Any, words: Any, w: Any, first: Any) -> Any:
    """Return 64 bits of a row from ``64 w + first`` on."""
    k, shift = w + (first >> 6), _U(first & 63)
    found = bits[row * words + k] >> shift if k < words else _0
    if shift and k + 1 < words:
        found |= bits[row * words + k + 1] << (_U(64) - shift)
    return found


@jit_inline
def add_word(bits: Any, row: Any, words: Any, w: Any, first: Any, added: Any) -> Any:
    """Set bits of a row from ``64 w + first`` on."""
    k, shift = w + (first >> 6), _U(first & 63)
    if k < words:
        bits[row * words + k] |= added << shift
    if shift and k + 1 < words:
        bits[row * words + k + 1] |= added >> (_U(64) - shift)


@jit_inline
def is_set(bits: Any, row: Any, words: Any, x: Any) -> Any:
    """Return whether a voxel's bit is set."""
    return (bits[row * words + (x >> 6)] >> _U(x & 63)) & _1 != _0


@jit_inline
def link(parent: Any, i: Any, j: Any) -> Any:
    """Join the components of two voxels; return whether they were apart."""
    a, b = find_root(parent, i), find_root(parent, j)
    parent[max(a, b)] = min(a, b)
    return a != b


@jit_inline
def first_of_same(same: Any, words: Any, at: Any, w: Any, bits: Any, before: Any) -> Any:
    """Return of a word of affinities those that are not between the same components as the one before in x.

    Args:
        same: bits: voxels that are of the same component as the one before in x.
        words: of a row.
        at: the span of the affinities.
        w: number of the word.
        bits: the word.
        before: the word before, or 0.
    """
    here, there = read_word(same, at.row, words, w, at.first), read_word(same, at.earlier, words, w, at.other)
    return bits & ~(((bits << _1) | (before >> _63)) & here & there)


@jit_inline
def add_ends(voxels: Any, words: Any, at: Any, w: Any, bits: Any) -> Any:
    """Set the bits of both ends of a word of affinities."""
    add_word(voxels, at.row, words, w, at.first, bits)
    add_word(voxels, at.earlier, words, w, at.other, bits)


@jit_inline
def _join_word(graph: Any, e: Any, at: Any, w: Any, bits: Any, before: Any) -> Any:
    """Join the ends of a word of affinities."""
    words = graph.words
    add_ends(graph.has_edge, words, at, w, bits)
    if e < graph.along_x:
        add_word(graph.follows, at.row, words, w, at.first, bits)
        return
    rest = first_of_same(graph.follows, words, at, w, bits, before)
    while rest:
        j = at.begin + 64 * w + np.int64(lowest_bit(rest))
        rest &= rest - _1
        link(graph.parent, j - at.back, j)


@jit_inline
def _point_to_first(graph: Any, row: Any) -> Any:
    """Let each voxel of a row's runs point to the first one."""
    width, parent = graph.shape[2], graph.parent
    for w in range(graph.words):
        bits, j = graph.follows[row * graph.words + w], row * width + 64 * w
        while bits:
            step = lowest_bit(bits)
            bits >>= step
            j += np.int64(step)
            count = np.int64(lowest_bit(~bits)) if ~bits else 64
            first = parent[j - 1]
            for k in range(j, j + count):
                parent[k] = first
            bits = bits >> _U(count) if count < 64 else _0
            j += count


@jit_inline
def _redirect(graph: Any, to_itself: Any) -> Any:
    """Let each voxel that has an edge point to itself, or to the first one of its component."""
    for row in range(graph.shape[0] * graph.shape[1]):
        for w in range(graph.words):
            bits, j = graph.has_edge[row * graph.words + w], row * graph.shape[2] + 64 * w
            while bits:
                if bits & _1:
                    graph.parent[j] = j if to_itself else graph.parent[graph.parent[j]]
                bits >>= _1
                j += 1


@jit_loop
def _read(graph: Any, affinity: Any, bits: Any) -> Any:
    for row in range(graph.shape[0] * graph.shape[1]):
        for e in range(len(graph.edges)):
            at = span(graph, e, row)
            for w in range((at.length + 63) >> 6):
                bits[e, row * graph.words + w] = nonzero_word(affinity, at.own, w, at.length)


@jit_loop
def _compare(graph: Any, input: Any, ids: Any, right: Any, missed: Any, invented: Any) -> Any:
    for row in range(graph.shape[0] * graph.shape[1]):
        for e in range(len(graph.edges)):
            at = span(graph, e, row)
            for w in range((at.length + 63) >> 6):
                joined = nonzero_word(input, at.own, w, at.length)
                true = equal_word(ids, at.begin, at.begin - at.back, w, at.length)
                true &= nonzero_word(ids, at.begin, w, at.length)
                k = row * graph.words + w
                right[e, k], missed[e, k], invented[e, k] = true & joined, true & ~joined, joined & ~true


@jit_loop
def join(graph: Any, bits: Any, others: Any) -> Any:
    """Join the ends of affinities; each voxel then points to the first one of its component.

    Args:
        graph: without affinities as yet.
        bits: the affinities, (edges, words).
        others: bits: voxels whose affinities are left out.
    """
    for row in range(graph.shape[0] * graph.shape[1]):
        for e in range(len(graph.edges)):
            if e == graph.along_x:
                _point_to_first(graph, row)
            at, before = span(graph, e, row), _0
            for w in range((at.length + 63) >> 6):
                own = bits[e, row * graph.words + w]
                if own:
                    own &= ~read_word(others, row, graph.words, w, at.first)
                    own &= ~read_word(others, at.earlier, graph.words, w, at.other)
                if own:
                    _join_word(graph, e, at, w, own, before)
                before = own
        if graph.along_x == len(graph.edges):
            _point_to_first(graph, row)
    _redirect(graph, to_itself=False)


@jit_loop
def part(graph: Any) -> Any:
    """Let each voxel that has an edge be its own again."""
    _redirect(graph, to_itself=True)
