"""Finding images in folders, and what else is there."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import NamedTuple

from monai_topoloss.cli.formats import FORMATS, stem_of, suffix_of
from monai_topoloss.cli.places import is_store

_NO_IMAGES = (
    *(
        ".json",
        ".txt",
        ".csv",
        ".tsv",
        ".md",
        ".rst",
        ".log",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".xml",
        ".html",
        ".pdf",
    ),
    *(".xls", ".xlsx", ".pkl", ".py", ".ipynb", ".sh", ".db"),
)
_NO_IMAGES_BY_NAME = ("readme", "license")
_AS_ONE = (".n5",)  # folders that are an image each
FORMATS_READ = (
    f"NIfTI, MetaImage, NRRD, PNG, BMP, TIFF and NumPy files\n({' '.join(FORMATS)}),\n"
    "and Zarr stores, of which those of OME-Zarr say how axes are called"
)
RULE = textwrap.fill(
    "Folders are searched with all below. No image, and passed over, is what is hidden, is text or bookkeeping"
    f" ({' '.join(_NO_IMAGES)} README LICENSE), or is named like an image beside it but for the suffix."
    " What else cannot be read is named, and counts as failed.",
    width=118,
    break_on_hyphens=False,
)


class Found(NamedTuple):
    """Images in order; what is left out, and why."""

    images: list[Path]
    left_out: dict[Path, str]


def find_images(folder: Path) -> Found:
    """Find the images in a folder and those below it."""
    images: list[Path] = []
    left_out: dict[Path, str] = {}

    def note(error: OSError) -> None:
        left_out[Path(error.filename)] = error.strerror or "cannot be searched"

    for name, folders, files in os.walk(folder, onerror=note):
        place = Path(name)
        below = [path for path in (place / name for name in folders) if not path.name.startswith(".")]
        paths = [path for path in (place / name for name in files) if not path.name.startswith(".")]
        left_out |= {path: "no regular file" for path in paths if path.exists() and not path.is_file()}
        found = [path for path in paths if suffix_of(path) and path not in left_out]
        stores = [path for path in below if is_store(path)]
        images += found + stores
        stems = {stem_of(path) for path in found}
        for path in paths:
            if not (path in left_out or suffix_of(path) or _is_no_image(path) or stem_of(path) in stems):
                left_out[path] = f"{path.suffix or 'without suffix, it'} is none of {', '.join(FORMATS)}"
        below = [path for path in below if path not in stores]
        left_out |= {path: "a linked folder, which is not entered" for path in below if path.is_symlink()}
        left_out |= {path: f"{path.suffix} cannot be read" for path in below if path.suffix.lower() in _AS_ONE}
        folders[:] = [path.name for path in below if path not in left_out]
    return Found(sorted(images), dict(sorted(left_out.items())))


def _is_no_image(path: Path) -> bool:
    return path.suffix.lower() in _NO_IMAGES or path.name.lower() in _NO_IMAGES_BY_NAME
