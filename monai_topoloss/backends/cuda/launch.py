"""Launches the kernels of `kernels.cu` on tensors, on their device and PyTorch's current stream there.

All memory is PyTorch's. CuPy compiles the source for a device on first use, which takes seconds, and keeps the result
on disk; its current device and stream are afterwards what they were before.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["SOURCE", "current_stream", "device_for", "launch", "prepare"]

SOURCE = Path(__file__).with_name("kernels.cu")
_OPTIONS = ("--std=c++17",)
_BLOCK = 256  # threads
_MOST_BLOCKS = 2**20  # more elements are taken in turns


class _Stream(NamedTuple):
    """A stream of PyTorch as CuPy takes it."""

    pointer: int

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.pointer


def prepare() -> None:
    """Compile the kernels for the current device.

    Raises:
        ImportError: if CuPy is not there or cannot compile.
    """
    import cupy

    try:
        cupy.RawKernel(SOURCE.read_text(), "flatten", options=_OPTIONS).compile()
    except Exception as error:  # of the compiler, the driver or the disk: whatever it is, there is no backend
        raise ImportError(f"CuPy cannot compile here: {error}") from error


def device_for(tensor: Tensor) -> torch.device:
    """Return the GPU to compute on: that of the tensor, or the current one."""
    return tensor.device if tensor.is_cuda else torch.device("cuda", torch.cuda.current_device())


@contextmanager
def current_stream(device: torch.device) -> Iterator[None]:
    """Let launches go to PyTorch's current stream on a device."""
    if device.type != "cuda":
        yield
        return
    import cupy

    pointer = torch.cuda.current_stream(device).cuda_stream
    with torch.cuda.device(device):
        # From CuPy 14 on; before, there is no other way than the class that it replaces.
        from_external = getattr(cupy.cuda.Stream, "from_external", None)
        stream = from_external(_Stream(pointer)) if from_external else cupy.cuda.ExternalStream(pointer, device.index)
        with stream:
            yield


def launch(name: str, count: int, *arguments: Tensor | int) -> None:
    """Run a kernel with a thread for each of ``count`` elements, within `current_stream`; nothing waits for it.

    Args:
        name: of the kernel.
        count: how many elements there are.
        arguments: of the kernel, contiguous tensors on the device, and ints, which it gets as 64 bits.
    """
    if count:
        blocks = min(-(-count // _BLOCK), _MOST_BLOCKS)
        _kernel(name)((blocks,), (_BLOCK,), tuple(map(_as_argument, arguments)))


def _as_argument(argument: Tensor | int) -> np.generic:
    if not isinstance(argument, Tensor):
        return np.int64(argument)
    if not (argument.is_cuda and argument.is_contiguous()):
        raise ValueError(f"Expected contiguous memory on a GPU, got {argument.device} and {argument.stride()}.")
    return np.uint64(argument.data_ptr())


@functools.cache
def _kernel(name: str) -> Any:
    """Return a kernel; CuPy compiles all of the source at once, and loads it on each device on first use."""
    import cupy

    return cupy.RawKernel(SOURCE.read_text(), name, options=_OPTIONS)
