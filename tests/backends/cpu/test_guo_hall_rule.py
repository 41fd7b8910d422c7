from __future__ import annotations

import numpy as np
import pytest

from monai_topoloss.backends.cpu import guo_hall_rule

PASSES = {1: guo_hall_rule.goes_in_first_pass, 2: guo_hall_rule.goes_in_second_pass}


def goes(x, in_pass):
    """The conditions as published, of neighbours x[1] to x[8], from the east anticlockwise."""
    x = [None, *x, x[0]]  # x[9] is x[1]
    pieces = sum(not x[i] and (x[i + 1] or x[i + 2]) for i in (1, 3, 5, 7))
    pairs = sum(x[2 * k - 1] or x[2 * k] for k in (1, 2, 3, 4)), sum(x[2 * k] or x[2 * k + 1] for k in (1, 2, 3, 4))
    stays = (x[2] or x[3] or not x[8]) and x[1] if in_pass == 1 else (x[6] or x[7] or not x[4]) and x[5]
    return pieces == 1 and 2 <= min(pairs) <= 3 and not stays


@pytest.mark.parametrize("in_pass", PASSES)
def test_all_neighbourhoods(in_pass):
    for code in range(256):
        east, north_east, north, north_west, west, south_west, south, south_east = ((code >> i) & 1 for i in range(8))
        clockwise = north_west, north, north_east, east, south_east, south, south_west, west
        found = PASSES[in_pass](*(np.uint64(bit * (2**64 - 1)) for bit in clockwise))
        anticlockwise = east, north_east, north, north_west, west, south_west, south, south_east
        assert int(found) == goes(anticlockwise, in_pass) * (2**64 - 1)
