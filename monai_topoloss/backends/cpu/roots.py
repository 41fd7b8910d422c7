"""First members of components, in arrays of ints that say for each member another one, which comes before."""

from __future__ import annotations

from typing import Any

import numpy as np

from monai_topoloss.backends.cpu._numba import jit_inline


@jit_inline
def find_root(parent: Any, k: Any) -> Any:
    """Return the first of the component of k; on the way, let each point one further."""
    member, before = np.int64(k), np.int64(parent[k])
    while before != member:
        further = np.int64(parent[before])
        parent[member] = further
        member, before = before, further
    return member
