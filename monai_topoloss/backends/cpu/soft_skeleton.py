"""Soft skeletons of one image, and their gradients, as NumPy arrays.

An image is eroded (the lowest of a voxel and its neighbours along the axes) again and again; what opening it (erosion,
then the highest of a voxel and all around it) takes away is added to the skeleton.

All is done by short loops over few rows at a time, which LLVM turns into vector instructions; it does not for a loop
over many arrays, as any of them might overlap. Rows are short enough to stay in the fastest cache between two loops.
The highest of all around is that along one axis after the other.

Nothing is kept from the forward pass: eroding once more costs less than holding the positions of all minima and maxima.
Of equal values the first has the gradient, and axes share it evenly, as with PyTorch's pooling and minimum, with which
soft skeletons are usually written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, jit_inline, jit_loop


def soft_skeleton(image: NDArray[Any], out: NDArray[Any], iterations: int) -> None:
    """Write the soft skeleton of a volume ``(Z, Y, X)`` of floats, or of 0 and 1 as bytes, into zeros."""
    _soft_skeleton(image, out, iterations)


def soft_skeleton_backward(image: NDArray[Any], grad: NDArray[Any], out: NDArray[Any], iterations: int) -> None:
    """Write the gradient at a volume of floats, given that at its soft skeleton."""
    _soft_skeleton_backward(image, grad, out, iterations)


@jit_inline
def _lower(a: Any, b: Any) -> Any:
    return a if a < b else b  # an instruction; numba's `min` asks for NaN first


@jit_inline
def _higher(a: Any, b: Any) -> Any:
    return a if a > b else b


@jit
def _soft_skeleton(image: Any, out: Any, iterations: Any) -> Any:
    opened, planes = np.empty_like(image), np.empty((2, *image.shape), image.dtype)
    now, after = image, np.empty_like(image)
    for k in range(iterations + 1):
        _erode(now, after)
        _open(after, planes, opened)
        _add(out, now, opened)
        now, after = after, np.empty_like(image) if k == 0 else now


@jit
def _soft_skeleton_backward(image: Any, grad: Any, out: Any, iterations: Any) -> Any:
    shape, dtype = image.shape, image.dtype
    eroded = np.empty((iterations + 2, *shape), dtype)
    skeletons = np.zeros((iterations + 1, *shape), dtype)  # before each step
    opened, planes = np.empty(shape, dtype), np.empty((2, *shape), dtype)
    eroded[0] = image
    for k in range(iterations + 1):
        _erode(eroded[k], eroded[k + 1])
        if k < iterations:
            _open(eroded[k + 1], planes, opened)
            skeletons[k + 1] = skeletons[k]
            _add(skeletons[k + 1], eroded[k], opened)
    at_skeleton, at_this, at_next = grad.copy(), np.empty(shape, dtype), np.zeros(shape, dtype)
    at_opened, at_planes = np.empty(shape, dtype), np.empty((2, *shape), dtype)
    rows, code = np.empty((8, shape[2] + 2), dtype), np.empty(shape[2], np.int32)
    for k in range(iterations, -1, -1):
        _open(eroded[k + 1], planes, opened)
        _add_backward(at_skeleton, eroded[k], opened, skeletons[k], at_this, at_opened)
        _open_backward(eroded[k + 1], planes, at_opened, at_planes, at_next, rows, code)
        _erode_backward(eroded[k], at_next, at_this, rows, code)
        at_this, at_next = at_next, at_this
    out[:] = at_next


@jit_loop
def _erode(image: Any, out: Any) -> Any:
    """Write the lowest of each voxel and its neighbours along the axes."""
    depth, height, width = image.shape
    for z in range(depth):
        for y in range(height):
            row, result = image[z, y], out[z, y]
            _lowest(row, image[z, max(y - 1, 0)], image[z, min(y + 1, height - 1)], result)
            if depth > 1:
                _lowest(result, image[max(z - 1, 0), y], image[min(z + 1, depth - 1), y], result)
            for x in range(width - 1):
                result[x] = _lower(result[x], row[x + 1])
            for x in range(1, width):
                result[x] = _lower(result[x], row[x - 1])


@jit_loop
def _open(eroded: Any, planes: Any, out: Any) -> Any:
    """Write the highest of all around each voxel; in ``planes`` leave the highest along x, and along x and y."""
    depth, height, width = eroded.shape
    along_x, along_y = planes
    for z in range(depth):
        for y in range(height):
            row, result = eroded[z, y], along_x[z, y]
            for x in range(width):
                result[x] = row[x]
            for x in range(width - 1):
                result[x] = _higher(result[x], row[x + 1])
            for x in range(1, width):
                result[x] = _higher(result[x], row[x - 1])
        for y in range(height):
            _highest(along_x[z, y], along_x[z, max(y - 1, 0)], along_x[z, min(y + 1, height - 1)], along_y[z, y])
    for z in range(depth):
        for y in range(height):
            _highest(along_y[z, y], along_y[max(z - 1, 0), y], along_y[min(z + 1, depth - 1), y], out[z, y])


@jit_loop
def _lowest(a: Any, b: Any, c: Any, out: Any) -> Any:
    for x in range(len(out)):
        out[x] = _lower(_lower(a[x], b[x]), c[x])


@jit_loop
def _highest(a: Any, b: Any, c: Any, out: Any) -> Any:
    for x in range(len(out)):
        out[x] = _higher(_higher(a[x], b[x]), c[x])


@jit_loop
def _add(skeleton: Any, image: Any, opened: Any) -> Any:
    """Add to a skeleton what opening takes away: ``s + (1 - s) * max(image - opened, 0)``."""
    depth, height, width = image.shape
    zero = image.dtype.type(0)
    for z in range(depth):
        for y in range(height):
            s, i, o = skeleton[z, y], image[z, y], opened[z, y]
            for x in range(width):
                removed = zero if i[x] <= o[x] else i[x] - o[x]  # NaN stays
                s[x] += removed - s[x] * removed


@jit_loop
def _add_backward(grad: Any, image: Any, opened: Any, skeleton: Any, at_image: Any, at_opened: Any) -> Any:
    """Turn the gradient at a skeleton after `_add` into that before, and write that at the image and its opening."""
    depth, height, width = image.shape
    zero, one = image.dtype.type(0), image.dtype.type(1)
    for z in range(depth):
        for y in range(height):
            g, i, o = grad[z, y], image[z, y], opened[z, y]
            s, gi, go = skeleton[z, y], at_image[z, y], at_opened[z, y]
            for x in range(width):
                removed = _higher(i[x] - o[x], zero)
                added = removed - s[x] * removed
                share = g[x] * (one - s[x]) if added > zero else zero
                gi[x] = share
                go[x] = -share
            for x in range(width):
                removed = _higher(i[x] - o[x], zero)
                added = removed - s[x] * removed
                g[x] = g[x] * (one - removed) if added > zero else g[x]


@jit_loop
def _open_backward(eroded: Any, planes: Any, grad: Any, at_planes: Any, out: Any, rows: Any, code: Any) -> Any:
    """Add to ``out``, at what was eroded, the gradient at the highest of all around."""
    depth, height, width = eroded.shape
    along_x, along_y, at_x, at_y = planes[0], planes[1], at_planes[0], at_planes[1]
    _clear(at_x)
    _clear(at_y)
    for z in range(depth):  # what lies outside is replaced by the voxel itself, which changes nothing
        before, behind = max(z - 1, 0), min(z + 1, depth - 1)
        for y in range(height):
            _find_highest(along_y[before, y], along_y[z, y], along_y[behind, y], code)
            _give(grad[z, y], code, at_y[before, y], at_y[z, y], at_y[behind, y])
    for z in range(depth):
        for y in range(height):
            before, behind = max(y - 1, 0), min(y + 1, height - 1)
            _find_highest(along_x[z, before], along_x[z, y], along_x[z, behind], code)
            _give(at_y[z, y], code, at_x[z, before], at_x[z, y], at_x[z, behind])
        for y in range(height):
            _widen(eroded[z, y], rows[0])
            _find_highest(rows[0, :width], rows[0, 1 : width + 1], rows[0, 2:], code)
            _give_along(at_x[z, y], code, rows[1], out[z, y])


@jit_loop
def _erode_backward(image: Any, grad: Any, out: Any, rows: Any, code: Any) -> Any:
    """Add to ``out``, at an image, the gradient at the lowest of each voxel and its neighbours along the axes."""
    depth, height, width = image.shape
    lowest_z, lowest_y, lowest_x = rows[2, :width], rows[3, :width], rows[4, :width]
    shares_z, shares_y, shares_x = rows[5, :width], rows[6, :width], rows[7, :width]
    for z in range(depth):
        above, below = max(z - 1, 0), min(z + 1, depth - 1)
        for y in range(height):
            before, behind = max(y - 1, 0), min(y + 1, height - 1)
            row = image[z, y]
            _widen(row, rows[0])
            _lowest(image[above, y], row, image[below, y], lowest_z)
            _lowest(image[z, before], row, image[z, behind], lowest_y)
            _lowest(rows[0, :width], row, rows[0, 2:], lowest_x)
            if depth == 1:
                _halve(grad[z, y], lowest_y, lowest_x, shares_y, shares_x)
            else:
                _lowest(lowest_z, lowest_y, lowest_y, shares_y)
                _halve(grad[z, y], shares_y, lowest_x, shares_z, shares_x)
                _halve(shares_z, lowest_z, lowest_y, shares_z, shares_y)
                _find_lowest(image[above, y], row, image[below, y], code)
                _give(shares_z, code, out[above, y], out[z, y], out[below, y])
            _find_lowest(image[z, before], row, image[z, behind], code)
            _give(shares_y, code, out[z, before], out[z, y], out[z, behind])
            _find_lowest(rows[0, :width], row, rows[0, 2:], code)
            _give_along(shares_x, code, rows[1], out[z, y])


@jit_loop
def _clear(volume: Any) -> Any:
    for z in range(volume.shape[0]):
        for y in range(volume.shape[1]):
            row = volume[z, y]
            for x in range(len(row)):
                row[x] = 0


@jit_loop
def _widen(row: Any, out: Any) -> Any:
    """Copy a row, with its ends twice."""
    width = len(row)
    for x in range(width):
        out[x + 1] = row[x]
    out[0], out[width + 1] = row[0], row[width - 1]


@jit_loop
def _find_highest(a: Any, b: Any, c: Any, code: Any) -> Any:
    """Write which of three is highest, 0, 1 or 2; the first of equal ones."""
    for x in range(len(code)):
        first = 0 if a[x] >= b[x] else 1
        code[x] = 2 if c[x] > _higher(a[x], b[x]) else first


@jit_loop
def _find_lowest(a: Any, b: Any, c: Any, code: Any) -> Any:
    """Write which of three is lowest, 0, 1 or 2; the first of equal ones."""
    for x in range(len(code)):
        first = 0 if a[x] <= b[x] else 1
        code[x] = 2 if c[x] < _lower(a[x], b[x]) else first


@jit_loop
def _give(grad: Any, code: Any, a: Any, b: Any, c: Any) -> Any:
    """Add a gradient to those of three that the codes say."""
    zero = grad.dtype.type(0)
    for x in range(len(grad)):
        a[x] += grad[x] if code[x] == 0 else zero
    for x in range(len(grad)):
        b[x] += grad[x] if code[x] == 1 else zero
    for x in range(len(grad)):
        c[x] += grad[x] if code[x] == 2 else zero


@jit_loop
def _give_along(grad: Any, code: Any, wide: Any, out: Any) -> Any:
    """Add a gradient to the voxel before, the voxel itself or the one behind, as the codes say."""
    width = len(grad)
    for x in range(width + 2):
        wide[x] = 0
    _give(grad, code, wide[:width], wide[1 : width + 1], wide[2:])
    wide[1] += wide[0]
    wide[width] += wide[width + 1]
    for x in range(width):
        out[x] += wide[x + 1]


@jit_loop
def _halve(grad: Any, a: Any, b: Any, at_a: Any, at_b: Any) -> Any:
    """Give a gradient to the lower of two, or half of it to each of equal ones; ``at_a`` may be ``grad``."""
    zero, half = grad.dtype.type(0), grad.dtype.type(0.5)
    for x in range(len(grad)):
        share = grad[x] * half if a[x] == b[x] else grad[x]
        at_b[x] = share if b[x] <= a[x] else zero
    for x in range(len(grad)):
        at_a[x] = grad[x] - at_b[x]
