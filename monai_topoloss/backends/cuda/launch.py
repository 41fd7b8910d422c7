"""Launches the kernels of `kernels.cu` on tensors, on their device and PyTorch's current stream there.

All memory is PyTorch's. CuPy compiles the source for a device on first use, which takes seconds, and keeps the result
on disk; its current device and stream are afterwards what they were before.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["SOURCE", "current_stream", "launch"]

SOURCE = Path(__file__).with_name("kernels.cu")
_BLOCK = 256  # threads
_MOST_BLOCKS = 2**20  # more elements are taken in turns


@contextmanager
def current_stream(tensor: Tensor) -> Iterator[None]:
    """Let launches go to PyTorch's current stream on the device of a tensor."""
    if not tensor.is_cuda:
        yield
        return
    import cupy

    device = tensor.device.index
    stream = torch.cuda.current_stream(tensor.device).cuda_stream
    with cupy.cuda.Device(device), cupy.cuda.ExternalStream(stream, device):
        yield


def launch(name: str, count: int, *arguments: Tensor | int) -> None:
    """Run a kernel with a thread for each of ``count`` elements, within `current_stream`; nothing waits for it.

    Args:
        name: of the kernel.
        count: how many elements there are.
        arguments: of the kernel, contiguous tensors on the device, and ints, which it gets as 64 bits.
    """
    if count:
        values = (
            np.uint64(argument.data_ptr()) if isinstance(argument, Tensor) else np.int64(argument)
            for argument in arguments
        )
        blocks = min(-(-count // _BLOCK), _MOST_BLOCKS)
        _kernel(name)((blocks,), (_BLOCK,), tuple(values))


@functools.cache
def _kernel(name: str) -> Any:
    """Compile a kernel; CuPy loads it on each device on first use."""
    import cupy

    return cupy.RawKernel(SOURCE.read_text(), name, options=("--std=c++17",))
