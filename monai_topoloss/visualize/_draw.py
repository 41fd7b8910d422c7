"""Drawing on arrays of colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from monai.transforms.utils import distance_transform_edt
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from monai_topoloss._checks.pictures import check_scale
from monai_topoloss.visualize._views import Voxel

# Of the palette of Okabe and Ito, which people who see few colours can tell apart.
LABEL = (0, 158, 115)  # bluish green
PREDICTION = (240, 228, 66)  # yellow
SPLIT = (213, 94, 0)  # vermilion
MERGE = (86, 180, 233)  # sky blue
SKELETON = (213, 94, 0)
TUBE = (230, 159, 0)  # orange

BLACK, WHITE = (0, 0, 0), (255, 255, 255)

Colour = tuple[int, int, int]
Scale = tuple[int, int]  # pixels that a voxel is high and wide
Canvas = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_GOLDEN = (math.sqrt(5) - 1) / 2
_LONGEST_SIDE = 1200  # pixels that an overlay has at least
_DARKEST, _BRIGHTEST = 20, 190  # of the image, which leaves room for marks at both ends


def choose_scale(scale: int | None, shape: tuple[int, ...], voxel: Voxel) -> Scale:
    """Return how many pixels a voxel is high and wide: as asked for, or such that the picture is not small.

    Along its shorter side it is ``scale`` pixels, along the other in proportion.
    """
    ratios = [side / min(voxel) for side in voxel]
    if scale is None:
        scale = math.ceil(
            _LONGEST_SIDE / max(1, *(length * ratio for length, ratio in zip(shape, ratios, strict=True)))
        )
    check_scale(scale, shape)
    height, width = (round(scale * ratio) for ratio in ratios)
    return height, width


def enlarge(array: NDArray[Any], scale: Scale) -> NDArray[Any]:
    """Repeat each pixel along both axes."""
    return array.repeat(scale[0], axis=0).repeat(scale[1], axis=1)


def canvas_of(grey: NDArray[np.float32], scale: Scale) -> Canvas:
    """Return a canvas with an image on it."""
    levels = _DARKEST + (_BRIGHTEST - _DARKEST) * enlarge(grey, scale)
    return np.repeat(levels.astype(np.uint8)[..., None], 3, axis=2)


def fill(canvas: Canvas, mask: Mask, colour: Colour, opacity: float = 1) -> None:
    """Paint a mask of the canvas's size."""
    canvas[mask] = (opacity * np.array(colour) + (1 - opacity) * canvas[mask]).astype(np.uint8)


def colour_instances(canvas: Canvas, ids: NDArray[Any], opacity: float) -> None:
    """Paint each id other than 0 in a colour of its own, none of which is like those of marks."""
    hues = np.modf(ids.astype(np.float64) * _GOLDEN)[0] * 2 * np.pi  # ids that follow each other are far apart
    colours = np.stack([0.62 + 0.3 * np.cos(hues + shift) for shift in (0, 2, 4)], axis=-1) * 255
    is_object = ids != 0
    canvas[is_object] = (opacity * colours + (1 - opacity) * canvas)[is_object].astype(np.uint8)


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


def seams(ids: NDArray[Any], width: int) -> Mask:
    """Return lines of that width between objects that touch, on one side of where they do."""
    seam = np.zeros(ids.shape, np.bool_)
    for axis in (0, 1):
        along, found = np.moveaxis(ids, axis, 0), np.moveaxis(seam, axis, 0)
        for step in range(1, width + 1):
            here, there = along[step:], along[:-step]
            found[step:] |= (here != there) & (here != 0) & (there != 0)
    return seam


def stripes(shape: tuple[int, ...], width: int) -> Mask:
    """Return every other of diagonal stripes of that width."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((rows + columns) // width % 2 == 0)


def ring(mask: Mask, distance: float, width: float) -> Mask:
    """Return the line around a mask at a distance."""
    if not mask.any():
        return mask
    away = np.asarray(distance_transform_edt(~mask[None]))[0]
    return np.asarray((away > distance) & (away <= distance + width))


def drawable(text: str) -> str:
    """Return text without the signs for micro, which the font that comes with Pillow lacks."""
    return text.translate({0xB5: "u", 0x3BC: "u"})


def ink_on(paper: Colour) -> Colour:
    """Return the colour of text on black or white."""
    return WHITE if paper == BLACK else BLACK


def text_size(canvas: Canvas) -> int:
    """Return how high text is, in pixels."""
    return max(12, int(canvas.shape[1]) // 60)


def add_legend(canvas: Canvas, entries: Sequence[tuple[Colour, str]], *, paper: Colour = BLACK) -> Canvas:
    """Return a canvas with a strip below that says what colours mean, in as many lines as it takes.

    A canvas that is narrower than an entry gets wider.
    """
    size = text_size(canvas)
    font = ImageFont.load_default(size)
    entries = [(colour, drawable(text)) for colour, text in entries]
    widest = max(math.ceil(font.getlength(text)) for _, text in entries) + 3 * size
    missing = np.full((len(canvas), max(0, widest - canvas.shape[1]), 3), paper, np.uint8)
    canvas = np.concatenate([canvas, missing], axis=1)
    place, line, placed = size // 2, 0, []
    for colour, text in entries:
        width = 2 * size + int(font.getlength(text))
        if place > size and place + width > canvas.shape[1]:
            place, line = size // 2, line + 1
        placed.append((place, line, colour, text))
        place += width + size
    strip = Image.new("RGB", (canvas.shape[1], 2 * size * (line + 1)), paper)
    pen = ImageDraw.Draw(strip)
    for x, line, colour, text in placed:
        y = size // 2 + 2 * size * line
        pen.rectangle((x, y, x + size, y + size), fill=colour)
        pen.text((x + 1.5 * size, y + size / 2), text, font=font, fill=ink_on(paper), anchor="lm")
    return np.concatenate([canvas, np.asarray(strip)])
