"""Images of all types, in all ways that memory may hold them."""

from __future__ import annotations

from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import torch
from monai.data import MetaTensor

INTEGERS = (
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.uint16, torch.uint32, torch.uint64,
)  # fmt: skip
FLOATS = (torch.float16, torch.float32, torch.float64, torch.bfloat16)
FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)
DTYPES = INTEGERS + FLOATS + FLOAT8
NOT_IN_NUMPY = (torch.bfloat16, *FLOAT8)
IDS = (1, 2, 3, 63, 64, 127, 255, 256, 2049, 2**15, 2**16 - 1, 2**24 + 1, 2**30, 2**31, 2**32 - 1, 2**53 + 1, 2**62)
NUMBERS = (-1, 0.5, 1e-7, -(2**63), 2**63, 2**64 - 1, 5e-324)
LAYOUTS = ("plain", "flipped", "transposed", "sliced", "shifted", "read-only", "swapped", "broadcast")
TENSORS = ("plain", "transposed", "sliced", "shifted", "broadcast", "negated", "grad", "meta", "meta sliced")


class Image(NamedTuple):
    """An argument, and its values in an array like any other."""

    argument: Any
    values: np.ndarray


def holds(dtype: torch.dtype, number: float) -> bool:
    """Whether a type has exactly that number."""
    if dtype == torch.bool:
        return number in (0, 1)
    if not dtype.is_floating_point:
        return number == int(number) and torch.iinfo(dtype).min <= number <= torch.iinfo(dtype).max
    if abs(number) > torch.finfo(dtype).max:
        return False
    return torch.tensor(float(number), dtype=torch.float64).to(dtype).double().item() == number


def to_numpy(dtype: torch.dtype) -> np.dtype:
    """The type of an image's values."""
    return np.dtype(np.float32) if dtype in NOT_IN_NUMPY else torch.empty(0, dtype=dtype).numpy().dtype


@st.composite
def shapes(draw, ndims=(2, 3), longest=6):
    """Small shapes, some axes without voxels or with one, some longer than a word of bits."""
    shape = [draw(st.sampled_from([1, 2, 3, 4, 5, longest, longest])) for _ in range(draw(st.sampled_from(ndims)))]
    if draw(st.integers(0, 9)) == 0:
        shape[draw(st.integers(0, len(shape) - 1))] = 0
    if len(shape) == 2 and draw(st.integers(0, 4)) == 0:
        shape[-1] = draw(st.sampled_from([61, 62, 63, 64, 65, 130]))
    return tuple(shape)


@st.composite
def codes(draw, shape, number):
    """Numbers from 0 up to and including the given one, in noise or in patches."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    block = draw(st.sampled_from([1, 1, 2, 3]))
    drawn = rng.integers(1, number + 1, [-(-n // block) for n in shape])
    drawn = np.kron(drawn, np.ones([block] * len(shape), np.int64))[tuple(slice(n) for n in shape)]
    return (drawn * (rng.random(shape) < draw(st.sampled_from([0, 0.3, 0.5, 0.8, 0.95, 1])))).astype(np.int64)


@st.composite
def images(draw, shape=None, dtypes=DTYPES, numbers=IDS, most=3, torch_only=False):
    """An image of 0 and a few other numbers that its type holds."""
    shape = draw(shapes()) if shape is None else shape
    dtype = draw(st.sampled_from(dtypes))
    held = [number for number in numbers if holds(dtype, number)]
    pool = draw(st.lists(st.sampled_from(held), min_size=1, max_size=most, unique=True))
    values = np.array([0, *pool], to_numpy(dtype))[draw(codes(shape, len(pool)))]
    return draw(in_memory(values, dtype, torch_only=torch_only))


def masks(shape=None, **options):
    """An image of which it matters only what is 0."""
    return images(shape, numbers=(*IDS, *NUMBERS), **options)


@st.composite
def in_memory(draw, values, dtype, torch_only=False):
    """An array or tensor of given values; along an axis that is broadcast these are all those of the first place."""
    if not torch_only and dtype not in NOT_IN_NUMPY and draw(st.booleans()):
        layout = draw(st.sampled_from(LAYOUTS))
        values = _constant(draw, values) if layout == "broadcast" else values
        return Image(_array(values, layout), values)
    layout = draw(st.sampled_from(TENSORS))
    if layout == "broadcast":
        values = _constant(draw, values)
    return Image(_tensor(values, dtype, layout), values)


def _constant(draw, values):
    axis = draw(st.integers(0, values.ndim - 1))
    return np.repeat(values.take([0], axis), values.shape[axis], axis) if values.size else values


def _array(values, layout):
    every = tuple(slice(None, None, -1) for _ in values.shape)
    if layout == "flipped":
        return np.ascontiguousarray(values[every])[every]
    if layout == "transposed":
        return np.asfortranarray(values)
    if layout == "sliced":
        return _sparse(values)[tuple(slice(0, None, 2) for _ in values.shape)]
    if layout == "shifted":  # by a byte, so that it is not aligned
        buffer = bytearray(1) + values.tobytes()
        return np.frombuffer(buffer, values.dtype, offset=1).reshape(values.shape)
    if layout == "swapped":
        return values.astype(values.dtype.newbyteorder(">"))
    if layout == "broadcast":
        return np.broadcast_to(values[_firsts(values)], values.shape)
    array = values.copy()
    array.setflags(write=layout != "read-only")
    return array


def _tensor(values, dtype, layout):
    if layout == "transposed":
        tensor = torch.from_numpy(values.T.copy()).to(dtype).permute(*reversed(range(values.ndim)))
    elif layout in ("sliced", "meta sliced"):
        tensor = torch.from_numpy(_sparse(values)).to(dtype)[tuple(slice(0, None, 2) for _ in values.shape)]
    elif layout == "shifted":
        tensor = torch.from_numpy(np.append([0], values).astype(values.dtype)).to(dtype)[1:].reshape(values.shape)
    elif layout == "broadcast":
        tensor = torch.from_numpy(values[_firsts(values)].copy()).to(dtype).expand(values.shape)
    elif layout == "negated" and dtype in (torch.float32, torch.float64):
        tensor = torch.complex(torch.zeros(values.shape, dtype=dtype), -torch.from_numpy(values)).conj().imag
    else:
        tensor = torch.from_numpy(values.copy()).to(dtype)
    if layout == "grad" and dtype in FLOATS:
        return tensor.requires_grad_()
    if layout.startswith("meta"):
        return MetaTensor(tensor, affine=torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0], dtype=torch.float64)))
    return tensor


def _sparse(values):
    """Values at every other place, others between."""
    array = np.ones([2 * n for n in values.shape], values.dtype)
    array[tuple(slice(0, None, 2) for _ in values.shape)] = values
    return array


def _firsts(values):
    """Axes along which nothing changes, cut to one place."""
    return tuple(
        slice(0, 1) if values.size and (values == values.take([0], axis)).all() else slice(None)
        for axis in range(values.ndim)
    )


@st.composite
def batches(draw, ndims=(2, 3)):
    """A shape with leading axes, and how many of its axes are spatial."""
    spatial = draw(shapes(ndims))
    lead = draw(st.sampled_from([(), (), (1,), (2,), (0,), (2, 1), (1, 0)]))
    return (*lead, *spatial), len(spatial)


@st.composite
def pairs(draw, shape, dtypes=DTYPES, numbers=IDS, most=3, torch_only=False):
    """Two images of one set of numbers that resemble each other, of types and in memory of their own."""
    first, second = draw(st.sampled_from(dtypes)), draw(st.sampled_from(dtypes))
    held = [number for number in numbers if holds(first, number) and holds(second, number)]
    pool = draw(st.lists(st.sampled_from(held), min_size=1, max_size=most, unique=True))
    ids, others = draw(codes(shape, len(pool))), draw(codes(shape, len(pool)))
    changed = draw(codes(shape, 1)) != 0
    arrays = (np.where(changed, others, ids), ids)
    images = []
    for dtype, array in zip((first, second), arrays, strict=True):
        values = np.array([0, *pool], to_numpy(dtype))[array]
        images.append(draw(in_memory(values, dtype, torch_only=torch_only)))
    return tuple(images)
