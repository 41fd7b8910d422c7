"""Where compiled kernels are kept, in place of numba's own cache.

A kernel compiled for some types is a file of its own. It is read from any folder that has it, so that what was compiled
into the image of a container serves those who cannot write there; it is written to the first folder that can be
written to. It counts only if it is whole and was made from the sources as they are: kernels hold copies of functions
from other files. Nothing that goes wrong here makes a computation fail; it is compiled anew, and there is one warning.

Numba's cache looks only where it can write, raises where a file is damaged or a disk is full, knows of a kernel's own
source file only, and has an index for each kernel by which two processes that compile for different types at once may
get each other's code.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import sys
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from monai_topoloss import __version__

_config: Any = numba.config  # its attributes are made from the environment
_DIGEST = hashlib.sha256
_HERE = Path(__file__).parent


def _digest_sources() -> bytes:
    digest = _DIGEST()
    for path in sorted(_HERE.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


_SOURCES = _digest_sources()

loaded: list[Path] = []  # files that kernels of this process came from
kept: list[Path] = []  # files that kernels were written to
failures: list[str] = []  # why kernels could not be written
_warned: set[str] = set()


def folders() -> list[Path]:
    """List where compiled kernels may be: in ``NUMBA_CACHE_DIR``, or without it beside the sources and at home."""
    if _config.CACHE_DIR:
        return [Path(_config.CACHE_DIR, "monai_topoloss")]
    user = AppDirs(appname="numba", appauthor=False).user_cache_dir
    return [_HERE / "__pycache__", Path(user, "monai_topoloss")]


class KernelCache:
    """The compiled kernels of one function, as numba's dispatcher asks for them, while it holds the compiler's lock."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"

    @property
    def cache_path(self) -> str:
        """Where kernels are kept first of all."""
        return str(folders()[0])

    def load_overload(self, types: Any, context: Any) -> Any:
        """Return the kernel for these types, if it is somewhere."""
        context.refresh()
        name = self._file_name(types, context.codegen())
        for folder in folders():
            try:
                content = _read(folder / name)
                if content is not None:
                    result = CompileResult._rebuild(context, *pickle.loads(content))
                    loaded.append(folder / name)
                    return result
            except Exception as error:  # noqa: BLE001 - whatever is wrong with a file, the kernel can be compiled
                _warn_once(
                    "loading",
                    f"A compiled kernel of monai_topoloss in {folder} cannot be used ({error!r}), and is compiled anew."
                    " If this happens again, delete that folder, or set NUMBA_CACHE_DIR to another one.",
                )
        return None

    def save_overload(self, types: Any, result: Any) -> None:
        """Keep a kernel that has been compiled."""
        problems = []
        for folder in folders():
            path = folder / self._file_name(types, result.library.codegen)
            try:
                _write(path, _serialize(result))
            except Exception as error:  # noqa: BLE001 - whatever it is, the kernel has been compiled
                problems.append(f"{folder} ({error!r})")
            else:
                kept.append(path)
                return
        failures.append(f"none of these folders can be written to: {', '.join(problems)}")
        _warn_once(
            "keeping",
            "monai_topoloss compiles its kernels in each process, which takes up to a minute, because it cannot keep"
            f" them: {failures[-1]}. Set the environment variable NUMBA_CACHE_DIR to a folder that can.",
        )

    def _file_name(self, types: Any, codegen: Any) -> str:
        # What compiled code depends on beside the sources: not what may differ between processes that can share it.
        key = (types, codegen.magic_tuple(), _config.BOUNDSCHECK, numba.__version__, __version__)
        version = sys.implementation.cache_tag
        return f"{self._name}.{version}.{_DIGEST(repr(key).encode()).hexdigest()[:24]}.kernel"


def _serialize(result: Any) -> bytes:
    if result.library.has_dynamic_globals:
        raise ValueError("it holds addresses of this process")
    content: bytes = dumps(result._reduce())
    return content


def _read(path: Path) -> bytes | None:
    """Return what was written to a file from these sources; None if there is no such file.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is damaged.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    size = _DIGEST().digest_size
    sources, digest, content = content[:size], content[size : 2 * size], content[2 * size :]
    if _DIGEST(sources + content).digest() != digest:
        raise ValueError(f"{path.name} is damaged")
    return content if sources == _SOURCES else None


def _write(path: Path, content: bytes) -> None:
    """Write a file at once, so that other processes never see a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{uuid.uuid4().hex}")
    try:
        aside.write_bytes(_SOURCES + _DIGEST(_SOURCES + content).digest() + content)
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def _warn_once(kind: str, message: str) -> None:
    if kind not in _warned:
        _warned.add(kind)
        warnings.warn(message, stacklevel=2)
