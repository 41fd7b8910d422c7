"""Writing labels to Zarr stores beside those they came from, chunk by chunk: nothing half-written looks finished."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ome_zarr.format import format_from_version
from ome_zarr.writer import add_metadata, write_label_metadata, write_multiscales_metadata

from monai_topoloss.chunked._tasks import Tasks
from monai_topoloss.chunked._volumes import Box, Volume
from monai_topoloss.cli.files import complain
from monai_topoloss.cli.places import is_store
from monai_topoloss.cli.stores.reading import Ome, Stored, zarr
from monai_topoloss.cli.stores.scheduling import compute

_MADE_BY = "monai_topoloss"  # attribute that says how
_LEVEL = "0"
_GROUP, _ARRAY = "group", "array"


class Target:
    """Where a label goes, and where it is until it is done: beside it, hidden.

    Args:
        path: of an array, or an image of OME-Zarr; it may be within a store.
        made_by: what it is made of and how: a store that says the same is finished.

    Raises:
        FileExistsError: if something else is there.
    """

    def __init__(self, path: Path, made_by: dict[str, Any]) -> None:
        # Workers may have another working directory, and a link may lead to another disk.
        path = path.resolve() if path.name == ".." else path.parent.resolve() / path.name
        self.path, self._made_by = path, made_by
        check_target(path)
        self._stores = [folder for folder in path.parents if _kind_of(folder)]  # around it, the outermost last
        self._root = self._stores[-1] if self._stores else None
        whole = self._root or path
        inside = "" if self._root is None else ".".join(("", *path.relative_to(whole).parts))
        self.work = whole.with_name(f".{whole.name}{inside}.partial")
        self.scratch = self.work / "scratch"
        self._store = self.work / "store"
        if path.exists() and not self.is_done():
            raise FileExistsError(f"{path} is there, and was made otherwise: remove it first, or choose another name")

    def is_done(self) -> bool:
        """Say whether it is there, and made in the same way."""
        if _kind_of(self.path) is None:
            return False
        return bool(zarr.open(str(self.path), mode="r").attrs.get(_MADE_BY) == self._made_by)

    def is_begun(self) -> bool:
        """Say whether there is something that has been written, but is not in its place."""
        return self._store.exists()

    def open(self, like: Stored, *, goes_on: bool) -> Any:
        """Return the array to write to, in the layout of a store."""
        place = self._store
        zarr_format = like.zarr_format if self._root is None else _open_group(self._root).metadata.zarr_format
        inside = place if like.ome is None else place / _LEVEL
        if goes_on and _kind_of(inside):
            return zarr.open_array(str(inside), mode="r+")
        shutil.rmtree(place, ignore_errors=True)
        attributes = {_MADE_BY: self._made_by}
        if like.ome is not None:
            group = zarr.create_group(str(place), zarr_format=zarr_format, attributes=attributes)
            _describe(group, like.ome, self.path.name)
            attributes = {}
        dtype = like.array.dtype if like.ome is None or like.array.dtype != np.bool_ else np.dtype(np.uint8)
        shape = tuple(like.array.shape[k] for k in like.order)
        layout: dict[str, Any] = {"chunks": like.chunks}
        if zarr_format == 3:
            layout |= {"shards": like.shards, "dimension_names": like.names}
        else:
            layout["chunk_key_encoding"] = {"name": "v2", "separator": like.separator}
            layout["chunks"] = like.shards or like.chunks
        return zarr.create_array(
            str(inside),
            shape=shape,
            dtype=dtype,
            zarr_format=zarr_format,
            attributes=attributes,
            fill_value=0,
            **layout,
        )

    def finish(self) -> None:
        """Put what has been written in its place, if it is not there yet."""
        if not self.is_done():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self._root is not None and self.path.parent != self._root:
                _open_group(self._root).require_group(self.path.parent.relative_to(self._root).as_posix())
            self._store.replace(self.path)
        self._register()
        shutil.rmtree(self.work, ignore_errors=True)

    def _register(self) -> None:
        """List a label in its group, where OME-Zarr asks for it."""
        if self._root is None:
            return
        is_label = self.path.parent.name == "labels"
        parent = zarr.open_group(str(self.path.parent), mode="r+", use_consolidated=False)
        attributes = dict(parent.attrs)
        is_listed = self.path.name in attributes.get("ome", attributes).get("labels", [])
        if is_label and _kind_of(self.path) == _ARRAY:
            complain(f"warning: {self.path}: an array has no metadata of OME-Zarr, so it is not listed with the labels")
        elif is_label and not is_listed:
            fmt = format_from_version(_version_for(parent.metadata.zarr_format))
            write_label_metadata(parent, self.path.name, fmt=fmt, source={"image": "../../"})
            if fmt.version == "0.5":  # which ome-zarr leaves out
                add_metadata(parent, {"version": fmt.version}, fmt=fmt)
        for store in self._stores:
            if _open_group(store, use_consolidated=None).metadata.consolidated_metadata is not None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # that it is no part of version 3 yet
                    zarr.consolidate_metadata(str(store))


def write(array: Any, target: Any, order: tuple[int, ...]) -> None:
    """Write a dask array, x first, to an array of Zarr whose axes are in another order; each block once."""
    turned = array.transpose(order)
    volume = Volume(turned if turned.ndim == 3 else turned[None], turned.ndim, turned.chunks)
    tasks = Tasks(volume.array)
    for index, key in volume.keys().items():
        tasks.add(_write_block, key, keep=True, target=target, box=volume.box(index))
    compute(*tasks.collections())


def _write_block(block: NDArray[Any], *, target: Any, box: Box) -> None:
    target[box[-target.ndim :]] = block if target.ndim == 3 else block[0]


def _describe(group: Any, ome: Ome, name: str) -> None:
    """Write OME-Zarr's metadata of a label of one level."""
    version = _version_for(group.metadata.zarr_format)
    fmt = format_from_version(version)
    steps: list[dict[str, Any]] = [{"type": "scale", "scale": ome.scale}]
    if any(ome.translation):
        steps.append({"type": "translation", "translation": ome.translation})
    axes = [{"type": "space", **axis} for axis in ome.axes]
    write_multiscales_metadata(
        group, [{"path": _LEVEL, "coordinateTransformations": steps}], fmt=fmt, axes=axes, name=name
    )
    add_metadata(group, {"image-label": {"version": version}}, fmt=fmt)


def _version_for(zarr_format: int) -> str:
    return "0.5" if zarr_format == 3 else "0.4"


def _open_group(path: Path, use_consolidated: bool | None = False) -> Any:
    return zarr.open_group(str(path), mode="r+", use_consolidated=use_consolidated)


def _kind_of(folder: Path) -> str | None:
    """Return what of Zarr a folder is, if anything."""
    if (folder / ".zarray").is_file():
        return _ARRAY
    if (folder / ".zgroup").is_file():
        return _GROUP
    try:
        return str(json.loads((folder / "zarr.json").read_bytes())["node_type"])
    except (OSError, ValueError, KeyError):
        return None


def check_target(path: Path) -> None:
    """Check that a store can be put there.

    Raises:
        ValueError: if it would be within an array, or a store that is missing or broken.
    """
    for folder in path.parents:
        kind = _kind_of(folder)
        if kind == _ARRAY:
            raise ValueError(f"OUT is within an array: {folder}")
        if is_store(folder) and kind != _GROUP:
            raise ValueError(f"OUT is within {folder}, which is no group of Zarr")
