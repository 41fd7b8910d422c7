"""How nnU-Net finds the trainers."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["TRAINERS", "check_version", "register", "trainer_directory"]

TRAINERS = ("nnUNetTrainerSkeletonRecall", "nnUNetTrainerSupervoxel", "nnUNetTrainerSkeletonRecallSupervoxel")
_OLDEST = (2, 6, 4)
_INSTALL = 'The trainers need nnunetv2 2.6.4 or newer, which `pip install "monai-topoloss[nnunet]"` installs'


def trainer_directory() -> Path:
    """Return the folder for ``nnUNet_extTrainer``, which holds nothing but a file that names the trainers.

    Example:
        >>> trainer_directory().name
        'trainers'
    """
    return Path(__file__).parent / "trainers"


def register() -> None:
    """Let nnU-Net find the trainers by their names, in this process; those in ``nnUNet_extTrainer``'s folders, too.

    Raises:
        ImportError: if nnunetv2 is not installed or too old.

    Example:
        >>> register()  # doctest: +SKIP
        >>> from nnunetv2.run.run_training import run_training  # doctest: +SKIP
        >>> run_training("1", "2d", 0, "nnUNetTrainerSkeletonRecall")  # doctest: +SKIP
    """
    check_version()
    ours = importlib.import_module("monai_topoloss.nnunet.trainer")
    theirs = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
    for name in TRAINERS:
        setattr(theirs, name, getattr(ours, name))
    for folder in os.environ.get("nnUNet_extTrainer", "").split(os.pathsep):  # noqa: SIM112
        for module in _import_all(folder):
            for name, value in vars(module).items():
                if isinstance(value, type) and issubclass(value, theirs.nnUNetTrainer) and not hasattr(theirs, name):
                    setattr(theirs, name, value)


def _import_all(folder: str) -> Iterator[Any]:
    """Yield the modules of a folder, and forget them, as nnU-Net does from 2.8 on: another may have the same names."""
    if not folder or not Path(folder).is_dir():
        return
    before = set(sys.modules)
    sys.path.insert(0, folder)
    try:
        for module in pkgutil.walk_packages([folder], onerror=lambda name: _warn_of(folder, name)):
            try:
                yield importlib.import_module(module.name)
            except Exception:  # noqa: BLE001 -- whatever it is that a file raises, another may have the trainer
                _warn_of(folder, module.name)
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(folder):
                del sys.modules[name]


def _warn_of(folder: str, name: str) -> None:
    error = sys.exc_info()[1]
    warnings.warn(f"No trainers from {name!r} in {folder}: {type(error).__name__}: {error}", stacklevel=3)


def check_version() -> None:
    """Check that nnunetv2 is installed and not too old.

    Raises:
        ImportError: if not.
    """
    try:
        version = metadata.version("nnunetv2")
    except metadata.PackageNotFoundError as error:
        raise ImportError(f"{_INSTALL}; there is none.") from error
    numbers = [int(part) for part in version.split(".")[:3] if part.isdigit()]
    if tuple(numbers) < _OLDEST:
        raise ImportError(f"{_INSTALL}; there is {version}.")
