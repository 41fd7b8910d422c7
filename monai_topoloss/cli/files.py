"""Reading and writing labels, and telling what failed."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.cli.formats import FORMATS, Picture, format_of, suffix_of
from monai_topoloss.cli.places import STORES, Place, Url

_ROUNDING = 1e-3  # error of whole numbers that a file holds in floats
_HIGHEST = 2**63 - 1  # of PyTorch's integers


class UsageError(Exception):
    """The command cannot start; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def check_table(option: str, path: Path | None, images: Iterable[Place]) -> None:
    """Check that a table would be written over none of the images.

    Raises:
        UsageError: if it would.
    """
    if path is not None and path.resolve() in {Path(place).resolve() for place in images if not isinstance(place, Url)}:
        raise UsageError(f"{option} would overwrite an image: {path}")


def read_label(path: Path) -> Any:
    """Read a mask or label map, ``(*spatial)`` in 2-D or 3-D, x first; complain about what is doubtful in it.

    Returns:
        A `monai.data.MetaTensor` with the affine, which is ``meta["original_affine"]``, too, if the file has one. Its
        dtype in the file is ``meta["dtype"]``: PyTorch has fewer.

    Raises:
        ValueError: if it has another rank or channels that differ, or does not say which label it holds.
        RuntimeError: if it takes a package that is not installed.
    """
    import torch
    from monai.data import MetaTensor  # which takes seconds
    from monai.utils import convert_to_tensor

    array, affine, note = read_picture(path)
    if note:
        complain(f"warning: {path}: {note}")
    meta: dict[str, Any] = {"dtype": array.dtype.str}
    if affine is not None:
        meta |= {"affine": torch.tensor(affine), "original_affine": affine}
    return MetaTensor(convert_to_tensor(np.ascontiguousarray(array)), meta=meta)


def read_picture(path: Path) -> Picture:
    """Read a mask or label map, ``(*spatial)`` in 2-D or 3-D, x first, in the order in memory that the format has.

    Raises:
        ValueError: if it has another rank or channels that differ, or does not say which label it holds.
        RuntimeError: if it takes a package that is not installed.
    """
    array, affine, note = format_of(path).read(path)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected numbers, got {array.dtype}")
    if array.dtype.kind == "f" and array.size:
        with np.errstate(invalid="ignore"):  # infinity, which is not near to a whole number
            is_whole = np.abs(array - array.round()).max() < _ROUNDING
        array = array.round() if is_whole else array
    while array.ndim > 2 and array.shape[-1] == 1:  # as NIfTI files hold images
        array = array[..., 0]
    if array.ndim not in (2, 3):
        raise ValueError(f"expected an image or a volume, got shape {array.shape}")
    if array.dtype == np.uint64 and array.size and array.max() > _HIGHEST:
        raise ValueError(f"expected values up to {_HIGHEST}, got {array.max()}")
    # PyTorch asks for memory that may be written to, in its own byte order.
    return Picture(np.require(array, array.dtype.newbyteorder("="), "W"), affine, note)


def write_label(array: NDArray[Any], path: Path, source: Path, affine: NDArray[Any] | None = None) -> None:
    """Write a label map in the format of its suffix, all of it or nothing.

    Args:
        array: x first.
        path: where to.
        source: the file that it came from: one of a related format gives its header.
        affine: where it lies, if that is known.

    Raises:
        ValueError: if the format cannot hold it.
        FileExistsError: if data beside a header would be overwritten that belong to another file.
    """
    path = path.resolve()  # a link within the folder stays one
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as aside:
        format_of(path).write(array, Path(aside, path.name), source, affine)
        data = [made for made in Path(aside).iterdir() if made.name != path.name]  # beside a header
        for made in data:
            if (other := path.with_name(made.name)).exists() and not path.exists():
                raise FileExistsError(f"{other} is there, but is not of {path.name}")
        for made in (*data, Path(aside, path.name)):
            made.replace(path.with_name(made.name))


def check_place(place: Place) -> None:
    """Check that a file or folder is there, and that a file can be read.

    Raises:
        UsageError: if not.
    """
    if isinstance(place, Url):
        return
    if not place.exists():
        raise UsageError(f"{place} does not exist")
    if place.is_file() and not suffix_of(place):
        raise UsageError(f"{place} is none of {', '.join((*FORMATS, *STORES))}")


def progress(items: Sequence[Any], what: str) -> Iterable[Any]:
    """Go through items with a progress bar, if somebody looks and tqdm is installed."""
    try:
        tqdm = importlib.import_module("tqdm").tqdm
    except ImportError:
        return items
    bar: Iterable[Any] = tqdm(items, desc=what, disable=None)
    return bar


def printable(text: str) -> str:
    """Return text, as of file names, with escapes for what a terminal would obey, and what is not Unicode."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def complain(message: str) -> None:
    """Write a line to the standard error output."""
    print(printable(message), file=sys.stderr, flush=True)


def run_or_complain(run: Callable[[], None], what: str) -> str:
    """Call a function; if it fails, say so of ``what`` and return why."""
    try:
        run()
    except Exception as error:  # noqa: BLE001 - whatever a broken file makes a library raise: the others still count
        reason = printable(" ".join(str(error).split()) or type(error).__name__)
        complain(f"error: {what}: {reason}")
        return reason
    return ""
