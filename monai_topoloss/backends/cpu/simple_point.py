"""Which voxels can be deleted without changing the topology.

Think of voxels as closed unit cubes, as 26-connectivity does, and of how the foreground touches the surface of one. A
face of it is *open* if the voxel behind it is background, an edge if the three voxels around it are, a corner if all
seven are. Deleting the cube changes no topology, the voxel is *simple*, if the rest of its surface, which the
foreground touches, is one piece without holes. So it is if the open part is connected and has the Euler characteristic
of a disc,

    open corners - open edges + open faces = 1.

An open edge has both its faces open, and an open corner its edges, so that the open part is connected if its faces are,
from one to the next across open edges. That and all numbers but that of the corners follow from the 18 voxels behind
the faces and the edges; of the eight voxels at the corners only their number counts, among those corners whose edges
are open. So a table of 2 ** 18 entries, which says which corners count and how many of them have to be foreground, and
counting bits decide about all 2 ** 26 neighbourhoods. The tests compare each with the definition.
"""

from __future__ import annotations

import functools
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import count_bits, jit_inline

_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _12 = (np.uint64(i) for i in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12))
_NEVER = 15  # more corners than there are

# The bits of the key of the table, in the order in which `is_deletable` reads them: neighbours as (z, y, x).
_KEY = (
    (-1, 0, -1), (-1, 0, 0), (-1, 0, 1),
    (0, -1, -1), (0, -1, 0), (0, -1, 1),
    (0, 1, -1), (0, 1, 0), (0, 1, 1),
    (1, 0, -1), (1, 0, 0), (1, 0, 1),
    (0, 0, -1), (-1, -1, 0), (0, 0, 1), (-1, 1, 0), (1, -1, 0), (1, 1, 0),
)  # fmt: skip
_CORNERS = tuple((z, y, x) for z, x, y in product((-1, 1), repeat=3))


@functools.cache
def deletable_table() -> NDArray[np.uint16]:
    """Return, for each key, the corners that count as eight bits, and above them how many have to be foreground."""
    keys = np.arange(1 << len(_KEY), dtype=np.int32)
    background = {voxel: (keys >> bit) & 1 == 0 for bit, voxel in enumerate(_KEY)}
    faces = [voxel for voxel in _KEY if np.abs(voxel).sum() == 1]
    edges = [voxel for voxel in _KEY if np.abs(voxel).sum() == 2]
    is_open = {face: background[face] for face in faces}
    for edge in edges:
        is_open[edge] = background[edge] & np.all([is_open[face] for face in _beside(edge)], axis=0)
    corners = [np.all([is_open[edge] for edge in _beside(corner)], axis=0) for corner in _CORNERS]

    # The open faces that are reached from the first of them; a chain of all six has five links.
    all_faces = sum(is_open[face].astype(np.int32) << bit for bit, face in enumerate(faces))
    reached = all_faces & -all_faces
    for _ in range(5):
        for edge in edges:
            one, other = (faces.index(face) for face in _beside(edge))
            step = is_open[edge] & (((reached >> one) | (reached >> other)) & 1 == 1)
            reached |= step * ((1 << one) | (1 << other))

    counting = sum(corner.astype(np.int32) << bit for bit, corner in enumerate(corners))
    needed = 1 - sum(is_open[face].astype(np.int32) for face in faces)
    needed += sum(is_open[edge].astype(np.int32) for edge in edges)
    foreground = sum(corner.astype(np.int32) for corner in corners) - needed
    never = (reached != all_faces) | (foreground < 0) | (keys == 0)  # key 0 and one corner: an end point
    table: NDArray[np.uint16] = (counting | (np.where(never, _NEVER, foreground) << 8)).astype(np.uint16)
    return table


def _beside(voxel: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Return the faces beside an edge, or the edges beside a corner: those with one coordinate less."""
    z, y, x = voxel
    return [other for other in ((0, y, x), (z, 0, x), (z, y, 0)) if other != voxel]


@jit_inline
def is_deletable(
    table: Any, w0: Any, w1: Any, w2: Any, w3: Any, w4: Any, w5: Any, w6: Any, w7: Any, w8: Any, shift: Any
) -> Any:
    """Whether a voxel, bit shift + 1 of w4, is simple and has more than one neighbour, so that it is no end point.

    The words are those at z - 1, z and z + 1, and of each plane those at y - 1, y and y + 1. The result is 0 or 1.
    """
    a, b, c, d = w0 >> shift, w2 >> shift, w6 >> shift, w8 >> shift
    key = ((w4 >> shift) & _5) | (a & _2) | ((((b & _2) >> _1) | (c & _2) | ((d & _2) << _1)) << _3)
    key = (key << _3) | ((w7 >> shift) & _7)
    key = (key << _3) | ((w5 >> shift) & _7)
    key = (key << _3) | ((w3 >> shift) & _7)
    key = (key << _3) | ((w1 >> shift) & _7)
    corners = (a & _5) | ((b & _5) << _1) | ((c & _5) << _4) | ((d & _5) << _5)
    entry = np.uint64(table[key])
    fits = np.uint64(count_bits(entry & corners) == (entry >> _8))
    return fits & np.uint64((corners | (key & (key - _1))) != _0)
