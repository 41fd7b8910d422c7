"""Scale bars: how long they are, and how they are drawn on arrays of colours."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from monai_topoloss.visualize._draw import BLACK, Canvas, Colour, drawable, ink_on

_SMALLEST = 12  # pixels that text is high at least
_SHARE = 5  # bars in a picture's width
_SHORTEST, _LONGEST = 1e-300, 1e300  # widths, beyond which powers of ten overflow


class ScaleBar(NamedTuple):
    """A length in units, and how a picture calls it."""

    length: float
    text: str


def choose_scale_bar(width: float, unit: str | None) -> ScaleBar | None:
    """Return a bar of 1, 2 or 5 times a power of ten, about a fifth of a picture's width in units; None if that is 0.

    Without the name of a unit, it counts voxels.
    """
    if not _SHORTEST < width < _LONGEST:
        return None
    ideal = width / _SHARE
    power = 10.0 ** math.floor(math.log10(ideal))
    length = min((step * power for step in (1, 2, 5, 10)), key=lambda length: abs(math.log(length / ideal)))
    if unit is None:
        unit = "voxel" if length == 1 else "voxels"
    return ScaleBar(length, f"{length:g} {unit}".rstrip())


def add_scale_bar(canvas: Canvas, pixel: float, unit: str | None, *, paper: Colour = BLACK) -> Canvas:
    """Return a canvas with a bar along its width in the lower right corner, of pixels of that width in units."""
    bar = choose_scale_bar(canvas.shape[1] * pixel, unit)
    if bar is None or not len(canvas):
        return canvas
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    size = max(_SMALLEST, max(canvas.shape) // 45)
    margin, edge, thickness = size // 2, max(1, size // 12), max(2, size // 4)
    text = drawable(bar.text)
    room = max(1, canvas.shape[1] - 2 * margin)
    size = max(1, min(size, int(size * room / ImageFont.load_default(size).getlength(text))))
    height, width = canvas.shape[:2]
    right, low = width - margin, height - margin
    left, high = right - max(1, round(bar.length / pixel)), low - thickness
    ink, other = ink_on(paper), paper
    pen.rectangle((left - edge, high - edge, right - 1 + edge, low - 1 + edge), fill=other)
    pen.rectangle((left, high, right - 1, low - 1), fill=ink)
    font = ImageFont.load_default(size)
    place = (right, high - 3 * edge)
    pen.text(place, text, font=font, fill=ink, anchor="rb", stroke_width=edge, stroke_fill=other)
    return np.array(picture)
