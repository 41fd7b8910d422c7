"""How long skeletons are, and how much of them lies in a mask, chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu.links import count_steps
from monai_topoloss.chunked._tasks import Tasks, da
from monai_topoloss.chunked._volumes import as_volume, for_each


def count_steps_within(skeleton: Any, mask: Any) -> Any:
    """Return what `monai_topoloss.backends.base.GraphBackend.count_steps` counts in the whole, a dask array.

    Args:
        skeleton: dask array of bool, ``(*spatial)`` in 2-D or 3-D.
        mask: likewise.
    """
    volumes = as_volume("skeleton", skeleton), as_volume("mask", mask, shape_of=("skeleton", skeleton))
    # What is next to a voxel says which of its neighbours it is linked to.
    wide = [each._replace(array=da.overlap.overlap(each.array, depth=1, boundary=0)) for each in volumes]
    tasks = Tasks(*(each.array for each in wide))
    blocks = for_each(tasks, count_steps, *wide, margin=1, keep=True)
    return tasks.number(tasks.add(_add_up, list(blocks.values())), shape=(27, 2))


def _add_up(counts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    total: NDArray[np.int64] = np.sum(counts, axis=0)
    return total
