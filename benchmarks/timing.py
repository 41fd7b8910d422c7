"""Times of functions in turns, so that what else a machine does falls on all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


def in_turns(
    functions: Sequence[Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> NDArray[np.float64]:
    """Return the times of functions in milliseconds, (repeats, functions), after a first call of each."""
    times = np.empty((repeats + 1, len(functions)))
    for line in times:
        for k, function in enumerate(functions):
            start = clock()
            function()
            line[k] = 1e3 * (clock() - start)
    return times[1:]


def compare(
    first: Callable[[], object],
    second: Callable[[], object],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float, float]:
    """Return the medians of the times of two functions in milliseconds, and of their ratios, second to first."""
    times = in_turns([first, second], repeats, clock)
    return float(np.median(times[:, 0])), float(np.median(times[:, 1])), float(np.median(times[:, 1] / times[:, 0]))
