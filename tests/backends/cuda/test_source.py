"""The source of the kernels, without a GPU: it compiles for each architecture, and is what is launched."""

from __future__ import annotations

import ctypes
import re
from importlib import metadata

import pytest

from monai_topoloss.backends.cuda.launch import SOURCE

PACKAGES = ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")


@pytest.fixture(scope="module")
def nvrtc() -> ctypes.CDLL:
    """NVIDIA's run-time compiler, which needs no GPU."""
    for package in PACKAGES:
        try:
            files = metadata.files(package) or []
        except metadata.PackageNotFoundError:
            continue
        for file in files:
            if re.fullmatch(r"libnvrtc\.so\.\d+|nvrtc64_\d+_\d+\.dll", file.name):
                return ctypes.CDLL(str(file.locate()))
    pytest.skip(f"needs {' or '.join(PACKAGES)}")


def compile_source(nvrtc: ctypes.CDLL, architecture: int) -> str:
    """Compile the kernels to machine code; return what the compiler says of them."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    source = SOURCE.read_bytes()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"kernels.cu", 0, None, None) == 0
    options = [f"--gpu-architecture=sm_{architecture}".encode(), b"--std=c++17"]
    status = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    said = log.value.decode()
    assert status == 0, said
    return said


def test_compiles_for_each_architecture_without_a_warning(nvrtc):
    count = ctypes.c_int()
    assert nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(count)) == 0
    architectures = (ctypes.c_int * count.value)()
    assert nvrtc.nvrtcGetSupportedArchs(architectures) == 0
    supported = [architecture for architecture in architectures if architecture >= 75]
    assert {75, 80, 90} <= set(supported)
    for architecture in supported:
        assert compile_source(nvrtc, architecture) == ""


def test_each_kernel_is_launched():
    """And nothing that is none."""
    kernels = set(re.findall(r'extern "C" __global__ void (\w+)\(', SOURCE.read_text()))
    launched = set()
    for path in SOURCE.parent.glob("*.py"):
        launched |= set(re.findall(r'launch(?:_edges)?\(\s*"(\w+)"', path.read_text()))
    assert launched == kernels
