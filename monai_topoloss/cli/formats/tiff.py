"""TIFF files: images, and stacks of them as volumes."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from monai_topoloss.cli.formats.bitmap import values_of
from monai_topoloss.cli.formats.picture import (
    Picture,
    RefusalError,
    check_palette,
    is_constant,
    note_of_grey,
    without_channels,
)

SUFFIXES: tuple[str, ...] = (".tif", ".tiff")
_MIN_IS_WHITE, _PALETTE = 0, 3  # values of the tag PhotometricInterpretation,
_PHOTOMETRIC, _BITS = 262, 258  # which is the first of these, the second BitsPerSample
_SEEN_THROUGH = (1, 2)  # values of the tag ExtraSamples that mean transparency
_IN_SPACE = "XYZIQ"  # tifffile's letters; I and Q are pages of which nothing more is known


def read(path: Path) -> Picture:
    """Read a stack whose pages are of one kind; of a pyramid, its full resolution."""
    problems = []
    for reader in (_read_with_tifffile, _read_with_pillow):
        try:
            return reader(path)
        except RefusalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the other one may know the file
            problems.append(str(error) or type(error).__name__)
    if importlib.util.find_spec("imagecodecs") is None:
        problems.append('`pip install "monai-topoloss[cli]"` installs imagecodecs, for more compressions')
    raise ValueError("; ".join(problems))


def _read_with_tifffile(path: Path) -> Picture:
    import tifffile

    with _hearing("tifffile") as notes, tifffile.TiffFile(path) as file:
        parts = [part for part in file.series if not part.keyframe.is_reduced]
        kinds = {_kind(part) for part in parts}
        if len(kinds) > 1:
            shapes = ", ".join(f"{part.shape} {part.dtype}" for part in parts[:9])
            raise RefusalError(f"it holds images that are no stack, as they differ: {shapes}")
        told = sum(len(level.pages) for part in file.series for level in part.levels)
        if len(file.pages) > told:
            raise RefusalError(f"it holds {len(file.pages)} pages, but says what {told} are")
        axes, page = parts[0].axes, parts[0].keyframe
        _check_axes(axes, parts[0].shape)
        _check_white(page.photometric, page.bitspersample)
        stack = np.stack([part.asarray() for part in parts])
    array = _in_grey(np.moveaxis(stack, axes.index("S") + 1, -1), page.extrasamples) if "S" in axes else stack
    array = array.reshape(*(length for length in array.shape[:-2] if length > 1), *array.shape[-2:])
    if page.photometric == _PALETTE and page.colormap is not None:
        check_palette(array, page.colormap.T)
    elif page.photometric == _MIN_IS_WHITE:
        array = ~array
        if page.is_shaped:  # by tifffile.imwrite, whose default for bool arrays is not what its users mean
            notes.append("0 is white in it, so foreground; save bool arrays with photometric='minisblack'")
    if page.photometric != _PALETTE and (note := note_of_grey(array)):
        notes.append(note)
    return Picture(array.T, note="; ".join(notes))


class _Handler(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.heard: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is said."""
        self.heard.append(record)


@contextmanager
def _hearing(name: str) -> Iterator[list[str]]:
    """Collect what a logger warns of; raise what it calls an error, as a page that is missing."""
    notes: list[str] = []
    handler, logger = _Handler(logging.WARNING), logging.getLogger(name)
    logger.addHandler(handler)
    try:
        yield notes
    finally:
        logger.removeHandler(handler)
        for record in handler.heard:
            if record.levelno >= logging.ERROR:
                raise RefusalError(f"it is broken: {record.getMessage()}")
            notes.append(record.getMessage())


def _read_with_pillow(path: Path) -> Picture:
    """Read pages with the compressions that libtiff knows."""
    with Image.open(path) as image:
        pages = []
        for page in ImageSequence.Iterator(image):
            tags: Any = page.tag_v2  # type: ignore[attr-defined]
            (bits, *_), photometric = tags.get(_BITS, (1,)), tags.get(_PHOTOMETRIC)
            _check_white(photometric, bits)
            if bits in (2, 4) and photometric != _PALETTE:
                raise RefusalError(f"{bits} bits a pixel cannot be read with that compression, save it with 8")
            pages.append(values_of(page))
    array = pages[0] if len(pages) == 1 else np.stack(pages)
    return Picture(array.T, note=note_of_grey(array) if photometric != _PALETTE else "")


def _kind(part: Any) -> tuple[object, ...]:
    """Return what parts of one stack have in common."""
    page = part.keyframe
    return part.shape, part.dtype, part.axes, page.photometric, page.extrasamples, page.bitspersample


def _check_axes(axes: str, shape: tuple[int, ...]) -> None:
    for letter, length in zip(axes, shape, strict=True):
        if length > 1 and letter not in _IN_SPACE + "S":
            meaning = {"C": "channels", "T": "times"}.get(letter, f"of kind {letter}")
            raise RefusalError(
                f"expected an image or a volume, got axes {axes} of shape {shape}, {length} {meaning};"
                " if they are slices, save it with axes ZYX"
            )


def _check_white(photometric: int | None, bits: int) -> None:
    if photometric == _MIN_IS_WHITE and bits != 1:
        raise RefusalError(
            f"0 is white in its {bits} bits, of which programs make different values, save it with 0 as black"
        )


def _in_grey(array: NDArray[Any], kinds: tuple[int, ...]) -> NDArray[Any]:
    """Return what channels have in common; ``kinds`` are those of samples beside the colours."""
    colours = array[..., : array.shape[-1] - len(kinds)]
    alpha = None
    for kind, extra in zip(kinds, np.moveaxis(array, -1, 0)[colours.shape[-1] :], strict=True):
        if kind in _SEEN_THROUGH:
            alpha = extra
        elif not is_constant(extra):
            colours = np.concatenate([colours, extra[..., None]], axis=-1)
    return without_channels(colours, alpha)


def write(array: NDArray[Any], path: Path, *_: object) -> None:
    """Write an image or a stack, whose axes are named."""
    import tifffile

    axes = "ZYX"[-array.ndim :]
    tifffile.imwrite(path, array.T, compression="zlib", photometric="minisblack", metadata={"axes": axes})
