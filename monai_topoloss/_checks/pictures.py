"""What pictures are made of, and where they go."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from monai_topoloss._checks.options import (
    UNITS,
    check_finite_number,
    check_int,
    check_option,
    check_radius,
    check_spacing,
)
from monai_topoloss._checks.tensors import check_channel_first

_LONGEST_VOXEL = 1000
_MOST_PIXELS = 2**31
_MOST_RENDERED = 4096  # pixels a side, which the software that renders without a GPU can
SCENE_ENDINGS = (".png", ".glb")  # of a rendered picture, and of the scene itself


def check_one_image(name: str, image: Tensor, spatial_dims: int | None) -> None:
    """Check that there are no channels in front."""
    if spatial_dims is not None:
        check_int("spatial_dims", spatial_dims)
    if image.ndim not in ((2, 3) if spatial_dims is None else (spatial_dims,)):
        rank = "2 or 3" if spatial_dims is None else spatial_dims
        raise ValueError(
            f"Expected `{name}` to have {rank} axes, got shape {tuple(image.shape)}; draw one channel, such as"
            f" `{name}[1]`, a map of class ids with `num_classes`, or all channels with `plot_critical`."
        )


def check_channels(name: str, image: Tensor, spatial_dims: int, num_classes: int | None) -> None:
    """Check that there is an image, or channels of one; ids of classes come in one."""
    lead = tuple(image.shape[: image.ndim - spatial_dims])
    if len(lead) > 1 or 0 in lead:
        raise ValueError(
            f"Expected `{name}` of shape (*spatial) or (C, *spatial), got {tuple(image.shape)}; of a batch, draw one"
            f" image, such as `{name}[0]`."
        )
    if num_classes is not None and lead not in ((), (1,)):
        raise ValueError(
            f"Expected `{name}` with one channel of class ids for `num_classes`, got {lead[0]}; channels, one for each"
            " class, need no `num_classes`."
        )


def check_only_instances(
    prediction: Tensor,
    edges: Sequence[Sequence[int]],
    num_classes: int | None,
    spatial_dims: int | None,
    connectivity: int | None,
) -> None:
    """Check that ids are of instances without channels, of the rank of edges, and that nothing contradicts these."""
    check_one_image("prediction", prediction, len(edges[0]))
    if spatial_dims not in (None, len(edges[0])):
        raise ValueError(f"Expected `spatial_dims` of {len(edges[0])}, as `edges` have steps, got {spatial_dims}.")
    for name, value in (("num_classes", num_classes), ("connectivity", connectivity)):
        if value is not None:
            raise ValueError(f"Expected `edges` or `{name}`, got both: edges say what joins the voxels of instances.")


def check_channel(name: str, image: Any, channel: int) -> None:
    """Check that a ``(C, *spatial)`` image has a channel."""
    check_channel_first(name, image)
    if not -len(image) <= channel < len(image):
        raise ValueError(f"Expected `channel` of one of {len(image)} in `{name}`, got {channel}.")


def check_item(item: int, count: int) -> None:
    """Check that a batch has an item."""
    if not -count <= item < count:
        raise ValueError(f"Expected `item` of one of {count} in the batch, got {item}.")


def check_axes(shape: Sequence[int], axis: Any, index: Any) -> tuple[int, ...]:
    """Return the axes along which a volume is looked at, counted from the start; of an image none.

    An index, which may count from the end, is that of a slice along one axis.
    """
    several = isinstance(axis, list | tuple)
    for each in axis if several else [] if axis is None else [axis]:
        check_int("axis", each)
    if len(shape) == 2:
        if index is not None:
            raise ValueError(f"Expected `index` for volumes only, got {index} for an image of shape {tuple(shape)}.")
        return ()
    axes = (0, 1, 2) if axis is None else tuple(axis) if several else (axis,)
    if not axes or not all(-3 <= each < 3 for each in axes):
        raise ValueError(f"Expected `axis` from -3 to 2, got {axis}.")
    if index is not None:
        check_int("index", index)
        if len(axes) > 1:
            raise ValueError(f"Expected one `axis` for the slice `index`, got {axis}.")
        if not -shape[axes[0]] <= index < shape[axes[0]]:
            raise ValueError(f"Expected `index` of one of {shape[axes[0]]} slices, got {index}.")
    return tuple(each % 3 for each in axes)


def check_drawn_spacing(spacing: Any, ndim: int) -> tuple[float, ...]:
    """Return sizes of voxels along each axis that a picture can be in proportion to; one number is that of all."""
    sizes = check_spacing(spacing, ndim)
    if max(sizes) / min(sizes) > _LONGEST_VOXEL:
        raise ValueError(
            f"Expected `spacing` of voxels at most {_LONGEST_VOXEL} times as long as thick, got {spacing}."
        )
    return sizes


def check_unit(unit: Any) -> None:
    """Check the name of a unit."""
    if not isinstance(unit, str):
        raise TypeError(f"Expected `unit` to be a str, got {type(unit).__name__}.")


def check_drawn_radius(radius: Any, units: Any, spacing: Sequence[float] | None) -> None:
    """Check the radius of a tube: a number of voxels, or a length where the spacing is known."""
    check_option("units", units, UNITS)
    if units == UNITS[0] and isinstance(radius, float):
        raise TypeError("Expected `radius` to be an int, a number of voxels, got float; with `units='mm'` a length.")
    if units != UNITS[0] and spacing is None:
        raise ValueError(f"Expected `spacing` or a MetaTensor, which knows it, with `units={units!r}`, got neither.")
    check_radius(radius, None if units == UNITS[0] else spacing)


def check_scale(scale: Any, shape: Sequence[int]) -> None:
    """Check that a picture is not enlarged beyond what memory holds."""
    check_int("scale", scale, minimum=1)
    if scale > 1 and int(scale) ** 2 * math.prod(max(1, n) for n in shape) > _MOST_PIXELS:
        raise ValueError(f"Expected `scale` of a picture of at most {_MOST_PIXELS} pixels, got {scale}.")


def check_has_voxels(name: str, shape: Sequence[int]) -> None:
    """Check that there is something to show."""
    if 0 in shape:
        raise ValueError(f"Expected `{name}` to have voxels, got shape {tuple(shape)}.")


def check_image_of(image: Tensor, shape: tuple[int, ...]) -> None:
    """Check that an image has the shape of its segmentation, or channels in front of that."""
    channels = image.shape[: image.ndim - len(shape)]
    if tuple(image.shape[len(channels) :]) != shape or len(channels) > 1 or 0 in channels:
        raise ValueError(f"Expected `image` of shape {shape}, or with channels in front, got {tuple(image.shape)}.")


def check_volume(name: str, image: Tensor, function: str) -> None:
    """Check that there is one volume, for what only volumes have."""
    if image.ndim != 3:
        raise ValueError(
            f"Expected `{name}` to be a volume with 3 axes, got shape {tuple(image.shape)}; `{function}` draws images,"
            f" and of channels render one, such as `{name}[1]`."
        )
    check_has_voxels(name, image.shape)


def check_size(size: Any) -> tuple[int, int]:
    """Return height and width of a rendered picture."""
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise TypeError(f"Expected `size` to be two ints, height and width, got {size!r}.")
    for side in size:
        check_int("size", side, minimum=1)
    height, width = (int(side) for side in size)
    if max(height, width) > _MOST_RENDERED:
        raise ValueError(f"Expected `size` to be at most {_MOST_RENDERED} pixels a side, got {size}.")
    return height, width


def check_camera(azimuth: Any, elevation: Any, up: Any) -> tuple[float, float, int]:
    """Return the angles of a camera, in degrees, and the axis that points up, counted from the start."""
    check_int("up", up)
    if not -3 <= up < 3:
        raise ValueError(f"Expected `up` from -3 to 2, got {up}.")
    if not -90 <= check_finite_number("elevation", elevation) <= 90:
        raise ValueError(f"Expected `elevation` from -90 to 90 degrees, got {elevation}.")
    return check_finite_number("azimuth", azimuth), float(elevation), int(up) % 3


def check_scene_path(path: Any) -> Path | None:
    """Return where to write a picture or a scene, which its ending says, or None."""
    if path is None:
        return None
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"Expected `path` to be a str or path, got {type(path).__name__}.")
    place = Path(path)
    if place.suffix.lower() not in SCENE_ENDINGS:
        raise ValueError(f"Expected `path` to end in {' or '.join(SCENE_ENDINGS)}, got {str(path)!r}.")
    return place


def check_destinations(**destinations: Any) -> None:
    """Check that there is something to write to."""
    if all(destination is None for destination in destinations.values()):
        raise ValueError(f"Expected one of {', '.join(f'`{name}`' for name in destinations)}, got none.")
