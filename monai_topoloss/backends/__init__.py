"""The one place that decides where an operation is computed.

Nothing outside this package knows an array library. `backend_for` looks at a tensor and hands out the backend to use;
backends are loaded on first use, so that ``import monai_topoloss`` needs none of their libraries.
"""

from __future__ import annotations

import functools
import importlib
import threading
import warnings
from typing import cast

from torch import Tensor

from monai_topoloss._checks.options import check_option
from monai_topoloss._fork import hold_at_forks
from monai_topoloss.backends.base import Backend, GraphBackend, SoftBackend

__all__ = [
    "BACKENDS",
    "Backend",
    "GraphBackend",
    "SoftBackend",
    "backend_for",
    "graph_backend",
    "soft_backend_for",
    "why_no_cuda",
]

BACKENDS = ("auto", "cpu", "cuda")

_CPU_METHODS = ("lee_skimage",)  # of thinning: voxels one after the other, as the method demands

_NO_CUDA = (
    "monai_topoloss cannot compute on the GPU here: it needs CuPy, which"
    ' `pip install "monai-topoloss[cuda12]"` (or `[cuda13]`) installs'
)

_loading = threading.RLock()
hold_at_forks(_loading)  # else a child may find modules that are imported by half, and wait for the rest


def backend_for(tensor: Tensor, backend: str = "auto", method: str | None = None) -> Backend:
    """Return the backend that computes on ``tensor``.

    Args:
        tensor: the tensor to compute on.
        backend: ``"auto"`` follows the tensor: on the GPU for a CUDA tensor where that is possible, else on the CPU,
            with one warning per process if the tensor has to be copied there. ``"cpu"`` and ``"cuda"`` force one.
        method: of thinning, if that is what is to be computed.

    Raises:
        ValueError: if ``backend`` is none of these, or ``"cuda"`` with a method that there is on the CPU only.
        ImportError: if ``backend="cuda"`` cannot be had; the message says what to install.
    """
    check_option("backend", backend, BACKENDS)
    if method in _CPU_METHODS:
        if backend == "cuda":
            raise ValueError(f"Expected another `method` with backend='cuda', {method!r} can be had on the CPU only.")
        if backend == "auto" and not tensor.is_cpu:
            _warn_of_host_copy(f"method={method!r} can be had on the CPU only")
    elif backend == "cuda":
        return _load("cuda")
    elif backend == "auto" and not tensor.is_cpu:
        if tensor.is_cuda and _has_cuda():
            return _load("cuda")
        kind = tensor.device.type
        _warn_of_host_copy(_NO_CUDA if kind == "cuda" else f"monai_topoloss has no kernels for {kind!r} tensors")
    return _load("cpu")


def soft_backend_for(tensor: Tensor) -> SoftBackend:
    """Return the backend for operations on probabilities: kernels on the CPU, PyTorch's operations elsewhere."""
    return cast(SoftBackend, _load("cpu" if tensor.is_cpu else "portable"))


def graph_backend() -> GraphBackend:
    """Return the backend for graphs of skeletons: the CPU's, whatever device a mask is on."""
    with _loading:
        module = importlib.import_module(f"{__name__}.cpu.graph_backend")
    return cast(GraphBackend, module.BACKEND)


@functools.cache
def _load(name: str) -> Backend:
    """Import the backend ``name``, once."""
    try:
        with _loading:
            if name == "cuda":
                importlib.import_module(f"{__name__}.cuda.launch").prepare()
            module = importlib.import_module(f"{__name__}.{name}.backend")
    except ImportError as error:
        if name == "cuda":
            raise ImportError(f"{_NO_CUDA}.") from error
        raise
    return cast(Backend, module.BACKEND)


@functools.cache
def _has_cuda() -> bool:
    return not why_no_cuda()


def why_no_cuda() -> str:
    """Return why tensors on a GPU cannot be computed there, or nothing if they can."""
    try:
        _load("cuda")
    except ImportError as error:
        return f"{error} {error.__cause__ or ''}".strip()
    return ""


@functools.cache
def _warn_of_host_copy(reason: str) -> None:
    """Say, once for each reason, that a tensor is copied to the host and back."""
    warnings.warn(
        f"{reason}. Computing on the CPU instead, which copies tensors there and back; skeletons can be"
        " precomputed with `TubedSkeletonized`.",
        stacklevel=4,
    )
