from __future__ import annotations

import os
import signal
import time

import pytest

from monai_topoloss.cli.workers import map_in_order


def square(number):
    time.sleep(0.05 * (number % 3 == 0))
    return number**2, os.getpid()


def die(number):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 4:
        os._exit(3)
    return number


@pytest.mark.parametrize("jobs", [1, 2, 3, 20])
def test_results_come_in_order(jobs):
    results = list(map_in_order(square, range(8), jobs, str))
    assert [number for number, _ in results] == [number**2 for number in range(8)]
    processes = {process for _, process in results}
    assert (os.getpid() in processes) == (jobs == 1)
    assert len(processes) <= min(jobs, 8)


def test_more_than_one_process_works():
    assert len({process for _, process in map_in_order(square, range(12), 3, str)}) > 1


def test_a_process_that_dies_costs_what_it_had_in_hand():
    results = list(map_in_order(die, range(7), 2, str))
    assert results == [0, 1, "by signal 9 (Killed)", 3, "with exit status 3", 5, 6]


def test_nothing_to_do():
    assert list(map_in_order(square, [], 2, str)) == []


def test_processes_end_with_who_wants_no_more():
    results = map_in_order(square, range(100), 2, str)
    process = next(results)[1]
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
