"""Scripts of benchmarks, imported as they find each other."""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path


@contextlib.contextmanager
def imported(folder: Path, names: tuple[str, ...]):
    """Import scripts of a folder, and of the one above, for a while."""
    before = list(sys.path)
    sys.path[:0] = [str(folder), str(folder.parent)]
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path[:] = before
        for name in names:
            sys.modules.pop(name, None)


def command(module, monkeypatch, *arguments):
    """Run a script with arguments."""
    monkeypatch.setattr(sys, "argv", ["program", *map(str, arguments)])
    module.main()
