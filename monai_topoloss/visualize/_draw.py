"""Drawing on arrays of colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.transforms.utils import distance_transform_edt
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from monai_topoloss._checks.options import check_int
from monai_topoloss._checks.pictures import check_image_of, check_slice
from monai_topoloss._checks.tensors import check_finite, check_tensor

# Of the palette of Okabe and Ito, which people who see few colours can tell apart.
LABEL = (0, 158, 115)  # bluish green
PREDICTION = (240, 228, 66)  # yellow
SPLIT = (213, 94, 0)  # vermilion
MERGE = (86, 180, 233)  # sky blue
SKELETON = (213, 94, 0)
TUBE = (230, 159, 0)  # orange

Colour = tuple[int, int, int]
Canvas = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_LONGEST_SIDE = 1200  # pixels that an overlay has at least
_DARKEST, _BRIGHTEST = 20, 190  # of the image, which leaves room for marks at both ends


class View(NamedTuple):
    """How to look at an image: a volume in a slice, or as maximum along an axis."""

    axis: int
    place: int | None  # of the slice

    def of(self, array: Tensor) -> NDArray[Any]:
        """Return the two-dimensional view of an image or volume."""
        if array.ndim == 3:
            array = array.amax(self.axis) if self.place is None else array.select(self.axis, self.place)
        result: NDArray[Any] = array.numpy(force=True)
        return result


def view_of(shape: tuple[int, ...], axis: int, index: int | None) -> View:
    """Return how to look at an image or volume of that shape."""
    check_slice(shape, axis, index)
    return View(axis, index)


def choose_scale(scale: int | None, shape: tuple[int, ...]) -> int:
    """Return how many pixels a voxel is wide: as asked for, or such that the picture is not small."""
    if scale is not None:
        check_int("scale", scale, minimum=1)
        return scale
    return math.ceil(_LONGEST_SIDE / max(1, *shape))


def make_grey(image: Any, shape: tuple[int, ...], view: View) -> NDArray[np.float32]:
    """Return a view of an image, (*spatial) or (C, *spatial), with values from 0 to 1; without an image of 0."""
    if image is None:
        return np.zeros(view.of(torch.zeros(shape)).shape, np.float32)
    tensor = check_tensor("image", image).float()
    check_finite("image", tensor)
    check_image_of(tensor, shape)
    if tensor.ndim == len(shape) + 1:
        tensor = tensor.mean(0)  # colours would compete with the marks
    grey = view.of(tensor)
    low, high = np.percentile(grey, (0.5, 99.5)) if grey.size else (0, 0)
    return np.clip((grey - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def enlarge(array: NDArray[Any], scale: int) -> NDArray[Any]:
    """Repeat each pixel along both axes."""
    return array.repeat(scale, axis=0).repeat(scale, axis=1)


def canvas_of(grey: NDArray[np.float32], scale: int) -> Canvas:
    """Return a canvas with an image on it."""
    levels = _DARKEST + (_BRIGHTEST - _DARKEST) * enlarge(grey, scale)
    return np.repeat(levels.astype(np.uint8)[..., None], 3, axis=2)


def fill(canvas: Canvas, mask: Mask, colour: Colour, opacity: float = 1) -> None:
    """Paint a mask of the canvas's size."""
    canvas[mask] = (opacity * np.array(colour) + (1 - opacity) * canvas[mask]).astype(np.uint8)


def inner_contour(ids: NDArray[Any], width: int) -> Mask:
    """Return the pixels of objects that are at most ``width`` from another id."""
    edge = np.zeros(ids.shape, np.bool_)
    for axis in (0, 1):
        along, found = np.moveaxis(ids, axis, 0), np.moveaxis(edge, axis, 0)
        for step in range(1, width + 1):
            differs = along[step:] != along[:-step]
            found[step:] |= differs
            found[:-step] |= differs
    edge[ids == 0] = False
    return edge


def outer_contour(ids: NDArray[Any], width: int) -> Mask:
    """Return the pixels of the background that are at most ``width`` from an object."""
    return inner_contour((ids == 0).astype(np.uint8), width)


def ring(mask: Mask, distance: float, width: float) -> Mask:
    """Return the line around a mask at a distance."""
    if not mask.any():
        return mask
    away = np.asarray(distance_transform_edt(~mask[None]))[0]
    return np.asarray((away > distance) & (away <= distance + width))


def add_legend(canvas: Canvas, entries: Sequence[tuple[Colour, str]]) -> Canvas:
    """Return a canvas with a strip below that says what colours mean, in as many lines as it takes."""
    size = max(12, canvas.shape[1] // 60)
    font = ImageFont.load_default(size)
    place, line, placed = size // 2, 0, []
    for colour, text in entries:
        width = 2 * size + int(font.getlength(text))
        if place > size and place + width > canvas.shape[1]:
            place, line = size // 2, line + 1
        placed.append((place, line, colour, text))
        place += width + size
    strip = Image.new("RGB", (canvas.shape[1], 2 * size * (line + 1)))
    pen = ImageDraw.Draw(strip)
    for x, line, colour, text in placed:
        y = size // 2 + 2 * size * line
        pen.rectangle((x, y, x + size, y + size), fill=colour)
        pen.text((x + 1.5 * size, y + size / 2), text, font=font, fill="white", anchor="lm")
    return np.concatenate([canvas, np.asarray(strip)])
