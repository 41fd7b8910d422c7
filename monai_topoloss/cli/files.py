"""Finding, reading and writing label images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import optional_import
from numpy.typing import NDArray

from monai_topoloss.cli.readers import NiftiReader, PillowReader, TiffReader

_ROUNDING = 1e-3  # error of whole numbers that a file holds with a scale
SUFFIXES = (".nii.gz", ".nii", ".png", ".bmp", ".tif", ".tiff")


class UsageError(Exception):
    """The command cannot start; the message says why."""


def suffix_of(path: Path) -> str:
    """Return the suffix of an image, or an empty string if it is none that can be read."""
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")


def stem_of(path: Path) -> str:
    """Return the name of an image without its suffix."""
    return path.name[: len(path.name) - len(suffix_of(path))]


def find_images(folder: Path) -> list[Path]:
    """List the images in a folder and those below it, in order."""
    found = (path for path in folder.rglob("*") if suffix_of(path) and not path.name.startswith("."))
    return sorted(path for path in found if path.is_file())


def read_label(path: Path) -> Any:
    """Read a mask or label map, ``(*spatial)`` in 2-D or 3-D, with its affine and, as ``meta["dtype"]``, its dtype.

    Returns:
        A `monai.data.MetaTensor`.

    Raises:
        ValueError: if it has another rank or channels that differ.
        RuntimeError: if no reader is there for it.
    """
    readers: list[Any] = [PillowReader(), TiffReader()]
    if optional_import("nibabel")[1]:
        readers.append(NiftiReader())
    elif suffix_of(path).startswith(".nii"):
        raise RuntimeError('it takes nibabel, which `pip install "monai-topoloss[cli]"` installs')
    reader = next(reader for reader in readers if reader.verify_suffix(str(path)))
    array, meta = reader.get_data(reader.read(str(path)))
    # As the file has it, NIfTI with x fastest: `LoadImage` would copy it into C order, which takes long.
    image: Any = MetaTensor(torch.from_numpy(array), meta=meta)
    if not suffix_of(path).startswith(".nii") and not np.isnan(image.meta["original_channel_dim"]):
        image = _first_channel(image)
    if image.numel() and image.is_floating_point() and image.sub(image.round()).abs().max() < _ROUNDING:
        image = image.round()
    while image.ndim > 2 and image.shape[-1] == 1:  # as NIfTI files hold images
        image = image[..., 0]
    if image.ndim not in (2, 3):
        raise ValueError(f"expected an image or a volume, got shape {tuple(image.shape)}")
    return image


def _first_channel(image: Any) -> Any:
    """Return what channels, the last axis, have in common."""
    if (image != image[..., :1]).any():
        raise ValueError(f"expected a mask or label map, got one of {image.shape[-1]} channels that differ")
    return image[..., 0]


def write_label(array: NDArray[Any], path: Path, source: Path) -> None:
    """Write a label map in the format of its suffix; a NIfTI file gets header and affine of the one it came from.

    Raises:
        ValueError: if the format cannot hold it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = suffix_of(path)
    if suffix.startswith(".nii"):
        import nibabel

        affine, header = None, None
        array = array.astype(np.uint8) if array.dtype == bool else array
        if suffix_of(source).startswith(".nii"):
            original: Any = nibabel.load(source)
            affine, header = original.affine, original.header.copy()
            header.set_data_dtype(array.dtype)
            array = array.reshape(original.shape)
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine, header), path)  # type: ignore[no-untyped-call]
    elif suffix in (".tif", ".tiff"):
        import tifffile

        tifffile.imwrite(path, array.T, compression="zlib", photometric="minisblack")
    elif array.ndim == 2:
        from PIL import Image

        Image.fromarray(np.ascontiguousarray(array.T)).save(path)
    else:
        raise ValueError(f"expected .nii.gz or .tif for a volume, got {path.name}")


def check_path(path: Path) -> Path:
    """Check that a file or folder is there, and that a file can be read.

    Raises:
        UsageError: if not.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist")
    if path.is_file() and not suffix_of(path):
        raise UsageError(f"{path} is none of {', '.join(SUFFIXES)}")
    return path


def progress(items: Sequence[Any], what: str) -> Iterable[Any]:
    """Go through items with a progress bar, if somebody looks and tqdm is installed."""
    tqdm, has_tqdm = optional_import("tqdm", name="tqdm")
    bar: Iterable[Any] = tqdm(items, desc=what, disable=None) if has_tqdm else items
    return bar


def complain(message: str) -> None:
    """Write a line to the standard error output."""
    print(message, file=sys.stderr, flush=True)


def run_or_complain(run: Callable[[], None], what: str) -> str:
    """Call a function; if it fails, say so of ``what`` and return why."""
    try:
        run()
    except Exception as error:  # noqa: BLE001 - whatever a broken file makes a library raise: the others still count
        reason = " ".join(str(error).split()) or type(error).__name__
        complain(f"error: {what}: {reason}")
        return reason
    return ""
