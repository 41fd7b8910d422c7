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

from monai_topoloss.backends.cpu._numba import jit_loop

FILL = 16  # how many elements `fill` writes

_U = np.uint64
_0, _1, _63, _64 = (_U(i) for i in (0, 1, 63, 64))


def as_bits(image: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous array of bool or integers as flat unsigned integers of the same size."""
    return image.reshape(-1).view(f"u{image.dtype.itemsize}")


def _point(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any) -> Any:
    """Return a pointer to a vector that begins at an element of an array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _load(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Load 64 elements of an array."""
    vector = ir.VectorType(ir.IntType(array_type.dtype.bitwidth), 64)
    pointer = _point(context, builder, array_type, array, index, vector)
    return builder.load(pointer, align=array_type.dtype.bitwidth // 8)


@intrinsic
def _equal(typing_context: Any, a: Any, i: Any, b: Any, j: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        its, others = (_load(context, builder, signature.args[k], *arguments[k : k + 2]) for k in (0, 2))
        return builder.bitcast(builder.icmp_unsigned("==", its, others), ir.IntType(64))

    return types.uint64(a, types.int64, b, types.int64), generate


@intrinsic
def _nonzero(typing_context: Any, a: Any, i: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        its = _load(context, builder, signature.args[0], *arguments)
        return builder.bitcast(builder.icmp_unsigned("!=", its, ir.Constant(its.type, None)), ir.IntType(64))

    return types.uint64(a, types.int64), generate


@intrinsic
def _fill(typing_context: Any, a: Any, i: Any, value: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(arguments[2].type, FILL)
        values = ir.Constant(vector, ir.Undefined)
        for k in range(FILL):
            values = builder.insert_element(values, arguments[2], ir.Constant(ir.IntType(32), k))
        pointer = _point(context, builder, signature.args[0], *arguments[:2], vector)
        builder.store(values, pointer, align=signature.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(a, types.int64, a.dtype), generate


fill: Any = _fill  # in a kernel: write a value to FILL elements of a flat array from an index on


@jit_loop
def find_nonzero(image: Any, i: Any, count: Any, bits: Any) -> Any:
    """Set the bits of which elements of a row, ``count`` of them from i on, are not 0; return whether any is."""
    found = _0
    whole, rest = count >> 6, count & 63
    for w in range(whole):
        bits[w] = _nonzero(image, i + 64 * w)
        found |= bits[w]
    if rest:
        if whole:  # the row's last 64
            bits[whole] = _nonzero(image, i + count - 64) >> (_64 - _U(rest))
        else:
            bits[0] = _0
            for x in range(count):
                bits[0] |= _U(image[i + x] != 0) << _U(x)
        found |= bits[whole]
    return found != _0


@jit_loop
def find_equal(
    image: Any, i: Any, other: Any, j: Any, count: Any, where: Any, bits: Any, at: Any
) -> Any:
    """Set the bits of where two rows of elements are equal, in words where ``where`` is not 0; clear the others."""
    whole, rest = count >> 6, count & 63
    for w in range(whole):
        bits[at + w] = _equal(image, i + 64 * w, other, j + 64 * w) if where[w] else _0
    if rest:
        bits[at + whole] = _0
        if where[whole]:
            if whole:  # the row's last 64
                bits[at + whole] = _equal(image, i + count - 64, other, j + count - 64) >> (_64 - _U(rest))
            else:
                for x in range(count):
                    bits[at] |= _U(image[i + x] == other[j + x]) << _U(x)


@jit_loop
def find_changes(image: Any, i: Any, count: Any, where: Any, bits: Any, at: Any) -> Any:
    """Set the bits of elements of a row that differ from the one before, or are the first.

    Words where ``where`` is 0 get their lowest bit; bits beyond the row are set.
    """
    find_equal(image, i, image, i + 1, count - 1, where, bits, at)
    if count & 63 == 1:
        bits[at + (count >> 6)] = _0
    before = _0
    for w in range((count + 63) >> 6):
        alike = bits[at + w]
        bits[at + w] = ~((alike << _1) | before) if where[w] else _1
        before = alike >> _63
