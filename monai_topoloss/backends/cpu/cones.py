"""Tubes around segments, as wide as a radius at each end says, in a label map."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.base import TOLERANCE
from monai_topoloss.backends.cpu._numba import jit_inline, jit_loop


class _Canvas(NamedTuple):
    labels: Any  # (Z, Y, X)
    nearest: Any  # float32, how far the centreline of each label is, see `_mark`
    sizes: Any  # of a voxel along z, y and x
    scale: float  # of squared distances: those of the shortest side of a voxel become 1


class _Segment(NamedTuple):
    z: float
    y: float
    x: float
    end_z: float
    end_y: float
    end_x: float
    radius: float
    end_radius: float
    owner: Any


def draw(
    out: NDArray[Any],
    ends: NDArray[np.float64],
    radii: NDArray[np.float64],
    objects: NDArray[Any],
    sizes: tuple[float, ...],
) -> None:
    """Draw tubes into zeros, see `monai_topoloss.datasets.rasterize_swc`.

    Args:
        out: uint16 or uint32, ``(*spatial)`` in 2-D or 3-D.
        ends: of each segment, (segments, 2, spatial axes), in physical units. Which of both comes first, and which of
            two radii at one place, changes how floats are rounded, so the caller sorts them.
        radii: at both ends, (segments, 2). Where both are at one place, the second one counts.
        objects: whose each segment is, from 1 on, in the type of ``out``.
        sizes: of a voxel along each axis.
    """
    flat = 3 - out.ndim
    labels = out.reshape((1,) * flat + out.shape)
    places = np.concatenate([np.zeros((len(ends), 2, flat)), ends], axis=2)
    nearest = np.full(labels.shape, np.inf, np.float32)
    scale = float(min(sizes)) ** -2
    arrays = (np.ascontiguousarray(array) for array in (places, radii, objects))  # one kernel for each type of labels
    _draw(_Canvas(labels, nearest, (1.0,) * flat + sizes, scale), *arrays)


@jit_loop
def _draw(canvas: Any, places: Any, radii: Any, objects: Any) -> Any:
    for k in range(len(objects)):
        segment = _Segment(
            places[k, 0, 0], places[k, 0, 1], places[k, 0, 2],
            places[k, 1, 0], places[k, 1, 1], places[k, 1, 2],
            radii[k, 0], radii[k, 1], objects[k],
        )  # fmt: skip
        _draw_tube(canvas, segment)
        _draw_line(canvas, segment)


@jit_loop
def _draw_tube(canvas: Any, segment: Any) -> Any:
    """Mark the voxels within the radius.

    Only the part of the segment that is near a plane, and then near a row, says how far to look there. So a long one
    across the volume does not take all of its box.
    """
    size_z, size_y, size_x = canvas.sizes
    depth, height, width = canvas.labels.shape
    s = segment
    reach = max(s.radius, s.end_radius) * (1 + 2 * TOLERANCE)  # a bit more than what counts
    begin_z, stop_z = _indices(s.z, s.end_z, 0.0, 1.0, reach, size_z, depth)
    for k in range(begin_z, stop_z):
        first, last = _narrow(s.z, s.end_z, 0.0, 1.0, k * size_z, reach)
        begin_y, stop_y = _indices(s.y, s.end_y, first, last, reach, size_y, height)
        for j in range(begin_y, stop_y):
            low, high = _narrow(s.y, s.end_y, first, last, j * size_y, reach)
            begin_x, stop_x = _indices(s.x, s.end_x, low, high, reach, size_x, width)
            for i in range(begin_x, stop_x):
                square, radius = _measure(s, k * size_z, j * size_y, i * size_x)
                radius *= 1 + TOLERANCE
                if square <= radius * radius:
                    _mark(canvas, k, j, i, square, s.owner)


@jit_inline
def _narrow(start: Any, end: Any, first: Any, last: Any, centre: Any, reach: Any) -> Any:
    """Return the part of a segment, from 0 to 1, that is near a coordinate along one axis; the end may come first."""
    step = end - start
    if step == 0:
        return (first, last) if abs(start - centre) <= reach else (1.0, 0.0)
    one, other = (centre - reach - start) / step, (centre + reach - start) / step
    return max(first, min(one, other)), min(last, max(one, other))


@jit_inline
def _indices(start: Any, end: Any, first: Any, last: Any, reach: Any, size: Any, count: Any) -> Any:
    """Return the first index along an axis that is near a part of a segment, and the one behind the last."""
    if not first <= last:
        return 0, 0
    one, other = start + first * (end - start), start + last * (end - start)
    low, high = np.ceil((min(one, other) - reach) / size), np.floor((max(one, other) + reach) / size)
    if not (low < count and high >= 0):  # compared as floats: they may be larger than any integer
        return 0, 0
    return int(max(low, 0.0)), int(min(high, count - 1.0)) + 1


@jit_loop
def _draw_line(canvas: Any, segment: Any) -> Any:
    """Mark the voxels of both ends, and in each plane across the longest axis that of the segment there."""
    size_z, size_y, size_x = canvas.sizes
    depth, height, width = canvas.labels.shape
    z, y, x = segment.z / size_z, segment.y / size_y, segment.x / size_x
    end_z, end_y, end_x = segment.end_z / size_z, segment.end_y / size_y, segment.end_x / size_x
    _mark_inside(canvas, segment, np.floor(z + 0.5), np.floor(y + 0.5), np.floor(x + 0.5))
    _mark_inside(canvas, segment, np.floor(end_z + 0.5), np.floor(end_y + 0.5), np.floor(end_x + 0.5))
    step_z, step_y, step_x = end_z - z, end_y - y, end_x - x
    longest = max(abs(step_z), abs(step_y), abs(step_x))
    if not longest > 0:
        return
    start, end, step, count = x, end_x, step_x, width
    if abs(step_z) == longest:
        start, end, step, count = z, end_z, step_z, depth
    elif abs(step_y) == longest:
        start, end, step, count = y, end_y, step_y, height
    low, high = min(start, end), max(start, end)
    plane = first = max(np.floor(low + 0.5), 0.0)
    last = min(np.floor(high + 0.5), count - 1.0)
    old_k = old_j = old_i = 0.0
    while plane <= last:
        along = min(max(plane, low), high) - start
        k, j, i = (
            np.floor(z + along * (step_z / step) + 0.5),
            np.floor(y + along * (step_y / step) + 0.5),
            np.floor(x + along * (step_x / step) + 0.5),
        )
        if plane > first and max(abs(k - old_k), abs(j - old_j), abs(i - old_i)) > 1:  # of diagonals, by rounding
            _mark_inside(
                canvas, segment,
                old_k + min(max(k - old_k, -1.0), 1.0),
                old_j + min(max(j - old_j, -1.0), 1.0),
                old_i + min(max(i - old_i, -1.0), 1.0),
            )  # fmt: skip
        _mark_inside(canvas, segment, k, j, i)
        old_k, old_j, old_i = k, j, i
        plane += 1


@jit_loop
def _mark_inside(canvas: Any, segment: Any, k: Any, j: Any, i: Any) -> Any:
    """Mark a voxel, whose indices are floats, if there is such a one."""
    size_z, size_y, size_x = canvas.sizes
    depth, height, width = canvas.labels.shape
    if 0 <= k < depth and 0 <= j < height and 0 <= i < width:
        square, _ = _measure(segment, k * size_z, j * size_y, i * size_x)
        _mark(canvas, int(k), int(j), int(i), square, segment.owner)


@jit_inline
def _measure(segment: Any, z: Any, y: Any, x: Any) -> Any:
    """Return the squared distance from a point to the nearest one of a segment, and the radius there."""
    step_z, step_y, step_x = segment.end_z - segment.z, segment.end_y - segment.y, segment.end_x - segment.x
    away_z, away_y, away_x = z - segment.z, y - segment.y, x - segment.x
    square = step_z * step_z + step_y * step_y + step_x * step_x
    share = (away_z * step_z + away_y * step_y + away_x * step_x) / square if square > 0 else 1.0
    share = min(max(share, 0.0), 1.0)
    away_z, away_y, away_x = away_z - share * step_z, away_y - share * step_y, away_x - share * step_x
    radius = segment.radius + share * (segment.end_radius - segment.radius)
    return away_z * away_z + away_y * away_y + away_x * away_x, radius


@jit_inline
def _mark(canvas: Any, k: Any, j: Any, i: Any, square: Any, owner: Any) -> Any:
    """Give a voxel to an object, unless another is nearer.

    Distances are kept in 32 bits, and 1 is added to them: so what is equal but for rounding is so, near 0 too.
    """
    distance, best = np.float32(square * canvas.scale + 1), canvas.nearest[k, j, i]
    if distance < best or (distance == best and owner < canvas.labels[k, j, i]):
        canvas.nearest[k, j, i], canvas.labels[k, j, i] = distance, owner
