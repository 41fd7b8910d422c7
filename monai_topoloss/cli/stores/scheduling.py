"""Where Dask runs what stores need: in threads, with a limit of memory, or on a cluster."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from monai_topoloss.chunked._tasks import dask
from monai_topoloss.cli.files import UsageError

_LEAST = 512 << 20  # bytes; Dask ends workers that need more, and starts them again, for ever
_LEAVE_CTRL_C_TO_US = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"  # for workers to run
_PATIENCE = "30s"  # for a scheduler to answer


class Resources(NamedTuple):
    """What the options say."""

    scheduler: str | None = None  # address of one of Dask's
    memory: str | None = None  # at most, as "8GiB"
    threads: int | None = None


@contextmanager
def running_on(resources: Resources) -> Iterator[None]:
    """Let Dask compute there.

    Raises:
        UsageError: if there is no such scheduler, or the memory is no size.
    """
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # which tells what Dask leaves behind at Ctrl-C
    with ExitStack() as stack:
        if resources.scheduler is not None:
            stack.enter_context(_connect(resources.scheduler))
        elif resources.memory is not None:
            stack.enter_context(_start(resources.memory, resources.threads))
        else:
            if resources.threads is not None:
                stack.enter_context(dask.config.set(num_workers=resources.threads))
            if sys.stderr.isatty():
                from dask.diagnostics import ProgressBar  # type: ignore[attr-defined]

                stack.enter_context(ProgressBar(minimum=1, out=sys.stderr))  # type: ignore[no-untyped-call]
        yield


def _connect(address: str) -> Any:
    from distributed import Client

    try:
        return Client(address, timeout=_PATIENCE, set_as_default=True)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UsageError(f"--scheduler: no answer from {address}: {error}") from error


@contextmanager
def _start(memory: str, threads: int | None) -> Iterator[None]:
    """Start one worker that writes to disk what does not fit into that memory."""
    from distributed import Client, LocalCluster

    try:
        limit = dask.utils.parse_bytes(memory)
    except ValueError as error:
        raise UsageError(f"--memory must be a size such as 8GiB, got {memory}") from error
    if limit < _LEAST:
        raise UsageError(
            f"--memory must be at least {_LEAST >> 20} MiB, as imports alone take much of it, got {memory}"
        )
    options = {"n_workers": 1, "threads_per_worker": threads or dask.system.CPU_COUNT, "memory_limit": limit}
    options["preload"] = [_LEAVE_CTRL_C_TO_US]
    with (
        LocalCluster(**options, dashboard_address=":0", silence_logs=logging.CRITICAL) as cluster,  # type: ignore[no-untyped-call]
        Client(cluster),  # type: ignore[no-untyped-call]
    ):
        yield


def compute(*collections: Any) -> tuple[Any, ...]:
    """Compute Dask's collections together, with its progress bar if somebody looks."""
    from distributed import default_client, progress

    try:
        client: Any = default_client()  # type: ignore[no-untyped-call]
    except ValueError:
        return tuple(dask.compute(*collections))
    futures = client.compute(list(collections))
    if sys.stderr.isatty() and sys.stdout.isatty():  # it writes to the latter
        progress(futures, notebook=False)  # type: ignore[no-untyped-call]
    return tuple(client.gather(futures))
