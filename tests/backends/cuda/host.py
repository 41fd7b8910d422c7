"""Runs the CUDA kernels on the CPU: the same source, compiled as C++, with threads of the host as blocks."""

from __future__ import annotations

import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

from monai_topoloss.backends.cuda.launch import SOURCE

THREADS = 4

_PRELUDE = r"""
#include <thread>
#include <vector>
#define __global__
#define __device__ static inline
struct Dim { long long x; };
static thread_local Dim blockIdx, threadIdx;
static Dim blockDim{1}, gridDim{THREADS};
static int atomicMin(int* at, int value) {
    int old = __atomic_load_n(at, __ATOMIC_SEQ_CST);
    while (old > value && !__atomic_compare_exchange_n(at, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
    return old;
}
static int atomicCAS(int* at, int expected, int value) {
    __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}
static int atomicExch(int* at, int value) { return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST); }
static unsigned long long atomicAdd(unsigned long long* at, unsigned long long value) {
    return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
}
""".replace("THREADS", str(THREADS))

_RUN = """
extern "C" void run_{name}({parameters}) {{
    std::vector<std::thread> threads;
    for (int t = 0; t < gridDim.x; ++t)
        threads.emplace_back([=] {{ blockIdx.x = t; threadIdx.x = 0; {name}({arguments}); }});
    for (auto& thread : threads) thread.join();
}}
"""


def compiler() -> str | None:
    """Return a C++ compiler, if there is one."""
    return shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")


@functools.cache
def _library() -> ctypes.CDLL:
    source = SOURCE.read_text()
    runs = []
    for name, parameters in re.findall(r'extern "C" __global__ void (\w+)\(([^)]*)\)', source):
        arguments = ", ".join(parameter.split()[-1].lstrip("*") for parameter in parameters.split(","))
        runs.append(_RUN.format(name=name, parameters=parameters, arguments=arguments))
    folder = Path(tempfile.mkdtemp())
    (folder / "kernels.cpp").write_text(_PRELUDE + source + "".join(runs))
    command = [compiler(), "-std=c++17", "-O1", "-shared", "-fPIC", "-pthread", "kernels.cpp", "-o", "kernels.so"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "kernels.so"))


def launch(name: str, count: int, *arguments: torch.Tensor | int) -> None:
    """Run a kernel as `monai_topoloss.backends.cuda.launch.launch` does."""
    if count == 0:
        return
    for argument in arguments:
        assert not isinstance(argument, torch.Tensor) or argument.is_contiguous()
    values = [
        ctypes.c_void_p(argument.data_ptr()) if isinstance(argument, torch.Tensor) else ctypes.c_longlong(argument)
        for argument in arguments
    ]
    getattr(_library(), f"run_{name}")(*values)
