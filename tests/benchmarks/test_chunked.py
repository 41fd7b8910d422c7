from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
def test_a_small_volume(tmp_path):
    """The results are compared with those in memory, too."""
    command = [sys.executable, BENCHMARKS / "chunked.py", "--size", "80", "--chunk", "32", "--work", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    _, head, *lines = result.stdout.splitlines()
    titles = "operation seconds ns a voxel peak, GiB in memory ratio read first ratio"
    assert head.split() == titles.split()
    names = ["label_components", "critical_components", "betti_numbers", "euler_number", "skeletonize"]
    assert [line.split()[0] for line in lines] == names
    for line in lines:
        seconds, _, peak, in_memory, unit, ratio, read_first, same_unit, ratio_to_that = line.split()[1:]
        assert unit == same_unit == "ns"
        assert min(map(float, (seconds, in_memory, ratio, read_first, ratio_to_that))) > 0
        assert 0 <= float(peak) < 2
