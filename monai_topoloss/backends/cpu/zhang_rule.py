"""Zhang and Suen's rule as boolean operations, on 64 pixels at a time.

Whether a pixel goes depends on its eight neighbours. The published rule (two to six neighbours, in one run around the
pixel, and two conditions on N, E, S and W that differ between the passes) is used with scikit-image's changes, which
concern 25 of the 256 neighbourhoods. Each function below is the reduced binary decision diagram of the resulting table,
with the neighbours in the order that makes it smallest, one line for each node:
``low ^ (x & (low ^ high))`` takes high where x is set and low elsewhere. Do not edit the lines by hand: the tests
compare all 256 neighbourhoods with the table, and hold the program that writes the diagrams.
"""

from __future__ import annotations

from typing import Any

from monai_topoloss.backends.cpu._numba import jit


@jit
def goes_in_first_pass(nw: Any, n: Any, ne: Any, e: Any, se: Any, s: Any, sw: Any, w: Any) -> Any:
    """Where the pixel goes in the first pass."""
    v0 = n & ~se
    v1 = w & v0
    v2 = v1 ^ (nw & (v1 ^ v0))
    v3 = w & ~se
    v4 = v1 ^ (nw & (v1 ^ v3))
    v5 = v2 ^ (sw & (v2 ^ v4))
    v6 = ~n & ~se
    v7 = w & v6
    v8 = ~n & se
    v9 = v8 ^ (nw & (v8 ^ w))
    v10 = v7 ^ (sw & (v7 ^ v9))
    v11 = v5 ^ (s & (v5 ^ v10))
    v12 = ~w & v0
    v13 = ~sw & v12
    v14 = ~w & v6
    v15 = ~nw & v14
    v16 = ~w & v8
    v17 = ~nw & v16
    v18 = v15 ^ (sw & (v15 ^ v17))
    v19 = v13 ^ (s & (v13 ^ v18))
    v20 = v11 ^ (e & (v11 ^ v19))
    v21 = v0 ^ (sw & (v0 ^ v1))
    v22 = nw & v1
    v23 = sw & v22
    v24 = v21 ^ (s & (v21 ^ v23))
    v25 = ~w ^ (nw & (~w ^ n))
    v26 = v25 ^ (sw & (v25 ^ v22))
    v27 = v26 ^ (s & (v26 ^ v17))
    v28 = v24 ^ (e & (v24 ^ v27))
    return v20 ^ (ne & (v20 ^ v28))


@jit
def goes_in_second_pass(nw: Any, n: Any, ne: Any, e: Any, se: Any, s: Any, sw: Any, w: Any) -> Any:
    """Where the pixel goes in the second pass."""
    v0 = s & ~nw
    v1 = e & v0
    v2 = e & ~nw
    v3 = v1 ^ (se & (v1 ^ v2))
    v4 = v3 ^ (sw & (v3 ^ v0))
    v5 = ~e & v0
    v6 = ~e ^ (se & (~e ^ s))
    v7 = v5 ^ (sw & (v5 ^ v6))
    v8 = v4 ^ (w & (v4 ^ v7))
    v9 = se & v2
    v10 = v9 ^ (sw & (v9 ^ v1))
    v11 = se & v1
    v12 = sw & v11
    v13 = v10 ^ (w & (v10 ^ v12))
    v14 = v8 ^ (ne & (v8 ^ v13))
    v15 = ~s & ~nw
    v16 = e & v15
    v17 = ~sw & v16
    v18 = ~e & v15
    v19 = ~se & v18
    v20 = ~s & nw
    v21 = ~e & v20
    v22 = ~se & v21
    v23 = v19 ^ (sw & (v19 ^ v22))
    v24 = v17 ^ (w & (v17 ^ v23))
    v25 = v20 ^ (se & (v20 ^ e))
    v26 = v25 ^ (sw & (v25 ^ v11))
    v27 = v26 ^ (w & (v26 ^ v22))
    v28 = v24 ^ (ne & (v24 ^ v27))
    return v14 ^ (n & (v14 ^ v28))
