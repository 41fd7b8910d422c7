"""What joins the pieces of a volume that is computed chunk by chunk, as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, jit_loop
from monai_topoloss.backends.cpu.roots import find_root


@jit
def find_roots(count: Any, first: Any, second: Any) -> Any:
    """Return the first member of the component of each of some members, given pairs of members that are joined."""
    parent = np.arange(count)
    _join(parent, first, second)
    return parent


@jit_loop
def _join(parent: Any, first: Any, second: Any) -> Any:
    for k in range(len(first)):
        a, b = find_root(parent, first[k]), find_root(parent, second[k])
        parent[max(a, b)] = min(a, b)
    for k in range(len(parent)):
        parent[k] = parent[parent[k]]


def look_up(table: NDArray[Any], labels: NDArray[np.int32]) -> NDArray[Any]:
    """Return what a table has for each label, of any shape."""
    values = np.empty(labels.shape, table.dtype)
    _look_up(table, labels.reshape(-1), values.reshape(-1))
    return values


@jit_loop
def _look_up(table: Any, labels: Any, out: Any) -> Any:
    for i in range(len(labels)):
        out[i] = table[labels[i]]
