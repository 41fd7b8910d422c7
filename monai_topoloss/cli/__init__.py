"""The command line, ``python -m monai_topoloss``: evaluate predictions, skeletonize labels, compile kernels."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from monai_topoloss.cli import evaluate, skeletonize, warmup

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: of the command line. Default: those of the process.

    Returns:
        The exit status: 0, or 1 if a file or case failed. Usage errors exit with 2.
    """
    parser = argparse.ArgumentParser("python -m monai_topoloss", description="Keep thin structures connected.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (evaluate, skeletonize, warmup):
        command.add_to(commands)
    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status
