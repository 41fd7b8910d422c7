"""What is done of chunks, kept in a folder: a computation that was cut goes on where it was.

It is found again by its place in the program: the number of the graph, and that of the task. So the same calls have to
be made in the same order, on the same arrays, which is what a fingerprint is compared for.
"""

from __future__ import annotations

import pickle
import shutil
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout


class Scratch:
    """A folder of results; workers need to see it, too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._graphs = 0

    def next_graph(self) -> Path:
        """Return where results of the next graph are."""
        self._graphs += 1
        place = self._folder / str(self._graphs)
        place.mkdir(exist_ok=True)
        return place


_current: ContextVar[Scratch | None] = ContextVar("scratch", default=None)


def current() -> Scratch | None:
    """Return where to keep what is done, if anywhere."""
    return _current.get()


@contextmanager
def keep_in(folder: Path | None, fingerprint: str, *, anew: bool = False) -> Iterator[bool]:
    """Keep what is done of chunks in a folder meanwhile, and use what is there; yield whether something is.

    Args:
        folder: what is there of another computation is deleted. None: nothing is kept.
        fingerprint: says which computation it is, of which data.
        anew: use nothing that is there.

    Raises:
        RuntimeError: if another run keeps something there.
    """
    if folder is None:
        yield False
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)  # free if the run that took it was killed
    try:
        lock.acquire()
    except Timeout:
        raise RuntimeError(f"another run is at work in {folder.parent}") from None
    try:
        begun = folder / "fingerprint"
        goes_on = not anew and begun.is_file() and begun.read_text(encoding="utf-8") == fingerprint
        if not goes_on:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            save(begun, fingerprint.encode())
        token = _current.set(Scratch(folder))
        try:
            yield goes_on
        finally:
            _current.reset(token)
    finally:
        lock.release()


def save(path: Path, content: bytes) -> None:
    """Write a file, all of it or nothing."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    aside.write_bytes(content)
    aside.replace(path)


class Keeping:
    """A function whose result is kept in a file."""

    def __init__(self, function: Callable[..., Any], path: Path) -> None:
        self.function, self.path = function, path

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        result = self.function(*arguments)
        save(self.path, zlib.compress(pickle.dumps(result), 1))
        return result


def load(*, path: Path) -> Any:
    """Return what has been kept.

    Raises:
        RuntimeError: if the file is damaged, say as the machine broke down.
    """
    try:
        return pickle.loads(zlib.decompress(path.read_bytes()))
    except (zlib.error, EOFError, pickle.UnpicklingError) as error:
        raise RuntimeError(f"what is kept in {path.parent.parent} is damaged: remove that folder") from error
