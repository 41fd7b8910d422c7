"""Options and numbers, as functions and constructors take them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

E = TypeVar("E", bound=Enum)

_MOST_CLASSES = 2**31
UNITS = ("voxels", "mm")  # of lengths, the default first
KINDS = ("curve", "surface")  # of skeletons, the default first
METHODS = {
    2: ("zhang", "lee", "thin", "lee_skimage"),
    3: ("lee", "lee_skimage"),
}  # of thinning, the default of the rank first


def check_option(name: str, value: Any, options: Sequence[Any]) -> None:
    """Check that ``value`` is one of the ``options``."""
    if not _is_one_of(value, options):
        raise ValueError(f"Expected `{name}` to be one of {', '.join(map(repr, options))}, got {value!r}.")


def _is_one_of(value: Any, options: Sequence[Any]) -> bool:
    """Say whether a value is one of some strings and ints; arrays are not, which compare element by element."""
    return isinstance(value, str | int | np.integer) and value in options


def check_reduction(reduction: Any, options: type[E]) -> E:
    """Return one of MONAI's reductions, of losses or of metrics."""
    check_option("reduction", reduction, [each.value for each in options])
    return options(reduction)


def check_int(name: str, value: Any, *, minimum: int | None = None) -> None:
    """Check that ``value`` is an int, and no less than ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"Expected `{name}` to be an int, got {type(value).__name__}.")
    if minimum is not None and value < minimum:
        raise ValueError(f"Expected `{name}` to be at least {minimum}, got {value}.")


def check_kernel_size(kernel_size: Any) -> None:
    """Check that a window has a voxel in its middle."""
    check_int("kernel_size", kernel_size, minimum=1)
    if kernel_size % 2 == 0:
        raise ValueError(f"Expected `kernel_size` to be odd, got {kernel_size}.")


def check_number(name: str, value: Any) -> float:
    """Return a number as float."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"Expected `{name}` to be a number, got {type(value).__name__}.")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"Expected `{name}` to be a number that a float can hold, got a larger one.") from error


def check_finite_number(name: str, value: Any) -> float:
    """Return a number, which is neither NaN nor infinite, as float."""
    number = check_number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"Expected `{name}` to be finite, got {value}.")
    return number


def check_share(name: str, value: Any) -> float:
    """Return a number from 0 to 1."""
    if not 0 <= check_number(name, value) <= 1:
        raise ValueError(f"Expected `{name}` from 0 to 1, got {value}.")
    return float(value)


def check_weight(name: str, value: Any) -> float:
    """Return the weight of a term, which is not negative, as float."""
    if not check_number(name, value) >= 0:
        raise ValueError(f"Expected `{name}` to be at least 0, got {value}.")
    return check_finite_number(name, value)


def check_positive(name: str, value: Any) -> float:
    """Return a finite number above 0 as float."""
    if not check_number(name, value) > 0:
        raise ValueError(f"Expected `{name}` to be above 0, got {value}.")
    return check_finite_number(name, value)


def check_numbers(**values: Any) -> list[float | tuple[float, ...]]:
    """Return numbers as float, or sequences of them as tuples, all of the same length."""
    (first, model), *_ = values.items()
    checked: list[float | tuple[float, ...]] = []
    for name, value in values.items():
        if isinstance(value, Sequence) and not isinstance(value, str):
            checked.append(tuple(check_number(name, number) for number in value))
        else:
            checked.append(check_number(name, value))
        if isinstance(checked[-1], tuple) != isinstance(checked[0], tuple):
            raise TypeError(f"Expected `{name}` to hold as many numbers as `{first}`, got {value} for {model}.")
        if isinstance(checked[0], tuple) and isinstance(checked[-1], tuple) and len(checked[-1]) != len(checked[0]):
            raise ValueError(
                f"Expected `{name}` to hold as many numbers as `{first}`, {len(checked[0])}, got {len(checked[-1])}."
            )
    return checked


def check_attribute(owner: Any, name: str, *, like: float | tuple[float, ...] = 0.0) -> None:
    """Check that an object has a number of that name, or a tuple of as many numbers as ``like``."""
    value = getattr(owner, name, None)
    if isinstance(like, tuple):
        if not isinstance(value, tuple):
            raise TypeError(f"Expected `loss` to have a tuple of numbers `{name}`, got {type(owner).__name__} without.")
        if len(value) != len(like):
            raise ValueError(f"Expected {len(value)} numbers for `{name}` of `loss`, got {len(like)}.")
    elif isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"Expected `loss` to have a number `{name}`, got {type(owner).__name__} without.")


def check_ignore_index(ignore_index: Any) -> None:
    """Check that ``ignore_index`` is None or an int other than the background's 0."""
    if ignore_index is None:
        return
    check_int("ignore_index", ignore_index)
    if ignore_index == 0:
        raise ValueError("Expected `ignore_index` to be another value than 0, which is the background, got 0.")


def check_connectivity(name: str, connectivity: int | None, spatial_dims: int) -> int:
    """Return the connectivity: the one asked for, else that of all neighbours."""
    if connectivity is None:
        return spatial_dims
    check_int(name, connectivity)
    if not 1 <= connectivity <= spatial_dims:
        raise ValueError(f"Expected `{name}` from 1 to {spatial_dims}, the number of spatial axes, got {connectivity}.")
    return connectivity


def check_method(method: str | None, spatial_dims: int | None = None, kind: str = KINDS[0]) -> str:
    """Return the thinning method: the one asked for, else the default of the rank; without a rank, of any.

    Of surfaces there is one, which backends call ``"lee_surface"``.
    """
    check_option("kind", kind, KINDS)
    if kind == "surface":
        if spatial_dims == 2:
            raise ValueError("Expected a volume for kind='surface', got an image, which holds curves only.")
        if method not in (None, "lee"):
            raise ValueError(f"Expected `method` to be 'lee' with kind='surface', got {method!r}.")
        return "lee_surface"
    methods = METHODS[2 if spatial_dims is None else spatial_dims]
    if method is None:
        return methods[0]
    if not _is_one_of(method, methods):
        rank = "" if spatial_dims is None else f" in {spatial_dims}-D"
        raise ValueError(f"Expected `method` to be one of {', '.join(map(repr, methods))}{rank}, got {method!r}.")
    return method


def check_pruning(prune: Any, prune_factor: Any, kind: str) -> tuple[float, float]:
    """Return how long end branches of a skeleton must be at least, and in radii; 0 if it is None."""
    check_option("kind", kind, KINDS)
    if kind == "surface" and not (prune is None and prune_factor is None):
        raise ValueError("Expected `prune` and `prune_factor` with kind='curve' only: a surface has no branches.")
    values = {"prune": prune, "prune_factor": prune_factor}
    length, factor = (0.0 if value is None else check_weight(name, value) for name, value in values.items())
    return length, factor


def check_units(units: Any, spacing: Any) -> None:
    """Check that lengths have one unit: a spacing of an image or volume, or that of each affine."""
    check_option("units", units, UNITS)
    if spacing is None:
        return
    if units != UNITS[0]:
        raise ValueError(f"Expected `spacing` or `units={units!r}`, which takes that of each label, got both.")
    sizes = np.asarray(spacing.cpu() if isinstance(spacing, Tensor) else spacing, dtype=object)
    check_spacing(spacing, 2 if sizes.shape == (2,) else 3)


def check_betti_kind(kind: Any, spatial_dims: int = 3) -> None:
    """Check which Betti number is asked for."""
    options = (*range(spatial_dims), "sum", "euler")
    if isinstance(kind, bool) or not _is_one_of(kind, options):
        raise ValueError(f"Expected `kind` to be one of {', '.join(map(repr, options))}, got {kind!r}.")


def check_num_classes(num_classes: Any) -> None:
    """Check that a number of classes is None, or so many that there is one besides the background."""
    if num_classes is None:
        return
    check_int("num_classes", num_classes, minimum=2)
    if num_classes > _MOST_CLASSES:
        raise ValueError(f"Expected `num_classes` to be at most {_MOST_CLASSES}, got {num_classes}.")


def check_patches(patch_size: Any, stride: Any, spatial: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return size and step of patches along each axis, no larger than the image."""
    if patch_size is None:
        if stride is not None:
            raise ValueError(f"Expected `stride` with `patch_size` only, got {stride}.")
        return list(spatial), list(spatial)
    sizes = []
    for name, value in (("patch_size", patch_size), ("stride", patch_size if stride is None else stride)):
        several = isinstance(value, Sequence) or (isinstance(value, np.ndarray) and value.ndim > 0)
        size = list(value) if several else [value] * len(spatial)
        for number in size:
            check_int(name, number, minimum=1)
        if len(size) != len(spatial):
            raise ValueError(f"Expected `{name}` to be one number or {len(spatial)}, got {size}.")
        sizes.append(size)
    return [min(p, n) for p, n in zip(sizes[0], spatial, strict=True)], sizes[1]


def check_radius(radius: Any, spacing: Any, name: str = "radius") -> None:
    """Check a radius: a number of voxels, or with a spacing a length."""
    if spacing is None:
        if isinstance(radius, float):
            raise TypeError(f"Expected `{name}` to be an int, a number of voxels, without `spacing`, got float.")
        check_int(name, radius, minimum=0)
    elif check_finite_number(name, radius) < 0:
        raise ValueError(f"Expected `{name}` to be at least 0, got {radius}.")


def check_spacing(spacing: Any, ndim: int) -> tuple[float, ...]:
    """Return sizes of voxels along each axis: one number is that of all, and None is 1."""
    if spacing is None:
        return (1.0,) * ndim
    if isinstance(spacing, np.ndarray | Tensor):
        spacing = spacing.tolist()
    sizes = tuple(spacing) if isinstance(spacing, Sequence) else (spacing,) * ndim
    sizes = tuple(check_number("spacing", size.item() if isinstance(size, Tensor) else size) for size in sizes)
    if len(sizes) != ndim or not all(0 < size < math.inf for size in sizes):
        raise ValueError(f"Expected `spacing` to be a positive number or {ndim} of them, got {spacing}.")
    return sizes
