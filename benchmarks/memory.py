"""Peak memory of a function, above what its process held before (Linux)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def measure_peak(function: Callable[[], object], repeats: int = 3) -> float:
    """Return the peak of a call in MiB, the lowest of some after a first one; in a process that `spawn` started."""
    function()
    peaks = []
    for _ in range(repeats):
        before = read_status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        function()
        peaks.append((read_status("VmHWM") - before) / 2**10)
    return min(peaks)


def read_status(name: str) -> int:
    """Return a number of KiB that Linux keeps about this process."""
    return next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )


def spawn(*arguments: str) -> float:
    """Call this script with other arguments, whose last word is a number, and let large blocks return when freed."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, sys.argv[0], *arguments]
    return float(
        subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout.split()[-1]
    )
