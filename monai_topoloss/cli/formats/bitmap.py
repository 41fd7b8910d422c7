"""PNG and BMP files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_topoloss.cli.formats.picture import Picture, RefusalError, check_palette, note_of_grey, without_channels

SUFFIXES: tuple[str, ...] = (".png", ".bmp")
_DTYPES = {".png": (np.uint8, np.uint16), ".bmp": (np.uint8,)}


def read(path: Path) -> Picture:
    """Read an image, if Pillow gives the values of it that are in the file."""
    with path.open("rb") as file:
        header = file.read(26)
    if header.startswith(b"\x89PNG"):
        depth, is_grey = header[24], header[25] == 0
        if depth in (2, 4) and is_grey:
            raise RefusalError(f"{depth} bits a pixel cannot be read, save it with 8")
        if depth == 16 and not is_grey:
            raise RefusalError("16 bits a colour cannot be read, save it in grey")
    with Image.open(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise RefusalError("it holds an animation")
        values = values_of(image)
    note = "" if image.mode == "P" else note_of_grey(values)
    return Picture(values.T, note=note)


def values_of(image: Image.Image) -> NDArray[Any]:
    """Return the values of an image, ``(height, width)``; indices if it has a palette.

    Raises:
        RefusalError: if channels differ, or palette or transparency show something else.
    """
    values = np.asarray(image)
    if image.mode in ("LA", "RGBA"):
        return without_channels(values[..., :-1], values[..., -1])
    if values.ndim == 3:
        return without_channels(values)
    if image.mode == "P" and (palette := image.getpalette("RGB")):
        check_palette(values, np.reshape(palette, (-1, 3)))
    return values


def write(array: NDArray[Any], path: Path, *_: object) -> None:
    """Write an image in bits or the smallest dtype of the format, beginning with its own, that holds its values.

    Raises:
        ValueError: if there is none, or for a volume.
    """
    if array.ndim != 2:
        raise ValueError(f"expected .nii.gz or .tif for a volume, got {path.name}")
    dtypes = (array.dtype, *_DTYPES[path.suffix.lower()])
    held = [dtype for dtype in dtypes if dtype in (bool, *dtypes[1:]) and (array == array.astype(dtype)).all()]
    if not held:
        raise ValueError(f"{path.suffix} cannot hold {array.dtype} from {array.min()} to {array.max()}, take .tif")
    Image.fromarray(np.ascontiguousarray(array.T.astype(held[0]))).save(path)
