"""Which voxels can be deleted without changing the topology, as boolean operations: 64 voxels at a time.

Think of voxels as closed unit cubes, as 26-connectivity does, and of how the foreground touches the surface of one. A
face of it is *open* if the voxel behind it is background, an edge if the three voxels around it are, a corner if all
seven are. Deleting the cube changes no topology, the voxel is *simple*, if the rest of its surface, which the
foreground touches, is one piece without holes. So it is if the open part is connected and has the Euler characteristic
of a disc,

    open corners - open edges + open faces = 1.

An open edge has both its faces open, and an open corner its edges, so that the open part is connected if its faces are,
from one to the next across open edges. The six faces are the corners of an octahedron, and its twelve edges are the
possible links: a search along a ring of four and by way of the two poles takes a fixed number of steps. Counting adds
bits of words with carries, modulo 8, which is enough: the characteristic of a connected open part is from -6 to 2. The
tests compare all 2 ** 26 neighbourhoods with the definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monai_topoloss.backends.cpu._numba import jit_inline

_1 = np.uint64(1)


@jit_inline
def _add(a: Any, b: Any, c: Any) -> Any:
    """Add three bits; return sum and carry."""
    half = a ^ b
    return half ^ c, (a & b) | (half & c)


@jit_inline
def _around_ring(a: Any, b: Any, c: Any, d: Any, ab: Any, bc: Any, cd: Any, da: Any) -> Any:
    """Reach all that can be reached along links of a ring, by going round both ways."""
    b |= a & ab
    c |= b & bc
    d |= c & cd
    a |= d & da
    b |= a & ab
    c |= b & bc
    d |= c & cd
    c |= d & cd
    b |= c & bc
    a |= b & ab
    d |= a & da
    c |= d & cd
    b |= c & bc
    return a, b, c, d


@jit_inline
def _count_row(one: Any, two: Any, row: Any) -> Any:
    """Add three neighbours to whether there is one, and whether there are two."""
    west, east = row << _1, row >> _1
    any_of_row = west | row | east
    return one | any_of_row, two | (one & any_of_row) | (west & row) | ((west | row) & east)


@jit_inline
def are_deletable(w0: Any, w1: Any, w2: Any, w3: Any, w4: Any, w5: Any, w6: Any, w7: Any, w8: Any) -> Any:
    """Which voxels of the middle row are simple, and have more than one neighbour, so that they are no end points.

    The rows are those at z - 1, z and z + 1, and of each plane those at y - 1, y and y + 1. The result is meaningless
    where the voxel itself is background, and at the first and the last bit.
    """
    # Background behind the faces, then around the edges; letters say where: up, down (z), north, south (y), west, east.
    d, u, n, s, w, e = ~w1, ~w7, ~w3, ~w5, ~(w4 << _1), ~(w4 >> _1)
    dn, ds, dw, de = ~w0 & d & n, ~w2 & d & s, ~(w1 << _1) & d & w, ~(w1 >> _1) & d & e
    un, us, uw, ue = ~w6 & u & n, ~w8 & u & s, ~(w7 << _1) & u & w, ~(w7 >> _1) & u & e
    nw, ne, sw, se = ~(w3 << _1) & n & w, ~(w3 >> _1) & n & e, ~(w5 << _1) & s & w, ~(w5 >> _1) & s & e
    dnw, dne = ~(w0 << _1) & dn & dw & nw, ~(w0 >> _1) & dn & de & ne
    dsw, dse = ~(w2 << _1) & ds & dw & sw, ~(w2 >> _1) & ds & de & se
    unw, une = ~(w6 << _1) & un & uw & nw, ~(w6 >> _1) & un & ue & ne
    usw, use = ~(w8 << _1) & us & uw & sw, ~(w8 >> _1) & us & ue & se

    # Corners and faces, 14 bits, against edges and one, 13 bits: the sums modulo 8 have to be equal.
    a1, b1 = _add(d, u, n)
    a2, b2 = _add(s, w, e)
    a3, b3 = _add(dnw, dne, dsw)
    a4, b4 = _add(dse, unw, une)
    a5, b5 = _add(usw, use, a1)
    a6, b6 = _add(a2, a3, a4)
    left0, b7 = a5 ^ a6, a5 & a6
    c1, f1 = _add(b1, b2, b3)
    c2, f2 = _add(b4, b5, b6)
    left1, f3 = _add(b7, c1, c2)
    left2 = f1 ^ f2 ^ f3
    a1, b1 = _add(dn, ds, dw)
    a2, b2 = _add(de, un, us)
    a3, b3 = _add(uw, ue, nw)
    a4, b4 = _add(ne, sw, se)
    a5, b5 = _add(a1, a2, a3)
    right0, b6 = ~(a4 ^ a5), a4 | a5  # with the one
    c1, f1 = _add(b1, b2, b3)
    c2, f2 = _add(b4, b5, b6)
    right1, f3 = c1 ^ c2, c1 & c2
    right2 = f1 ^ f2 ^ f3
    as_a_disc = ~((left0 ^ right0) | (left1 ^ right1) | (left2 ^ right2))

    # Search the open faces from the first of them. The longest way is along the ring, by one pole, along the ring, by
    # the other, and along the ring.
    rn, re, rs, rw = n, e & ~n, s & ~(n | e), w & ~(n | e | s)
    ring = n | e | s | w
    rd, ru = d & ~ring, u & ~(ring | d)
    rn, re, rs, rw = _around_ring(rn, re, rs, rw, ne, se, sw, nw)
    rd |= (rn & dn) | (re & de) | (rs & ds) | (rw & dw)
    ru |= (rn & un) | (re & ue) | (rs & us) | (rw & uw)
    rn, re = rn | (rd & dn) | (ru & un), re | (rd & de) | (ru & ue)
    rs, rw = rs | (rd & ds) | (ru & us), rw | (rd & dw) | (ru & uw)
    rn, re, rs, rw = _around_ring(rn, re, rs, rw, ne, se, sw, nw)
    rd |= (rn & dn) | (re & de) | (rs & ds) | (rw & dw)
    ru |= (rn & un) | (re & ue) | (rs & us) | (rw & uw)
    rn, re = rn | (rd & dn) | (ru & un), re | (rd & de) | (ru & ue)
    rs, rw = rs | (rd & ds) | (ru & us), rw | (rd & dw) | (ru & uw)
    rn, re, rs, rw = _around_ring(rn, re, rs, rw, ne, se, sw, nw)
    rd |= (rn & dn) | (re & de) | (rs & ds) | (rw & dw)
    ru |= (rn & un) | (re & ue) | (rs & us) | (rw & uw)
    connected = ~((n & ~rn) | (e & ~re) | (s & ~rs) | (w & ~rw) | (d & ~rd) | (u & ~ru))

    # At least two neighbours.
    one, two = (w4 << _1) | (w4 >> _1), (w4 << _1) & (w4 >> _1)
    one, two = _count_row(one, two, w0)
    one, two = _count_row(one, two, w1)
    one, two = _count_row(one, two, w2)
    one, two = _count_row(one, two, w3)
    one, two = _count_row(one, two, w5)
    one, two = _count_row(one, two, w6)
    one, two = _count_row(one, two, w7)
    one, two = _count_row(one, two, w8)
    return as_a_disc & connected & two
