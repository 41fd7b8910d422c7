"""Zarr stores to read."""

from __future__ import annotations

import zarr
from ome_zarr.format import format_from_version
from ome_zarr.writer import write_multiscales_metadata


def save_array(path, array, chunks, zarr_format=3, **options):
    made = zarr.create_array(
        str(path), shape=array.shape, chunks=chunks, dtype=array.dtype, zarr_format=zarr_format, **options
    )
    made[...] = array
    return made


def save_ome(path, array, chunks, axes="zyx", version="0.5", scale=None, translation=None, whole=None):
    """Write an array whose axes are named, as OME-Zarr does it."""
    zarr_format = 3 if version == "0.5" else 2
    group = zarr.create_group(str(path), zarr_format=zarr_format)
    save_array(path / "full", array, chunks, zarr_format)
    steps = [{"type": "scale", "scale": scale or [1.0] * array.ndim}]
    if translation:
        steps.append({"type": "translation", "translation": translation})
    kinds = {"t": "time", "c": "channel"}
    named = [{"name": name, "type": kinds.get(name, "space")} for name in axes]
    datasets = [{"path": "full", "coordinateTransformations": steps}]
    write_multiscales_metadata(group, datasets, fmt=format_from_version(version), axes=named)
    if whole:
        change(group, lambda attributes: attributes["multiscales"][0].update({"coordinateTransformations": whole}))
    return group


def change(group, function):
    """Change OME-Zarr's metadata."""
    attributes = dict(group.attrs)
    function(attributes.get("ome", attributes))
    group.attrs.put(attributes)
