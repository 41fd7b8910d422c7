"""Options that say how Zarr stores are computed."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext

from monai_topoloss.cli.files import UsageError
from monai_topoloss.cli.places import need_stores

_LOWEST_SIDE = 8
EXPLANATION = """\
Zarr stores:
  A store is an array, or an image of OME-Zarr: level 0 of it, axes by name, x first, and the scale that it says. It
  may be within another one, as brain.zarr/labels/vessels, and what is read may have an address, as
  s3://bucket/brain.zarr, if the package for that is installed. Stores are computed chunk by chunk by Dask, one after
  the other: in as many threads as there are cores, with --memory in a process of its own that writes to disk what does
  not fit, or with --scheduler on a cluster, which has to see the same files. The result is the same.
"""


def add_options_of_stores(parser: argparse.ArgumentParser) -> None:
    """Add them to a command."""
    add = parser.add_argument
    add("--chunks", type=int, metavar="N", help="of Zarr stores: compute about N^3 voxels at once; default: 256")
    add("--scheduler", metavar="ADDRESS", help="of Zarr stores: Dask's scheduler to use, as tcp://node:8786")
    add("--memory", metavar="SIZE", help="of Zarr stores: use no more than that, as 8GiB")


def running(options: argparse.Namespace, *, has_stores: bool) -> AbstractContextManager[None]:
    """Let Dask compute where options say.

    Raises:
        UsageError: if that is not possible, or there is nothing to compute so.
    """
    given = [f"--{name}" for name in ("chunks", "scheduler", "memory") if getattr(options, name) is not None]
    if not has_stores:
        if given:
            raise UsageError(f"{' and '.join(given)}: there is no Zarr store, which it is for")
        return nullcontext()
    if options.chunks is not None and options.chunks < _LOWEST_SIDE:
        raise UsageError(f"--chunks must be at least {_LOWEST_SIDE}, got {options.chunks}")
    if options.scheduler is not None and options.memory is not None:
        raise UsageError("--scheduler and --memory exclude each other: the workers of a cluster have their own limits")
    try:
        scheduling = need_stores("scheduling")
    except RuntimeError as error:
        raise UsageError(str(error)) from error
    threads = getattr(options, "jobs", None)
    resources = scheduling.Resources(options.scheduler, options.memory, threads)
    context: AbstractContextManager[None] = scheduling.running_on(resources)
    return context
