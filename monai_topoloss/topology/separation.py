"""Instances that touch, parted by background."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_ignore_index, check_int, check_method
from monai_topoloss._checks.tensors import check_spatial_dims, check_tensor, like
from monai_topoloss._edges import at_edges, either_end, join_equal
from monai_topoloss._labels import has_id
from monai_topoloss.backends import backend_for
from monai_topoloss.topology._balls import make_ball
from monai_topoloss.topology._items import as_items, from_items

if TYPE_CHECKING:
    from monai.config import NdarrayTensor

__all__ = ["GAP", "separate_instances"]

GAP = 1  # voxels on each side of a border


def separate_instances(
    instances: NdarrayTensor,
    *,
    gap: int = GAP,
    ignore_index: int | None = None,
    spatial_dims: int | None = None,
    backend: str = "auto",
) -> NdarrayTensor:
    """Part instances that touch: voxels within ``gap`` steps of another instance become background.

    Where in a membrane the border of two labels lies, no image shows. A network that is to predict affinities there can
    be sure of none of them; of a gap as wide as the membrane it can. The skeleton of each instance stays, and the
    voxels of it beside that, so that thin ones are not lost.

    Args:
        instances: ids, ``(*spatial)`` in 2-D or 3-D, or ``(..., *spatial)`` with ``spatial_dims``; 0 is background.
        gap: how many steps along axes; the gap is twice as wide.
        ignore_index: an id that is no instance; its voxels stay as they are.
        spatial_dims: how many of the last axes are spatial, 2 or 3. The others count independent images. Default: all
            axes are spatial.
        backend: of the skeletons, ``"auto"`` follows the instances.

    Returns:
        Ids of the dtype, shape and kind of ``instances`` and on their device.

    Raises:
        TypeError: if ``instances`` is no tensor or array of real numbers, or a number no int.
        ValueError: if the rank is not 2-D or 3-D, ids are negative or no whole numbers, or ``gap`` is below 1.
        ImportError: if ``backend="cuda"`` cannot be had.

    Example:
        >>> import numpy as np
        >>> separate_instances(np.repeat([[1] * 6 + [2] * 6], 9, axis=0))[0]
        array([1, 1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 2])
    """
    check_int("gap", gap, minimum=1)
    check_ignore_index(ignore_index)
    tensor = check_tensor("instances", instances)
    ids = tensor if ignore_index is None else tensor.masked_fill(has_id(tensor, ignore_index), 0)
    check_class_ids("instances", ids)
    spatial_dims = check_spatial_dims("instances", ids, spatial_dims)
    items = as_items(ids, spatial_dims)
    method = check_method(None, spatial_dims)
    ball = make_ball(1, None, items.shape[1:])
    tubes = backend_for(tensor, backend, method).tubed_skeleton(items, ball=ball, per_class=True, method=method)
    cleared = from_items(_find_close(items, gap) & (tubes == 0), tensor)
    return cast("NdarrayTensor", like(tensor.masked_fill(cleared, 0), instances, same_dtype=True))


def _find_close(items: Tensor, gap: int) -> Tensor:
    """Say which voxels of items (N, *spatial) have another instance within that many steps."""
    steps = torch.eye(items.ndim - 1, dtype=torch.int64).tolist()
    touch = at_edges(items, steps, lambda here, there: (here != there) & (here != 0) & (there != 0))
    close = either_end(touch, steps)
    same = join_equal(items, steps) if gap > 1 else touch
    for _ in range(gap - 1):
        close |= either_end(same & at_edges(close, steps, torch.logical_or), steps)
    return close
