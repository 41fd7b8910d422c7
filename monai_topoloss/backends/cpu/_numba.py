"""How every kernel is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy.ma  # noqa: F401  # numba's first call would load it, and a child forked meanwhile wait for it
from llvmlite import ir
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

from monai_topoloss._fork import hold_at_forks
from monai_topoloss.backends.cpu.cache import KernelCache

F = TypeVar("F", bound=Callable[..., Any])


def jit(function: F) -> F:
    """Compile with numba: without the GIL, and kept on disk as `monai_topoloss.backends.cpu.cache` says.

    There is no ``parallel=True``: numba's OpenMP layer kills forked workers of a DataLoader, and its own layer aborts
    when two threads call in.
    """
    return _jit(function)


def jit_loop(function: F) -> F:
    """Compile as `jit` does a function that makes no array and is called with arrays a great many times.

    Numba counts references to arrays with atomic operations, of which one costs more than looking at a voxel. A
    function that makes no array needs none of it.
    """
    return _jit(function, _nrt=False)


def jit_inline(function: F) -> F:
    """Compile as `jit` does, and put the code into that of its callers."""
    options: dict[str, Any] = {"forceinline": True, "_nrt": False}  # by LLVM: numba's own inlining takes twice as long
    return cast(F, numba.njit(nogil=True, error_model="numpy", **options)(function))


def _jit(function: F, **options: Any) -> F:
    compiled = numba.njit(nogil=True, error_model="numpy", **options)(function)
    if isinstance(compiled, Dispatcher):  # and not the function itself, as under NUMBA_DISABLE_JIT
        cast(Any, compiled)._cache = KernelCache(function)
    return cast(F, compiled)


@intrinsic
def _lowest_bit(typing_context: Any, bits: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@intrinsic
def _count_bits(typing_context: Any, bits: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


lowest_bit: Any = _lowest_bit  # in a kernel: the index of the lowest set bit of a uint64 other than 0
count_bits: Any = _count_bits  # in a kernel: how many bits of a uint64 are set

hold_at_forks(global_compiler_lock)  # a thread that compiles, or loads a kernel, holds it for up to seconds
