"""Skeletons and tubes of one image, as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu import thinning2d, thinning3d
from monai_topoloss.backends.cpu._numba import jit


def skeletonize(mask: NDArray[np.bool_], out: NDArray[np.bool_], method: str) -> None:
    """Thin a 2-D or 3-D mask; write the skeleton into zeros."""
    out.reshape(-1)[_positions(mask, method)] = True


def tubed_skeleton(label: NDArray[Any], out: NDArray[Any], *, radius: int, per_class: bool, method: str) -> None:
    """Write the label on the L1 ball of ``radius`` around each voxel of its skeleton, into zeros.

    This equals dilating the skeleton ``radius`` times by the cross and multiplying by the label, at a cost that grows
    with the skeleton and not with the image.
    """
    foreground = label if label.dtype == np.bool_ else label != 0
    masks = [label == value for value in np.unique(label[foreground])] if per_class else [foreground]
    shape = (1,) * (3 - label.ndim) + label.shape
    raw = np.dtype(f"u{label.itemsize}")  # copied as bits, so that there is one kernel for each size and not each type
    flat_out, flat_label = out.reshape(-1).view(raw), label.reshape(-1).view(raw)
    for mask in masks:
        _write_balls(flat_out, flat_label, mask.reshape(-1), _positions(mask, method), shape, radius)


def _positions(mask: NDArray[np.bool_], method: str) -> NDArray[np.int64]:
    """Return the positions of the skeleton in the flattened mask."""
    if method == "zhang":
        return thinning2d.skeleton_positions(mask)
    return thinning3d.skeleton_positions(mask, as_scikit_image=method == "lee_skimage")


@jit
def _write_balls(out: Any, label: Any, mask: Any, positions: Any, shape: Any, radius: Any) -> Any:
    """Copy the label, where the mask is, on the L1 balls around the positions; all arrays are flattened."""
    depth, height, width = shape
    for position in positions:
        z, y, x = position // (height * width), position // width % height, position % width
        for dz in range(-min(radius, z), min(radius, depth - 1 - z) + 1):
            rest = radius - abs(dz)
            for dy in range(-min(rest, y), min(rest, height - 1 - y) + 1):
                reach = rest - abs(dy)
                start = position + (dz * height + dy) * width
                for i in range(start - min(reach, x), start + min(reach, width - 1 - x) + 1):
                    if mask[i]:
                        out[i] = label[i]
