"""NIfTI files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.cli.formats.picture import Picture, RefusalError, library, without_channels

SUFFIXES: tuple[str, ...] = (".nii.gz", ".nii")
_ROUNDING = 1e-3  # of scales and products in single precision


def read(path: Path) -> Picture:
    """Read an image or a volume; whole numbers that are stored with a scale are whole again."""
    image: Any = library("nibabel").load(path)
    array = np.asanyarray(image.dataobj)
    stored = image.get_data_dtype()
    if names := array.dtype.names:  # colours, and transparency if there are four
        channels = np.stack([array[name] for name in names], axis=-1)
        array = without_channels(channels[..., :3], channels[..., 3] if len(names) == 4 else None)
    elif stored.kind in "iu" and array.dtype.kind == "f":
        array = _whole(array, stored, float(image.dataobj.slope))
    return Picture(array, image.affine)


def _whole(array: NDArray[Any], stored: np.dtype[Any], slope: float) -> NDArray[Any]:
    """Round to whole numbers, and return them in the dtype that is stored, if it holds them.

    A scale that spreads a range over all values of a dtype shifts whole numbers by up to half of it.
    """
    whole = np.round(array)
    is_off = np.abs(array - whole) > max(_ROUNDING, (0.5 + _ROUNDING) * abs(slope) if abs(slope) < 1 else 0)
    if is_off.any():
        raise RefusalError(
            f"expected whole numbers, got {array[is_off][0]:.4g}, as scl_slope in its header multiplies {stored} with"
            f" {slope:.4g}; make a label of it first, or set scl_slope to 1"
        )
    narrow = whole.astype(stored)
    return narrow if (narrow == whole).all() else whole


def write(array: NDArray[Any], path: Path, source: Path, affine: NDArray[Any] | None) -> None:
    """Write an image or a volume, with the header of the NIfTI file that it came from."""
    nibabel = library("nibabel")
    array = array.astype(np.uint8) if array.dtype == bool else array
    kind, header = nibabel.Nifti1Image, None
    if source.name.lower().endswith(SUFFIXES):
        original = nibabel.load(source)
        kind, header, affine = type(original), original.header.copy(), original.affine
        array = array.reshape(original.shape)
    affine = np.eye(4) if affine is None else affine
    nibabel.save(kind(array, affine, header, dtype=array.dtype), path)  # or the header's dtype would count
