"""Peak memory of a function, above what its process held before (Linux)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def measure_peak(function: Callable[[], object]) -> float:
    """Return the peak of a call in MiB; in a process that `spawn` started."""
    before = _read_status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    function()
    return (_read_status("VmHWM") - before) / 2**10


def _read_status(name: str) -> int:
    """Return a number of KiB that Linux keeps about this process."""
    return next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )


def spawn(*arguments: str) -> float:
    """Call this script with other arguments, and return the last word that it prints, a number.

    Large blocks of memory return to the system when they are freed.
    """
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, sys.argv[0], *arguments]
    return float(
        subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout.split()[-1]
    )
