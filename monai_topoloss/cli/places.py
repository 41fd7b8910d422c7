"""Where images are: in files, in Zarr stores, which are folders, and in stores elsewhere, which have an address."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from monai_topoloss.cli.formats import stem_of

STORES = (".ome.zarr", ".zarr")
_METADATA = ("zarr.json", ".zarray", ".zgroup")  # of Zarr's formats, 3 and 2


class Url(str):
    """The address of a store, as ``s3://bucket/label.zarr``."""

    __slots__ = ()


Place = Path | Url


def as_place(text: str) -> Place:
    """Return a path, or the address of a store."""
    return Url(text) if "://" in text else Path(text)


def is_store(place: Place) -> bool:
    """Say whether there is a Zarr store, or ought to be by the name."""
    if isinstance(place, Url):
        return True
    if any((place / name).is_file() for name in _METADATA):
        return True
    return place.name.lower().endswith(STORES) and not place.is_file()


def is_image(place: Place) -> bool:
    """Say whether there is one image, and no folder of several."""
    return is_store(place) or (isinstance(place, Path) and place.is_file())


def need_stores(module: str) -> Any:
    """Import one of the modules of Zarr stores, and with it Dask.

    Raises:
        RuntimeError: if a package is not installed.
    """
    try:
        return importlib.import_module(f"monai_topoloss.cli.stores.{module}")
    except ImportError as error:
        raise RuntimeError(f'Zarr stores take `pip install "monai-topoloss[chunked]"`: {error}') from error


def join(place: Place, inside: str) -> Place:
    """Return what is within a folder or an address."""
    return Url(f"{place.rstrip('/')}/{inside}") if isinstance(place, Url) else place / inside


def last_part(place: Place) -> str:
    """Return the name of a file or folder, or that of an address."""
    return place.rstrip("/").rpartition("/")[2] if isinstance(place, Url) else place.name


def name_of(place: Place) -> str:
    """Return the name of an image without its suffix, whether it can be read or not."""
    name = last_part(place) or last_part(Path(place).resolve())  # that of "." is empty
    suffix = next((each for each in STORES if name.lower().endswith(each)), "")
    return name[: -len(suffix)] if suffix else stem_of(Path(name))
