"""Betti numbers and Euler characteristic of masks."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.options import check_connectivity
from monai_topoloss._checks.tensors import check_finite, check_mask, check_spatial_dims, like
from monai_topoloss.backends import backend_for
from monai_topoloss.topology._items import as_items

__all__ = ["betti_numbers", "euler_number"]


def betti_numbers(
    mask: Tensor | NDArray[np.generic],
    *,
    connectivity: int | None = None,
    spatial_dims: int | None = None,
    backend: str = "auto",
) -> Tensor | NDArray[np.int64]:
    """Count the components, the tunnels and the cavities of a mask.

    In 2-D these are components and holes. The background has the dual connectivity: neighbours across faces only, or
    all of them where the foreground has neighbours across faces only.

    Args:
        mask: ``(*spatial)`` in 2-D or 3-D, or ``(..., *spatial)`` with ``spatial_dims``; nonzero is foreground.
        connectivity: in how many axes at once neighbours may differ, from 1 to the number of spatial axes. Default: all
            of them, which is 8 neighbours in 2-D and 26 in 3-D.
        spatial_dims: how many of the last axes are spatial, 2 or 3. The others count independent images. Default: all
            axes are spatial.
        backend: ``"auto"`` computes on the mask's device where that is possible; ``"cpu"`` or ``"cuda"`` force one.

    Returns:
        The Betti numbers from the 0th on in a last axis of length 2 or 3, int64, after the axes that are not spatial;
        of the kind of ``mask`` and on its device. They are exact.

    Raises:
        TypeError: if ``mask`` is no tensor or array of real numbers, or ``connectivity`` no int.
        ValueError: if the rank is not 2-D or 3-D, ``mask`` holds NaN or infinity, or ``connectivity`` is out of range.
        ImportError: if ``backend="cuda"`` cannot be had.

    Example:
        >>> import numpy as np
        >>> ring = np.ones((3, 3), bool)
        >>> ring[1, 1] = False
        >>> betti_numbers(ring)
        array([1, 1])
    """
    tensor, items, connectivity = _prepare(mask, connectivity, spatial_dims)
    numbers = backend_for(tensor, backend).betti_numbers(items, connectivity=connectivity)
    lead = tensor.shape[: tensor.ndim - items.ndim + 1]
    return cast(Tensor, like(numbers.reshape(*lead, items.ndim - 1), mask, is_image=False))


def euler_number(
    mask: Tensor | NDArray[np.generic],
    *,
    connectivity: int | None = None,
    spatial_dims: int | None = None,
    backend: str = "auto",
) -> Tensor | NDArray[np.int64]:
    """Return the Euler characteristic of a mask: components - tunnels + cavities, or in 2-D components - holes.

    It is counted locally, much faster than the Betti numbers themselves.

    Args:
        mask: see `betti_numbers`.
        connectivity: see `betti_numbers`.
        spatial_dims: see `betti_numbers`.
        backend: see `betti_numbers`.

    Returns:
        The number, int64, in the shape of the axes that are not spatial; of the kind of ``mask`` and on its device.

    Raises:
        TypeError: see `betti_numbers`.
        ValueError: see `betti_numbers`.
        ImportError: see `betti_numbers`.

    Example:
        >>> import numpy as np
        >>> int(euler_number(np.eye(3)))
        1
        >>> int(euler_number(np.eye(3), connectivity=1))
        3
    """
    tensor, items, connectivity = _prepare(mask, connectivity, spatial_dims)
    numbers = backend_for(tensor, backend).euler_number(items, connectivity=connectivity)
    return cast(Tensor, like(numbers.reshape(tensor.shape[: tensor.ndim - items.ndim + 1]), mask, is_image=False))


def _prepare(mask: Any, connectivity: int | None, spatial_dims: int | None) -> tuple[Tensor, Tensor, int]:
    """Return the checked mask, its items as bool, and the connectivity."""
    tensor = check_mask("mask", mask)
    spatial_dims = check_spatial_dims("mask", tensor, spatial_dims)
    connectivity = check_connectivity("connectivity", connectivity, spatial_dims)
    check_finite("mask", tensor)
    items = as_items(tensor if tensor.dtype == torch.bool else tensor != 0, spatial_dims)
    return tensor, items, connectivity
