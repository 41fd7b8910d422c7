"""How nnU-Net finds the trainers."""

from __future__ import annotations

import importlib
from importlib import metadata
from pathlib import Path

__all__ = ["TRAINERS", "check_version", "register", "trainer_directory"]

TRAINERS = ("nnUNetTrainerSkeletonRecall", "nnUNetTrainerSupervoxel", "nnUNetTrainerSkeletonRecallSupervoxel")
_OLDEST = (2, 6, 4)
_INSTALL = 'The trainers need nnunetv2 2.6.4 or newer, which `pip install "monai-topoloss[nnunet]"` installs'


def trainer_directory() -> Path:
    """Return the folder for ``nnUNet_extTrainer``, which holds nothing but a file that names the trainers."""
    return Path(__file__).parent / "trainers"


def register() -> None:
    """Let nnU-Net find the trainers by their names, in this process.

    Raises:
        ImportError: if nnunetv2 is not installed or too old.
    """
    check_version()
    ours = importlib.import_module("monai_topoloss.nnunet.trainer")
    theirs = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
    for name in TRAINERS:
        setattr(theirs, name, getattr(ours, name))


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
