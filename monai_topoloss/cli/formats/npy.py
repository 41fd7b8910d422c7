"""NumPy's files: arrays, whose axes are taken as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.cli.formats.picture import Picture

SUFFIXES: tuple[str, ...] = (".npy",)


def read(path: Path) -> Picture:
    """Read an array."""
    with path.open("rb") as file:
        return Picture(np.lib.format.read_array(file, allow_pickle=False))


def write(array: NDArray[Any], path: Path, *_: object) -> None:
    """Write an array."""
    with path.open("wb") as file:
        np.save(file, array)
