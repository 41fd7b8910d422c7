"""Devices to test on, and real data where it is at hand."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
import torch

if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # tests run side by side share the cores
    threads = max(1, (os.cpu_count() or 1) // int(workers))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # of processes that tests start
    torch.set_num_threads(threads)

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-gpu", action="store_true", help="fail instead of skipping what needs a GPU")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") is None:
        return
    missing = [] if torch.cuda.is_available() else ["a CUDA device"]
    missing += ["cupy"] if importlib.util.find_spec("cupy") is None else []
    if missing:
        reason = f"needs {', '.join(missing)}"
        if item.config.getoption("--require-gpu"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each device that can be tested here."""
    return torch.device(request.param)


@pytest.fixture
def real_data() -> Path:
    """Folder of real images, beside the repository."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"needs real images in {REAL_DATA.parent.name}/{REAL_DATA.name} beside the repository")
    return REAL_DATA
