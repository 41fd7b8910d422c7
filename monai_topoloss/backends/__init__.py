"""The one place that decides where an operation is computed.

Nothing outside this package knows an array library. `backend_for` looks at a tensor and hands out the backend to use;
backends are loaded on first use, so that ``import monai_topoloss`` needs none of their libraries.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from typing import cast

from torch import Tensor

from monai_topoloss._checks import check_option
from monai_topoloss.backends.base import Backend

__all__ = ["BACKENDS", "Backend", "backend_for"]

BACKENDS = ("auto", "cpu", "cuda")

_NO_CUDA = (
    "monai_topoloss cannot compute on the GPU here: it needs a version with CUDA kernels, and CuPy and cuCIM, which"
    ' `pip install "monai-topoloss[cuda12]"` (or `[cuda13]`) installs'
)


def backend_for(tensor: Tensor, backend: str = "auto") -> Backend:
    """Return the backend that computes on ``tensor``.

    Args:
        tensor: the tensor to compute on.
        backend: ``"auto"`` follows the tensor: on the GPU for a CUDA tensor where that is possible, else on the CPU,
            with one warning per process if the tensor has to be copied there. ``"cpu"`` and ``"cuda"`` force one.

    Raises:
        ValueError: if ``backend`` is none of these.
        ImportError: if ``backend="cuda"`` cannot be had; the message says what to install.
    """
    check_option("backend", backend, BACKENDS)
    if backend == "cuda":
        return _load("cuda")
    if backend == "auto" and not tensor.is_cpu:
        if tensor.is_cuda and _has_cuda():
            return _load("cuda")
        _warn_of_host_copy(tensor.device.type)
    return _load("cpu")


@functools.cache
def _load(name: str) -> Backend:
    """Import the backend ``name``, once."""
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except ImportError as error:
        if name == "cuda":
            raise ImportError(f"{_NO_CUDA}.") from error
        raise
    return cast(Backend, module.BACKEND)


@functools.cache
def _has_cuda() -> bool:
    try:
        _load("cuda")
    except ImportError:
        return False
    return True


@functools.cache
def _warn_of_host_copy(device_type: str) -> None:
    """Say, once per kind of device, that a tensor is copied to the host and back."""
    reason = _NO_CUDA if device_type == "cuda" else f"monai_topoloss has no kernels for {device_type!r} tensors"
    warnings.warn(
        f"{reason}. Computing on the CPU instead, which copies tensors there and back; skeletons can be"
        " precomputed with `TubedSkeletonized`.",
        stacklevel=4,
    )
