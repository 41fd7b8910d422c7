"""The formats of label images, a module for each family; axes are in MONAI's order, x first, whatever the format."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from monai_topoloss.cli.formats import bitmap, itk, nifti, npy, tiff
from monai_topoloss.cli.formats.picture import Picture

__all__ = ["FORMATS", "Format", "Picture", "format_of", "stem_of", "suffix_of"]


class Format(Protocol):
    """What the module of a format offers."""

    SUFFIXES: tuple[str, ...]

    def read(self, path: Path, /) -> Picture:
        """Read a file."""

    def write(self, array: NDArray[Any], path: Path, source: Path, affine: NDArray[Any] | None, /) -> None:
        """Write an array that came from ``source``, and is placed by ``affine`` if there is one."""


_MODULES: tuple[Format, ...] = (nifti, itk, bitmap, tiff, npy)
FORMATS = {suffix: module for module in _MODULES for suffix in module.SUFFIXES}


def suffix_of(path: Path) -> str:
    """Return the suffix of an image, or an empty string if it is none that can be read."""
    return next((suffix for suffix in FORMATS if path.name.lower().endswith(suffix)), "")


def stem_of(path: Path) -> str:
    """Return the name of a file without its suffix, whether it can be read or not."""
    if suffix := suffix_of(path):
        return path.name[: -len(suffix)]
    return Path(path.name.removesuffix(".gz")).stem


def format_of(path: Path) -> Format:
    """Return the format of an image."""
    return FORMATS[suffix_of(path)]
