"""Readers for MONAI's `LoadImage` that keep the axes as they are in the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from monai.data import ImageReader, NibabelReader, PILReader
from numpy.typing import NDArray


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


def _without_transparency(image: Any) -> Any:
    opaque = {"LA": "L", "RGBA": "RGB"}
    return image.convert(opaque[image.mode]) if image.mode in opaque else image


class PillowReader(_Reader, PILReader):
    """Reads images, as rows of pixels and without transparency."""

    def __init__(self) -> None:
        super().__init__(reverse_indexing=False, converter=_without_transparency)


class _TiffReader(ImageReader):
    def verify_suffix(self, filename: Any) -> bool:
        """Say whether all files are TIFF files."""
        names = [filename] if isinstance(filename, str | os.PathLike) else filename
        return all(Path(name).suffix.lower() in (".tif", ".tiff") for name in names)

    def read(self, data: Any, **_: Any) -> Any:
        """Read a file."""
        import tifffile

        (name,) = [data] if isinstance(data, str | os.PathLike) else data
        with tifffile.TiffFile(name) as file:
            series = file.series[0]
            return series.asarray(), series.axes

    def get_data(self, img: Any) -> tuple[NDArray[Any], dict[str, Any]]:
        """Return the array and where its channels are, if it has any."""
        array, axes = img
        if not axes.endswith("S"):
            return array, {"original_channel_dim": float("nan")}
        channels = array.shape[-1]  # of which a second or fourth is transparency
        return array[..., : {2: 1, 4: 3}.get(channels, channels)], {"original_channel_dim": -1}


class TiffReader(_Reader, _TiffReader):
    """Reads images, and stacks of them as volumes, from TIFF files; Pillow's takes the first plane only."""
