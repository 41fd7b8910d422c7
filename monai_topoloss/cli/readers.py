"""Readers for MONAI's `LoadImage`; axes are in MONAI's order, x first, whatever the format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import ImageReader, NibabelReader, PILReader
from numpy.typing import NDArray
from PIL import Image, ImageSequence


class _Reader(ImageReader):
    """Notes the dtype of files; MONAI makes int32 of uint16."""

    def get_data(self, img: Any) -> tuple[NDArray[Any], dict[str, Any]]:
        """Return the array and its metadata."""
        array, meta = super().get_data(img)  # type: ignore[safe-super]
        # PyTorch asks for memory that may be written to, in its own byte order.
        native = array.astype(array.dtype.newbyteorder("="), copy=not array.flags.writeable)
        return native, {**meta, "dtype": native.dtype.str}


class NiftiReader(_Reader, NibabelReader):
    """Reads NIfTI files."""


class PillowReader(_Reader, PILReader):
    """Reads images, without transparency, and only such as Pillow gives the values of that are in the file."""

    def __init__(self) -> None:
        super().__init__(converter=_without_transparency)

    def read(self, data: Any, **kwargs: Any) -> Any:
        """Read a file."""
        (name,) = [data] if isinstance(data, str | os.PathLike) else data
        header = Path(name).read_bytes()[:26]
        if header.startswith(b"\x89PNG"):
            depth, is_grey = header[24], header[25] == 0
            if depth in (2, 4) and is_grey:
                raise ValueError(f"{depth} bits a pixel cannot be read, save it with 8")
            if depth == 16 and not is_grey:
                raise ValueError("16 bits a colour cannot be read, save it in grey")
        return super().read(data, **kwargs)


def _without_transparency(image: Any) -> Any:
    opaque = {"LA": "L", "RGBA": "RGB"}
    return image.convert(opaque[image.mode]) if image.mode in opaque else image


class _TiffReader(ImageReader):
    def verify_suffix(self, filename: Any) -> bool:
        """Say whether all files are TIFF files."""
        names = [filename] if isinstance(filename, str | os.PathLike) else filename
        return all(Path(name).suffix.lower() in (".tif", ".tiff") for name in names)

    def read(self, data: Any, **_: Any) -> Any:
        """Read a file: array and axes, of which S are colours, the last if nothing else is said."""
        import tifffile

        (name,) = [data] if isinstance(data, str | os.PathLike) else data
        try:
            with tifffile.TiffFile(name) as file:
                series = file.series[0]
                return series.asarray(), series.axes
        except ValueError:  # a compression that tifffile needs another package for
            with Image.open(name) as image:
                planes = [np.asarray(plane) for plane in ImageSequence.Iterator(image)]
            array = planes[0] if len(planes) == 1 else np.stack(planes)
            return array, "S" if planes[0].ndim == 3 else ""

    def get_data(self, img: Any) -> tuple[NDArray[Any], dict[str, Any]]:
        """Return the array and where its channels are, if it has any."""
        array, axes = img
        if "S" not in axes:
            return array.T, {"original_channel_dim": float("nan")}
        array = np.moveaxis(array, axes.index("S") if len(axes) == array.ndim else -1, 0).T
        channels = array.shape[-1]  # of which a second or fourth is transparency
        return array[..., : {2: 1, 4: 3}.get(channels, channels)], {"original_channel_dim": -1}


class TiffReader(_Reader, _TiffReader):
    """Reads images, and stacks of them as volumes, from TIFF files; Pillow's takes the first plane only."""
