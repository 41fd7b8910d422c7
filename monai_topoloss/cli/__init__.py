"""The command line, ``python -m monai_topoloss``: evaluate, skeletonize, compile kernels, say what there is."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from monai_topoloss.cli import evaluate, info, skeletonize, warmup
from monai_topoloss.cli.files import complain

__all__ = ["main"]

_INTERRUPTED = 130  # as shells have it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: of the command line. Default: those of the process.

    Returns:
        The exit status: 0, or 1 if a file or case failed, or 130 if interrupted. Usage errors exit with 2.
    """
    parser = argparse.ArgumentParser("python -m monai_topoloss", description="Keep thin structures connected.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (evaluate, skeletonize, warmup, info):
        command.add_to(commands)
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack letters that file names have
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        complain("interrupted")
        return _INTERRUPTED
    return status
