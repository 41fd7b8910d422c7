"""Guo and Hall's rule as boolean operations, on 64 pixels at a time.

Whether a pixel goes depends on its eight neighbours: they have to be in one piece that is connected across edges of
pixels, two or three of both ways to pair them up have to be set, and a condition that differs between the passes lets
corners in the north-east or south-west stay.
"""

from __future__ import annotations

from typing import Any

from monai_topoloss.backends.cpu._numba import jit, jit_inline


@jit_inline
def _goes(nw: Any, n: Any, ne: Any, e: Any, se: Any, s: Any, sw: Any, w: Any) -> Any:
    """Where the pixel goes as far as both passes agree."""
    north_east, north_west, south_west, south_east = ne | n, nw | w, sw | s, se | e
    a, b, c, d = ~e & north_east, ~n & north_west, ~w & south_west, ~s & south_east
    is_one_piece = ((a ^ b) & ~(c | d)) | ((c ^ d) & ~(a | b))
    p, q, r, t = ne | e, nw | n, sw | w, se | s  # paired up the other way
    two_of_them = (p & q) | (r & t) | ((p | q) & (r | t))
    two_of_others = (
        (north_east & north_west) | (south_west & south_east) | ((north_east | north_west) & (south_west | south_east))
    )
    all_of_both = p & q & r & t & north_east & north_west & south_west & south_east
    return is_one_piece & two_of_them & two_of_others & ~all_of_both


@jit
def goes_in_first_pass(nw: Any, n: Any, ne: Any, e: Any, se: Any, s: Any, sw: Any, w: Any) -> Any:
    """Where the pixel goes in the first pass."""
    return _goes(nw, n, ne, e, se, s, sw, w) & ~((ne | n | ~se) & e)


@jit
def goes_in_second_pass(nw: Any, n: Any, ne: Any, e: Any, se: Any, s: Any, sw: Any, w: Any) -> Any:
    """Where the pixel goes in the second pass."""
    return _goes(nw, n, ne, e, se, s, sw, w) & ~((sw | s | ~nw) & w)
