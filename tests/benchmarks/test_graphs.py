from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_small_vessels():
    pytest.importorskip("skan")
    command = [sys.executable, BENCHMARKS / "graphs.py", "--sizes", "48", "--repeats", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    head, *lines = result.stdout.splitlines()
    assert head.startswith("48^3 vessels: ")
    times = {line[2:24].strip(): line[24:].split() for line in lines[-3:]}
    assert list(times) == ["graph, skan", "pruning, skan", "tube, distances"]
    assert all(float(value) > 0 for values in times.values() for value in values)
