"""Replays small wrong changes of the package, and says which the tests let pass.

Each ``*.toml`` beside this file lists changes of one part of the package::

    [[mutation]]
    file = "monai_topoloss/backends/cpu/skeleton.py"
    old = "min(radius, sum(label.shape))"       # has to be there exactly once
    new = "max(radius, sum(label.shape))"
    tests = ["tests/topology/test_skeleton.py"] # what pytest is called with, beside -x

``python tests/mutations/replay.py [NAME ...]`` copies the checkout to a temporary folder, sees that the tests pass
there, makes one change after the other, and runs its tests again. It fails if a change survives its tests, or does not
fit the code any more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "_build", "*.egg-info", "results")
_LIMIT = 1200  # seconds, of which compiling kernels takes many; what hangs is found out, too


class Mutation(NamedTuple):
    """A wrong change, and the tests that should fail with it."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def read(names: list[str]) -> list[Mutation]:
    """Read the lists of those names, or all."""
    paths = [_HERE / f"{name}.toml" for name in names] or sorted(_HERE.glob("*.toml"))
    entries = [entry for path in paths for entry in tomllib.loads(path.read_text())["mutation"]]
    return [Mutation(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def apply(mutation: Mutation, source: str) -> str:
    """Return the changed source.

    Raises:
        ValueError: if there is not exactly one place to change.
    """
    if (count := source.count(mutation.old)) != 1:
        raise ValueError(f"{mutation.file}: {mutation.old!r} is there {count} times")
    return source.replace(mutation.old, mutation.new)


def run_tests(root: Path, tests: tuple[str, ...]) -> str:
    """Run tests in a checkout; return the last line that pytest printed, or nothing if all passed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-cov", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return "timed out"
    if done.returncode in (0, 5):  # 5: no test was there to run
        return ""
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0] if lines else f"exit status {done.returncode}"


def replay(mutation: Mutation, root: Path) -> str:
    """Make the change in a checkout, run its tests, take the change back; return what failed, or nothing."""
    path = root / mutation.file
    source = path.read_text()
    path.write_text(apply(mutation, source))
    for cache in path.parent.rglob("__pycache__"):  # kernels of other files have copied from this one
        shutil.rmtree(cache)
    try:
        return run_tests(root, mutation.tests)
    finally:
        path.write_text(source)


def main() -> int:
    """Replay the lists; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="lists to replay; default: all")
    mutations = read(parser.parse_args().names)
    problems = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "checkout"
        shutil.copytree(_ROOT, root, ignore=_LEFT_OUT)
        for tests in sorted({mutation.tests for mutation in mutations}):
            if failed := run_tests(root, tests):
                print(f"{' '.join(tests)}: fail without a change: {failed}")
                return 1
        for number, mutation in enumerate(mutations, start=1):
            try:
                failed = replay(mutation, root)
                outcome = f"killed: {failed}" if failed else "SURVIVED"
            except (OSError, ValueError) as error:
                failed, outcome = "", f"DOES NOT FIT: {error}"
            problems += not failed
            change = f"{mutation.file}: {mutation.old!r} -> {mutation.new!r}"
            print(f"[{number}/{len(mutations)}] {change}\n    {outcome}", flush=True)
    print(f"{len(mutations) - problems} of {len(mutations)} killed.")
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main())
