"""Reading labels from Zarr stores, with OME-Zarr's metadata or without, as Dask's arrays; axes x first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import zarr as _zarr
from numpy.typing import NDArray

from monai_topoloss.chunked._tasks import da
from monai_topoloss.cli.files import read_picture
from monai_topoloss.cli.formats.picture import Picture
from monai_topoloss.cli.placement import spacing_of
from monai_topoloss.cli.places import Place, Url, is_store, join

zarr: Any = _zarr  # whose types are of what there may be, not of what there is
SIDE = 256  # voxels along each axis of a cube that is as large as what is computed at once
T = TypeVar("T")
_IN_SPACE = "xyz"
_OLD_AXES = ("t", "c", "z", "y", "x")  # before version 0.3, which began to name them


class Ome(NamedTuple):
    """What OME-Zarr says of an image, of its axes in space in the order in which they are stored."""

    version: str
    axes: list[dict[str, Any]]
    scale: list[float]
    translation: list[float]


class Stored(NamedTuple):
    """A label map."""

    place: Place  # of the array or file that is read
    array: Any  # dask array, (x, y) or (x, y, z); of a store without names of axes, as they are
    order: tuple[int, ...]  # which axes these are, in the order of the store
    chunks: tuple[int, ...]  # shape of what is stored at once, in the order of the store
    shards: tuple[int, ...] | None = None  # of what is written at once, if that is more
    ome: Ome | None = None
    names: tuple[str, ...] | None = None  # of the axes, where Zarr itself has them
    separator: str = "/"  # between the numbers of a chunk, in version 2
    picture: Picture | None = None  # of a file, which is in memory
    zarr_format: int = 3

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """The size of a voxel along each axis here, if the store or the file says it."""
        if self.picture is not None:
            return spacing_of(self.picture.affine, self.array.ndim)
        return None if self.ome is None else self.turn(self.ome.scale)

    def turn(self, values: Sequence[T]) -> tuple[T, ...]:
        """Return what is in the order of the store, one for each axis, in the order here."""
        return tuple(values[self.order.index(k)] for k in range(len(self.order)))


def read_store(place: Place, side: int | None = None, blocks: Sequence[int] | None = None) -> Stored:
    """Open a store, or a file beside one.

    Args:
        place: of an array or an image of OME-Zarr, of which level 0 counts.
        side: what is read at once has about as many voxels as a cube of this side: stored chunks are put together.
        blocks: shape of what is read at once instead, x first.

    Raises:
        ValueError: if it cannot be opened or holds no image or volume; the message says why.
    """
    if not is_store(place):
        picture = read_picture(Path(place))
        shape = picture.array.shape
        if blocks is None or len(blocks) != len(shape):  # another rank is refused later
            blocks = choose_blocks(shape, (1,) * len(shape), side)
        array = da.from_array(picture.array, chunks=tuple(map(min, blocks, shape)))
        return Stored(place, array, tuple(range(array.ndim)), array.chunksize, picture=picture)
    node = _open(place)
    names, ome = None, None
    kept = list(range(node.ndim)) if isinstance(node, zarr.Array) else []
    if isinstance(node, zarr.Group):
        try:
            node, multiscale, version = _find_level_0(node)
            names, axes = _name_axes(multiscale, node.shape)
            kept = [k for k, name in enumerate(names) if name in _IN_SPACE]
            ome = _place(multiscale, version, [axes[k] for k in kept], kept)
        except (TypeError, AttributeError, LookupError) as error:  # of what is no list, or no dictionary
            raise ValueError(f"its metadata of OME-Zarr cannot be understood: {error}") from error
    if len(kept) not in (2, 3):
        raise ValueError(f"expected an image or a volume, got an array of shape {node.shape}")
    _check_dtype(node.dtype)
    order = tuple(range(len(kept))) if names is None else tuple(_IN_SPACE.index(names[k]) for k in kept)
    at_once = node.shards or node.chunks
    turned = [kept[order.index(k)] for k in range(len(order))]  # axes of the store, in the order here
    if blocks is None or len(blocks) != len(turned):  # another rank is refused later
        blocks = choose_blocks([node.shape[k] for k in turned], [at_once[k] for k in turned], side)
    chunks = [1] * node.ndim
    for k, size in zip(turned, blocks, strict=True):
        chunks[k] = min(size, max(node.shape[k], 1))
    array = da.from_zarr(node, chunks=tuple(chunks))
    array = array[tuple(slice(None) if k in kept else 0 for k in range(node.ndim))]
    array = array.transpose([order.index(k) for k in range(len(order))])
    sizes, shards = (each and tuple(each[k] for k in kept) for each in (node.chunks, node.shards))
    stored = Stored(place, array, order, sizes, shards, ome, zarr_format=node.metadata.zarr_format)
    if ome is not None:
        return stored._replace(place=join(place, node.path), names=tuple(axis["name"] for axis in ome.axes))
    names = getattr(node.metadata, "dimension_names", None)
    return stored._replace(names=names, separator=getattr(node.metadata, "dimension_separator", "/"))


def choose_blocks(shape: Sequence[int], chunks: Sequence[int], side: int | None = None) -> tuple[int, ...]:
    """Put stored chunks together to blocks of about as many voxels as a cube, or a square, of a side has.

    Args:
        shape: of the whole.
        chunks: shape of what is stored at once.
        side: of the cube. Default: 256, or 4096 for images.
    """
    blocks = [min(chunk, max(n, 1)) for chunk, n in zip(chunks, shape, strict=True)]
    wanted = side ** len(shape) if side else SIDE**3
    while math.prod(blocks) < wanted:
        free = [k for k, n in enumerate(shape) if blocks[k] < n]
        if not free:
            break
        k = min(free, key=lambda k: blocks[k])
        blocks[k] = min(blocks[k] + max(chunks[k], 1), shape[k])
    return tuple(blocks)


def _open(place: Place) -> Any:
    try:
        # Workers may have another working directory.
        return zarr.open(place if isinstance(place, Url) else str(place.absolute()), mode="r")
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"it cannot be opened as Zarr: {reason}") from error


def _find_level_0(group: Any) -> tuple[Any, dict[str, Any], str]:
    """Return the array of the full resolution, what is known of it, and the version of OME-Zarr."""
    attributes = dict(group.attrs)
    attributes = attributes.get("ome", attributes)
    if "multiscales" not in attributes:
        inside = attributes.get("labels") or sorted(name for name, _ in group.members())
        hint = f"; it holds {', '.join(map(str, inside[:9]))}: add one to the path" if inside else ""
        raise ValueError(f"expected an array or an image of OME-Zarr, got a group without metadata of one{hint}")
    try:
        multiscale = attributes["multiscales"][0]
        path = str(multiscale["datasets"][0]["path"])
    except (KeyError, IndexError, TypeError):
        raise ValueError("its metadata of OME-Zarr name no level") from None
    try:
        level = group[path]
    except KeyError:
        raise ValueError(f"level 0 is missing: its metadata of OME-Zarr say that it is {path!r}") from None
    if isinstance(level, zarr.Group):
        raise ValueError(f"level 0, {path!r}, is no array")  # noqa: TRY004 - of what is in the store
    return level, multiscale, str(attributes.get("version") or multiscale.get("version") or "0.1")


def _name_axes(multiscale: dict[str, Any], shape: tuple[int, ...]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of axes, and what is said of them; those that are not in space must have a length of 1."""
    said = multiscale.get("axes") or _OLD_AXES
    axes = [{"name": axis} if isinstance(axis, str) else dict(axis) for axis in said]
    names = [str(axis.get("name", "")).lower() for axis in axes]
    if len(names) != len(shape) or len(set(names)) != len(names):
        raise ValueError(f"its axes are called {' '.join(names)}, but its shape is {shape}")
    if not {"x", "y"} <= set(names):
        raise ValueError(f"expected axes called x, y and z, got {' '.join(names)}")
    for name, length in zip(names, shape, strict=True):
        if name not in _IN_SPACE and length > 1:
            raise ValueError(
                f"expected an image or a volume, got axes {' '.join(names)} of shape {shape}: {length} of {name};"
                " save the one that counts as a label of its own"
            )
    return names, axes


def _place(multiscale: dict[str, Any], version: str, axes: list[dict[str, Any]], kept: list[int]) -> Ome:
    """Return where the full resolution is."""
    scale, translation = np.ones(len(kept)), np.zeros(len(kept))
    for holder in (multiscale["datasets"][0], multiscale):
        for step in holder.get("coordinateTransformations") or []:
            values = _at(step, kept)
            if step.get("type") == "scale" and values is not None:
                scale, translation = scale * values, translation * values
            elif step.get("type") == "translation" and values is not None:
                translation = translation + values
    return Ome(version, axes, scale.tolist(), translation.tolist())


def _at(step: dict[str, Any], kept: list[int]) -> NDArray[np.float64] | None:
    values = step.get(str(step.get("type")))
    if not isinstance(values, list) or len(values) <= max(kept):
        return None
    return np.array([float(values[k]) for k in kept])


def _check_dtype(dtype: Any) -> None:
    if np.dtype(dtype).kind not in "biuf":
        raise ValueError(f"expected numbers, got {dtype}")
