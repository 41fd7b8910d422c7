"""Soft skeletons of one image, and their gradients, as NumPy arrays.

An image is eroded (the lowest of a voxel and its neighbours along the axes) again and again; what opening it (erosion,
then the highest of a voxel and all around it) takes away is added to the skeleton.

Planes go through all that one after the other, and what a plane needs of those before and behind it is kept for three
planes only, in the fast caches. An image of two axes is a volume of planes with one row. Within a plane all is done by
short loops over few rows, which LLVM turns into vector instructions; it does not for a loop over many arrays, as any of
them might overlap. The highest of all around is that along one axis after the other. What lies outside is replaced by
the voxel itself, which changes nothing.

Nothing is kept from the forward pass: eroding once more costs less than holding the positions of all minima and maxima.
Of equal values the first has the gradient, and axes share it evenly, as with PyTorch's pooling and minimum, with which
soft skeletons are usually written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit, jit_inline, jit_loop


def soft_skeleton(image: NDArray[Any], out: NDArray[Any], *, iterations: int) -> None:
    """Write the soft skeleton of a 2-D or 3-D image of floats, or of 0 and 1 as bytes, into zeros."""
    _soft_skeleton(_planes(image), _planes(out), iterations)


def soft_skeleton_backward(image: NDArray[Any], grad: NDArray[Any], out: NDArray[Any], *, iterations: int) -> None:
    """Write the gradient at a 2-D or 3-D image of floats, given that at its soft skeleton."""
    _soft_skeleton_backward(_planes(image), _planes(grad), _planes(out), iterations, image.ndim == 2)


def _planes(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image as planes ``(Z, Y, X)``; those of a 2-D image have one row."""
    return image[:, None] if image.ndim == 2 else image


@jit_inline
def _lower(a: Any, b: Any) -> Any:
    return a if a < b else b  # an instruction; numba's `min` asks for NaN first


@jit_inline
def _higher(a: Any, b: Any) -> Any:
    return a if a > b else b


@jit
def _soft_skeleton(image: Any, out: Any, iterations: Any) -> Any:
    along_x, along_y = np.empty(image.shape[1:], image.dtype), np.empty((3, *image.shape[1:]), image.dtype)
    now, after = image, np.empty(image.shape, image.dtype)
    for k in range(iterations + 1):
        _step(now, after, out, along_x, along_y)
        now, after = after, np.empty(image.shape, image.dtype) if k == 0 else now


@jit
def _soft_skeleton_backward(image: Any, grad: Any, out: Any, iterations: Any, is_2d: Any) -> Any:
    shape, dtype = image.shape, image.dtype
    along_x, along_y = np.empty((3, *shape[1:]), dtype), np.empty((3, *shape[1:]), dtype)
    eroded = np.empty((iterations + 2, *shape), dtype)
    skeletons = np.empty((iterations + 1, *shape), dtype)  # before each step
    eroded[0], skeletons[0] = image, 0
    for k in range(iterations):
        skeletons[k + 1] = skeletons[k]
        _step(eroded[k], eroded[k + 1], skeletons[k + 1], along_x[0], along_y)
    for z in range(shape[0]):
        _erode(eroded[iterations], z, eroded[iterations + 1])
    at_skeleton, at_this, at_next = grad.copy(), np.empty(shape, dtype), np.zeros(shape, dtype)
    at_x, at_y = np.empty(shape[1:], dtype), np.empty((3, *shape[1:]), dtype)
    rows, code = np.empty((8, shape[2] + 2), dtype), np.empty(shape[2], np.int32)
    for k in range(iterations, -1, -1):
        _open_backward(
            eroded[k],
            eroded[k + 1],
            skeletons[k],
            at_skeleton,
            at_this,
            at_next,
            along_x,
            along_y,
            at_x,
            at_y,
            rows,
            code,
        )
        for z in range(shape[0]):
            _erode_backward(eroded[k], z, at_next, at_this, rows, code, is_2d)
        at_this, at_next = at_next, at_this
    out[:] = at_next


@jit_loop
def _step(image: Any, eroded: Any, skeleton: Any, along_x: Any, along_y: Any) -> Any:
    """Erode an image, and add to a skeleton what opening takes away."""
    depth, height, _ = image.shape
    for z in range(depth + 1):
        if z < depth:
            _erode(image, z, eroded)
            _spread(eroded[z], along_x, along_y[z % 3])
        if z > 0:
            before, this, behind = along_y[max(z - 2, 0) % 3], along_y[(z - 1) % 3], along_y[min(z, depth - 1) % 3]
            for y in range(height):
                _add(skeleton[z - 1, y], image[z - 1, y], before[y], this[y], behind[y])


@jit_loop
def _erode(image: Any, z: Any, out: Any) -> Any:
    """Write a plane of the lowest of each voxel and its neighbours along the axes."""
    depth, height, width = image.shape
    for y in range(height):
        row, result = image[z, y], out[z, y]
        _lowest(row, image[max(z - 1, 0), y], image[min(z + 1, depth - 1), y], result)
        if height > 1:
            _lowest(result, image[z, max(y - 1, 0)], image[z, min(y + 1, height - 1)], result)
        _lower_rows(result[: width - 1], row[1:])
        _lower_rows(result[1:], row[: width - 1])


@jit_loop
def _spread(eroded: Any, along_x: Any, along_y: Any) -> Any:
    """Write planes of the highest along x, and along x and y."""
    height, width = eroded.shape
    for y in range(height):
        row, result = eroded[y], along_x[y]
        for x in range(width):
            result[x] = row[x]
        _raise_rows(result[: width - 1], row[1:])
        _raise_rows(result[1:], row[: width - 1])
    for y in range(height):
        _highest(along_x[y], along_x[max(y - 1, 0)], along_x[min(y + 1, height - 1)], along_y[y])


@jit_loop
def _lower_rows(row: Any, other: Any) -> Any:
    for x in range(len(row)):
        row[x] = _lower(row[x], other[x])


@jit_loop
def _raise_rows(row: Any, other: Any) -> Any:
    for x in range(len(row)):
        row[x] = _higher(row[x], other[x])


@jit_loop
def _lowest(a: Any, b: Any, c: Any, out: Any) -> Any:
    for x in range(len(out)):
        out[x] = _lower(_lower(a[x], b[x]), c[x])


@jit_loop
def _highest(a: Any, b: Any, c: Any, out: Any) -> Any:
    for x in range(len(out)):
        out[x] = _higher(_higher(a[x], b[x]), c[x])


@jit_loop
def _add(skeleton: Any, image: Any, a: Any, b: Any, c: Any) -> Any:
    """Add to a row of a skeleton ``(1 - skeleton) * max(image - opened, 0)``; ``opened`` is the highest of three."""
    zero = image.dtype.type(0)
    for x in range(len(skeleton)):
        opened = _higher(_higher(a[x], b[x]), c[x])
        removed = zero if image[x] <= opened else image[x] - opened  # NaN stays
        skeleton[x] += removed - skeleton[x] * removed


@jit_loop
def _add_backward(grad: Any, image: Any, opened: Any, skeleton: Any, at_image: Any, at_opened: Any) -> Any:
    """Turn the gradient at a row of a skeleton after `_add` into that before; write that at image and opening."""
    zero, one = image.dtype.type(0), image.dtype.type(1)
    for x in range(len(grad)):
        share = grad[x] * (one - skeleton[x]) if image[x] > opened[x] else zero
        at_image[x] = share
        at_opened[x] = -share
    for x in range(len(grad)):
        removed = _higher(image[x] - opened[x], zero)
        grad[x] *= one - (removed if skeleton[x] < one else zero)


@jit_loop
def _open_backward(
    image: Any,
    eroded: Any,
    skeleton: Any,
    at_skeleton: Any,
    at_image: Any,
    at_eroded: Any,
    along_x: Any,
    along_y: Any,
    at_x: Any,
    at_y: Any,
    rows: Any,
    code: Any,
) -> Any:
    """Take the gradient at a skeleton back through what `_step` added; write that at the image, add that at the eroded.

    A plane of the opening gives its gradient to three planes of what is highest along x and y. Once all three have
    given, that plane hands on to its rows, and each row to its voxels.
    """
    depth, height, width = image.shape
    opened, at_opened = rows[0, :width], rows[1, :width]
    for z in range(depth + 2):
        if z < depth:
            _spread(eroded[z], along_x[z % 3], along_y[z % 3])
            for y in range(height):
                _clear(at_y[z % 3, y])
        if 1 <= z <= depth:
            a, b, c = max(z - 2, 0) % 3, (z - 1) % 3, min(z, depth - 1) % 3
            for y in range(height):
                _highest(along_y[a, y], along_y[b, y], along_y[c, y], opened)
                _add_backward(
                    at_skeleton[z - 1, y], image[z - 1, y], opened, skeleton[z - 1, y], at_image[z - 1, y], at_opened
                )
                _find_highest(along_y[a, y], along_y[b, y], along_y[c, y], code)
                _give(at_opened, code, at_y[a, y], at_y[b, y], at_y[c, y])
        if z >= 2:
            _spread_backward(eroded[z - 2], along_x[(z - 2) % 3], at_x, at_y[(z - 2) % 3], at_eroded[z - 2], rows, code)


@jit_loop
def _spread_backward(eroded: Any, along_x: Any, at_x: Any, at_y: Any, at_eroded: Any, rows: Any, code: Any) -> Any:
    """Add the gradient at a plane of the highest along x and y to that at the plane itself."""
    height, width = eroded.shape
    if height > 1:
        for y in range(height):
            _clear(at_x[y])
        for y in range(height):
            before, behind = max(y - 1, 0), min(y + 1, height - 1)
            _find_highest(along_x[before], along_x[y], along_x[behind], code)
            _give(at_y[y], code, at_x[before], at_x[y], at_x[behind])
    for y in range(height):
        _widen(eroded[y], rows[2])
        _find_highest(rows[2, :width], rows[2, 1 : width + 1], rows[2, 2:], code)
        _give_along(at_x[y] if height > 1 else at_y[y], code, rows[3], at_eroded[y])


@jit_loop
def _erode_backward(image: Any, z: Any, grad: Any, out: Any, rows: Any, code: Any, is_2d: Any) -> Any:
    """Add to ``out``, at an image, the gradient at a plane of `_erode`."""
    depth, height, width = image.shape
    wide, row_before, row_behind = rows[0], rows[0, :width], rows[0, 2:]
    lowest_z, lowest_y, lowest_x = rows[2, :width], rows[3, :width], rows[4, :width]
    shares_z, shares_y, shares_x = rows[5, :width], rows[6, :width], rows[7, :width]
    above, below = max(z - 1, 0), min(z + 1, depth - 1)
    for y in range(height):
        before, behind = max(y - 1, 0), min(y + 1, height - 1)
        row = image[z, y]
        _widen(row, wide)
        _lowest(image[above, y], row, image[below, y], lowest_z)
        _lowest(row_before, row, row_behind, lowest_x)
        if is_2d:
            _halve(grad[z, y], lowest_z, lowest_x, shares_z, shares_x)
        else:
            _lowest(image[z, before], row, image[z, behind], lowest_y)
            _lowest(lowest_z, lowest_y, lowest_y, shares_y)
            _halve(grad[z, y], shares_y, lowest_x, shares_z, shares_x)
            _halve(shares_z, lowest_z, lowest_y, shares_z, shares_y)
            _find_lowest(image[z, before], row, image[z, behind], code)
            _give(shares_y, code, out[z, before], out[z, y], out[z, behind])
        _find_lowest(image[above, y], row, image[below, y], code)
        _give(shares_z, code, out[above, y], out[z, y], out[below, y])
        _find_lowest(row_before, row, row_behind, code)
        _give_along(shares_x, code, rows[1], out[z, y])


@jit_loop
def _clear(row: Any) -> Any:
    for x in range(len(row)):
        row[x] = 0


@jit_loop
def _widen(row: Any, out: Any) -> Any:
    """Copy a row, with its ends twice."""
    width = len(row)
    inner = out[1 : width + 1]
    for x in range(width):
        inner[x] = row[x]
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
    inner = wide[1 : width + 1]
    for x in range(width):
        out[x] += inner[x]


@jit_loop
def _halve(grad: Any, a: Any, b: Any, at_a: Any, at_b: Any) -> Any:
    """Give a gradient to the lower of two, or half of it to each of equal ones; ``at_a`` may be ``grad``."""
    zero, half = grad.dtype.type(0), grad.dtype.type(0.5)
    for x in range(len(grad)):
        share = grad[x] * half if a[x] == b[x] else grad[x]
        at_b[x] = share if b[x] <= a[x] else zero
    for x in range(len(grad)):
        at_a[x] = grad[x] - at_b[x]
