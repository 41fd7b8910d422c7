"""How nnU-Net finds the trainers."""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import sys
import warnings
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["TRAINERS", "check_version", "explain_failure", "register", "trainer_directory"]

TRAINERS = (
    "nnUNetTrainerSkeletonRecall",
    "nnUNetTrainerSkeletonRecallCenterlineDice",
    "nnUNetTrainerSkeletonRecallPrecision",
    "nnUNetTrainerSupervoxel",
    "nnUNetTrainerSkeletonRecallSupervoxel",
)
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
        ImportError: if nnunetv2 is not installed, too old, or cannot be imported.

    Example:
        >>> register()  # doctest: +SKIP
        >>> from nnunetv2.run.run_training import run_training  # doctest: +SKIP
        >>> run_training("1", "2d", 0, "nnUNetTrainerSkeletonRecall")  # doctest: +SKIP
    """
    check_version()
    with explain_failure():
        theirs = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
        ours = importlib.import_module("monai_topoloss.nnunet.trainer")
    for name in TRAINERS:
        setattr(theirs, name, getattr(ours, name))
    for folder in os.environ.get("nnUNet_extTrainer", "").split(os.pathsep):  # noqa: SIM112
        if folder and Path(folder).is_dir():
            for module in _import_all(Path(folder).resolve()):
                for name, value in vars(module).items():
                    if (
                        isinstance(value, type)
                        and issubclass(value, theirs.nnUNetTrainer)
                        and not hasattr(theirs, name)
                    ):
                        setattr(theirs, name, value)


@contextlib.contextmanager
def explain_failure() -> Iterator[None]:
    """Say of nnU-Net, if it cannot be imported, that it is installed and what is wrong with it.

    Raises:
        ImportError: instead of whatever a broken installation raises.
    """
    try:
        yield
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ImportError(
            f"nnunetv2 {metadata.version('nnunetv2')} is installed, but cannot be imported: {reason}"
        ) from error


def _import_all(folder: Path) -> Iterator[Any]:
    """Yield the modules of a folder, and forget them, as nnU-Net does from 2.8 on: another may have the same names."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield from _walk(folder, [str(folder)])
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if _is_in(sys.modules[name], folder):
                del sys.modules[name]


def _walk(folder: Path, paths: Iterable[str], prefix: str = "") -> Iterator[Any]:
    """Yield what can be imported. `pkgutil.walk_packages` imports packages itself, and lets one that exits do so."""
    for found in pkgutil.iter_modules(paths, prefix):
        try:
            module = importlib.import_module(found.name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- another file may have the trainer
            reason = f"{type(error).__name__}: {error}"
            warnings.warn(f"No trainers from {found.name!r} in {folder}: {reason}", stacklevel=4)
            continue
        yield module
        if found.ispkg:
            yield from _walk(folder, module.__path__, f"{found.name}.")


def _is_in(module: Any, folder: Path) -> bool:
    """Tell whether a module, or a package without a file, lies in a folder."""
    file = getattr(module, "__file__", None)
    places = [file] if file else getattr(module, "__path__", [])
    return any(Path(place).is_relative_to(folder) for place in places)


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
