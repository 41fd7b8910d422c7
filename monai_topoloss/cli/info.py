"""The command ``info``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from monai_topoloss import __version__
from monai_topoloss.backends import why_no_cuda

_PACKAGES = (
    *("torch", "monai", "numpy", "scipy", "scikit-image", "numba", "networkx", "pytorch-ignite"),
    *(
        "cupy-cuda12x",
        "cupy-cuda13x",
        "cucim-cu12",
        "cucim-cu13",
        "nnunetv2",
        "dask",
        "distributed",
        "zarr",
        "ome-zarr",
    ),
    *("nibabel", "SimpleITK", "matplotlib", "pyvista", "mwatershed"),
)


def add_to(commands: Any) -> None:
    """Add the command to others."""
    parser = commands.add_parser(
        "info",
        help="print versions, devices, and what computes where",
        description="Print versions, devices, what computes where and why, and where compiled kernels are kept: for"
        " reports of what went wrong.",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:  # noqa: ARG001
    """Print it; return the exit status."""
    for title, value in describe():
        print(f"{title + ':':24}{value}")
    return 0


def describe() -> Iterator[tuple[str, str]]:
    """Yield what there is to say, with titles."""
    import torch

    yield "monai_topoloss", f"{__version__}, {Path(__file__).parents[1]}"
    yield "Python", f"{platform.python_version()}, {sys.platform} {platform.machine()}"
    for name in _PACKAGES:
        yield name, torch.__version__ if name == "torch" else _version_of(name)  # which says the build, too
    yield "CPU", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        yield f"GPU {index}", f"{device.name}, {device.total_memory / 2**30:.0f} GiB, sm_{device.major}{device.minor}"
    if not torch.cuda.device_count():
        yield "GPU", "PyTorch finds none" if torch.version.cuda else "none, as PyTorch is built without CUDA"
    yield "tensors on a GPU", why_no_cuda() or "computed there"
    yield from _describe_kernels()


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


def _describe_kernels() -> Iterator[tuple[str, str]]:
    """Yield the folders of compiled kernels; NUMBA_CACHE_DIR names another one."""
    from monai_topoloss.backends.cpu import cache

    for folder in cache.folders():
        count = len(list(folder.glob("*.kernel")))
        place = next(each for each in (folder, *folder.parents) if each.exists())
        yield (
            "compiled kernels",
            f"{count} in {folder}{'' if os.access(place, os.W_OK) else ', which cannot be written to'}",
        )
