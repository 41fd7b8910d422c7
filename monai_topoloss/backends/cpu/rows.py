"""Rows of voxels, of which 64 are compared at a time: the answers are the bits of a uint64, the first voxel's lowest.

Comparisons are those of bits, so that ids of any size need no renumbering. They are LLVM's vectors, since loops that
collect bits are not made into such: on x86 a word of bytes is two comparisons and two moves of their signs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import jit_inline

FILL = 16  # how many elements `fill` writes

_U = np.uint64
_0, _1 = _U(0), _U(1)


def as_bits(image: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous array of bool or integers as flat unsigned integers of the same size."""
    return image.reshape(-1).view(f"u{image.dtype.itemsize}")


def _point(context: Any, builder: Any, array_type: Any, vector: Any, array: Any, index: Any) -> Any:
    """Return a pointer to a vector that begins at an element of an array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _load(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Load 64 elements of an array."""
    vector = ir.VectorType(ir.IntType(array_type.dtype.bitwidth), 64)
    pointer = _point(context, builder, array_type, vector, array, index)
    return builder.load(pointer, align=array_type.dtype.bitwidth // 8)


@intrinsic
def _equal_64(typing_context: Any, a: Any, i: Any, b: Any, j: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        its, others = (_load(context, builder, signature.args[k], *arguments[k : k + 2]) for k in (0, 2))
        return builder.bitcast(builder.icmp_unsigned("==", its, others), ir.IntType(64))

    return types.uint64(a, types.int64, b, types.int64), generate


@intrinsic
def _nonzero_64(typing_context: Any, a: Any, i: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        its = _load(context, builder, signature.args[0], *arguments)
        return builder.bitcast(builder.icmp_unsigned("!=", its, ir.Constant(its.type, None)), ir.IntType(64))

    return types.uint64(a, types.int64), generate


@intrinsic
def _narrow_64(typing_context: Any, a: Any, i: Any, b: Any, j: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        size = signature.args[2].dtype.bitwidth
        vector = ir.VectorType(ir.IntType(size), 64)
        values = builder.trunc(_load(context, builder, signature.args[0], *arguments[:2]), vector)
        builder.store(
            values, _point(context, builder, signature.args[2], vector, arguments[2], arguments[3]), align=size // 8
        )
        return context.get_dummy_value()

    return types.none(a, types.int64, b, types.int64), generate


@intrinsic
def _fill(typing_context: Any, a: Any, i: Any, value: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(arguments[2].type, FILL)
        values = ir.Constant(vector, ir.Undefined)
        for k in range(FILL):
            values = builder.insert_element(values, arguments[2], ir.Constant(ir.IntType(32), k))
        pointer = _point(context, builder, signature.args[0], vector, arguments[0], arguments[1])
        builder.store(values, pointer, align=signature.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(a, types.int64, a.dtype), generate


_equal: Any = _equal_64  # in a kernel: where 64 elements from i on are equal to 64 from j on, as bits
_nonzero: Any = _nonzero_64  # in a kernel: where 64 elements are not 0
_narrow: Any = _narrow_64  # in a kernel: copy 64 elements to a smaller type
fill: Any = _fill  # in a kernel: write a value to FILL elements of a flat array from an index on


@jit_inline
def first_bits(count: Any) -> Any:
    """Return a word with that many of its lowest bits set, at most all."""
    return (_1 << _U(count)) - _1 if count < 64 else ~_0


@jit_inline
def nonzero_word(image: Any, i: Any, w: Any, count: Any) -> Any:
    """Return word w of which elements of a row of a flat image, ``count`` of them from i on, are not 0."""
    x, found = 64 * w, _0
    if x + 64 <= count:
        found = _nonzero(image, i + x)
    elif count >= 64:  # the row's last 64, of which some are in the word before
        found = _nonzero(image, i + count - 64) >> _U(x + 64 - count)
    elif i + 64 <= len(image):  # the row's, and some of the next rows'
        found = _nonzero(image, i) & first_bits(count)
    else:
        for k in range(count):
            found |= _U(image[i + k] != 0) << _U(k)
    return found


@jit_inline
def equal_word(image: Any, i: Any, j: Any, w: Any, count: Any) -> Any:
    """Return word w of where two rows of a flat image, ``count`` elements from i and j on, are equal."""
    x, found = 64 * w, _0
    if x + 64 <= count:
        found = _equal(image, i + x, image, j + x)
    elif count >= 64:
        if x < count:
            found = _equal(image, i + count - 64, image, j + count - 64) >> _U(x + 64 - count)
    elif max(i, j) + 64 <= len(image):
        found = _equal(image, i, image, j) & first_bits(count)
    else:
        for k in range(count):
            found |= _U(image[i + k] == image[j + k]) << _U(k)
    return found


@jit_inline
def narrow(image: Any, i: Any, rows: Any, j: Any, count: Any) -> Any:
    """Copy elements from i on to a flat array of a smaller type, from j on."""
    if count < 64:
        for k in range(count):
            rows[j + k] = image[i + k]
    else:
        for k in range(0, count - 63, 64):
            _narrow(image, i + k, rows, j + k)
        _narrow(image, i + count - 64, rows, j + count - 64)
