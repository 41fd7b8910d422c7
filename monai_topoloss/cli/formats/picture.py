"""What readers return, and the rules about values that several of them share."""

from __future__ import annotations

import importlib
import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_NEAR = 8  # how far values of a black or white plane may be from 0 or 255
_MANY = 4  # values between these; more are a matter of note
_FLAT = 0.05  # share of them that fills squares, at most, if they are edges


class Picture(NamedTuple):
    """What a file holds."""

    array: NDArray[Any]  # x first
    affine: NDArray[Any] | None = None  # (4, 4) in millimetres and RAS, of formats that have one
    note: str = ""  # what is doubtful


class RefusalError(ValueError):
    """A file can be read, but does not say which label it holds; no other reader should try."""


def library(name: str) -> Any:
    """Import a package of the extra ``cli``.

    Raises:
        RuntimeError: if it is not there.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RuntimeError(f'it takes {name}, which `pip install "monai-topoloss[cli]"` installs') from error


def is_constant(array: NDArray[Any]) -> bool:
    """Say whether all values are the same."""
    return bool(array.size == 0 or (array == array.flat[0]).all())


def without_channels(colours: NDArray[Any], alpha: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return what channels, the last axis, have in common; transparency must not say anything else.

    Raises:
        RefusalError: if channels differ, or what is seen depends on the transparency.
    """
    if (colours != colours[..., :1]).any():
        raise RefusalError(f"expected a mask or label map, got one of {colours.shape[-1]} channels that differ")
    values: NDArray[Any] = colours[..., 0]
    if alpha is not None and not is_constant(alpha) and (is_constant(values) or values[alpha == 0].any()):
        raise RefusalError("its transparency shows a mask that its colours do not, save it in opaque grey")
    return values


def check_palette(values: NDArray[Any], palette: NDArray[Any]) -> None:
    """Check that a palette, ``(colours, 3)``, does not show another background than index 0.

    Raises:
        RefusalError: if index 0 is seen in a colour, and another one in black.
    """
    used = np.unique(values)
    used = used[used < len(palette)]
    is_black = ~palette[used].any(axis=1)
    if used.size and used[0] == 0 and not is_black[0] and is_black.any():
        raise RefusalError(f"its palette shows 0 in a colour and {used[is_black.argmax()]} in black, save it in grey")


def note_of_grey(values: NDArray[Any]) -> str:
    """Return a note if ``(..., height, width)`` looks like a smoothed or resampled mask, not like a label map.

    It does if it holds 0, 255 and more than `_MANY` values well between, which hardly ever (`_FLAT`) fill squares of
    three by three pixels. Objects of a label map do, unless all are one or two pixels thin.
    """
    if values.dtype != np.uint8 or min(values.shape[-2:], default=0) < 3:
        return ""
    counts = np.bincount(values.ravel(), minlength=256)
    number = np.count_nonzero(counts[_NEAR + 1 : 255 - _NEAR])
    if not (counts[0] and counts[255] and number > _MANY):
        return ""
    centre = values[..., 1:-1, 1:-1]
    is_flat = (centre > _NEAR) & (centre < 255 - _NEAR)
    height, width = values.shape[-2:]
    for y, x in itertools.product(range(3), repeat=2):
        is_flat &= values[..., y : height - 2 + y, x : width - 2 + x] == centre
    if np.count_nonzero(is_flat) > _FLAT * counts[_NEAR + 1 : 255 - _NEAR].sum():
        return ""
    return (
        f"0, 255 and {number} values between, as of a smoothed mask: all but 0 are foreground, a threshold is missing"
    )
