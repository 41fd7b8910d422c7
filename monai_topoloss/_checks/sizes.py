"""How many voxels there may be: they are numbered in 32 bits, or where that is too few in 64, or refused."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

HIGHEST = 2**31 - 1  # number of 32 bits


def type_of_numbers(highest: int) -> np.dtype[np.int32] | np.dtype[np.int64]:
    """Return the type of numbers that are no higher: int32, or if that is too small int64."""
    return np.dtype(np.int32) if highest <= HIGHEST else np.dtype(np.int64)


def check_size(name: str, shape: Sequence[int], *, border: int = 0) -> None:
    """Check that all voxels of items ``(N, *spatial)`` can be numbered in 32 bits, with a border around each item."""
    items, *spatial = shape
    count = items * math.prod(size + 2 * border for size in (1, *spatial)[-3:])
    _check_on_gpu(name, f"voxels{', with a border,' if border else ''}", count, HIGHEST)


def check_size_off_cpu(name: str, tensor: Tensor) -> None:
    """Check likewise a tensor ``(B, C, *spatial)`` that is not on the CPU: PyTorch's pooling and sorting need it."""
    if not tensor.is_cpu:
        check_size(name, tensor.flatten(0, 1).shape)


def check_number_of_objects(name: str, count: int) -> None:
    """Check that twice the number of objects has 32 bits."""
    _check_on_gpu(name, "different objects", count, HIGHEST // 2)


def check_graph_size(name: str, n_nodes: int, n_edges: int) -> None:
    """Check that nodes and edges of skeletons can be numbered in 32 bits: SciPy's graphs need it."""
    if max(n_nodes, n_edges) > HIGHEST:
        raise ValueError(
            f"Expected skeletons of `{name}` with at most {HIGHEST} nodes and edges, got {n_nodes} and {n_edges}:"
            " take parts of the image."
        )


def check_chunk_size(name: str, count: int) -> None:
    """Check that voxels of a chunk can be numbered in 32 bits."""
    if count > HIGHEST:
        raise ValueError(
            f"Expected `{name}` in chunks of at most {HIGHEST} voxels, got one of {count}: see its `rechunk()`."
        )


def _check_on_gpu(name: str, what: str, count: int, most: int) -> None:
    if count > most:
        raise ValueError(
            f"Expected `{name}` to have at most {most} {what} at once on the GPU, got {count}: split the batch, or"
            " compute on the CPU."
        )
