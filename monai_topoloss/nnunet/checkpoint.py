"""Reads nnU-Net's checkpoints, and runs nothing that somebody may have put into one."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import serialization

__all__ = ["load_checkpoint"]

_ENTRIES = {"trainer_name": str, "init_args": dict, "network_weights": dict}


def load_checkpoint(path: Path, *, trust: bool = False) -> dict[str, Any]:
    """Load a checkpoint on the CPU.

    Args:
        path: of the file.
        trust: load what is more than tensors, numbers, text and their containers, too. A checkpoint is a pickle, which
            can run any code while it is loaded.

    Returns:
        What nnU-Net saved.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if it is broken, no checkpoint of nnU-Net, or holds more and is not trusted.
    """
    known = serialization.get_safe_globals()
    with (
        path.open("rb") as file,
        serialization.safe_globals([each for each in _numpy_globals() if each not in known]),
    ):
        try:
            loaded = torch.load(file, map_location="cpu", weights_only=not trust)
        except Exception as error:
            reason = _describe(error) if trust else _describe_unsafe(path, error)
            raise ValueError(f"Expected a checkpoint of nnU-Net, got {path}, which {reason}") from error
    checkpoint: dict[str, Any] = loaded if isinstance(loaded, dict) else {}
    missing = [name for name, kind in _ENTRIES.items() if not isinstance(checkpoint.get(name), kind)]
    if missing:
        raise ValueError(f"Expected a checkpoint of nnU-Net, got {path} without {missing[0]!r}.")
    return checkpoint


def _describe(error: Exception) -> str:
    lines = str(error).splitlines() or [""]
    return f"cannot be read: {type(error).__name__}: {lines[0]}"


def _describe_unsafe(path: Path, error: Exception) -> str:
    """Say whether a file is broken, or holds what would have to be trusted."""
    try:
        names = sorted(serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # noqa: BLE001 -- a broken file raises anything
        names = []
    if not names and not isinstance(error, pickle.UnpicklingError):
        return _describe(error)
    return (
        f"holds {', '.join(names) or 'more than tensors, numbers and text'}: loading it could run any code. If you know"
        " where it is from, pass `trust=True`, or --trust on the command line."
    )


def _numpy_globals() -> list[Any]:
    """Return what makes scalars of NumPy, which nnU-Net logs, under the names that NumPy 1 and 2 write."""
    codes = "?" + np.typecodes["AllInteger"] + np.typecodes["AllFloat"]
    return [np.dtype, *{type(np.dtype(code)) for code in codes}, *_SCALARS]


def _make_scalar_of(package: str) -> Callable[..., Any]:
    """Make a function that torch finds under the name of NumPy's; not every torch takes a pair of function and name."""
    make: Any = np.float64(0).__reduce__()[0]

    def scalar(*args: Any) -> Any:
        return make(*args)

    scalar.__module__, scalar.__qualname__ = f"numpy.{package}.multiarray", "scalar"
    return scalar


_SCALARS = (_make_scalar_of("core"), _make_scalar_of("_core"))
