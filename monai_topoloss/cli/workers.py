"""Work that several processes share: results come in order, and a process that dies costs what it had in hand."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar, cast

import torch

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(
    function: Callable[[T], R], items: Sequence[T], jobs: int, on_death: Callable[[str], R]
) -> Iterator[R]:
    """Call a function on each item, in that many processes, and yield what it returns in the order of the items.

    Args:
        function: to call; with more than one process it, the items and what it returns are pickled.
        items: to call it on.
        jobs: how many processes; 1 is this one.
        on_death: what to yield for an item whose process died, of how it did.
    """
    if jobs == 1 or len(items) < 2:
        yield from map(function, items)
        return
    workers = [_Worker(function) for _ in range(min(jobs, len(items)))]
    try:
        yield from _hand_out(items, workers, on_death)
    finally:
        for worker in workers:
            worker.stop()


def _hand_out(items: Sequence[T], workers: list[_Worker], on_death: Callable[[str], R]) -> Iterator[R]:
    results: dict[int, R] = {}
    waiting = iter(enumerate(items))
    for worker in workers:
        worker.take(next(waiting, None))
    for index in range(len(items)):
        while index not in results:
            at_work = {worker.connection: worker for worker in workers if worker.index is not None}
            for connection in wait(list(at_work)):
                worker = at_work[cast(Connection, connection)]
                done = worker.index
                if done is not None:
                    results[done] = worker.answer(on_death)
                worker.take(next(waiting, None))
        yield results.pop(index)


class _Worker:
    """A process, started when there is something to do; a new one takes the place of one that died."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.index: int | None = None  # of the item in hand
        self._start()

    def _start(self) -> None:
        self.connection, end = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=_work, args=(self.function, end), daemon=True)
        self.process.start()
        end.close()  # of which the process has a copy: when it dies, the connection ends

    def take(self, item: tuple[int, Any] | None) -> None:
        """Hand over an item, if there is one."""
        self.index = None
        if item is not None:
            if not self.process.is_alive():
                self.stop()
                self._start()
            self.index = item[0]
            self.connection.send(item[1])

    def answer(self, on_death: Callable[[str], R]) -> R:
        """Return the result for the item, which is there."""
        try:
            result: R = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            code = self.process.exitcode or 0
            how = f"by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"with exit status {code}"
            return on_death(how)
        return result

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.join()
        self.connection.close()


def _work(function: Callable[[Any], Any], connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that the parent gets, too, and stops this process
    torch.set_num_threads(1)  # as DataLoader does in its workers; the processes are the threads
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        connection.send(function(item))
