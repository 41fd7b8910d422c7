"""Synthetic vessel trees: data to try everything on, made in a moment and the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from monai_topoloss._checks.options import check_int

__all__ = ["synthetic_datalist", "synthetic_vessels"]

Array = NDArray[np.float32]

_STEP = 0.5  # voxels between two points of a branch: consecutive balls always touch
_THINNEST = 0.8  # radius at which branches end, in voxels


class _Ball(NamedTuple):
    """A cross-section of a branch."""

    centre: NDArray[np.float64]
    radius: float
    contrast: float


def synthetic_vessels(
    spatial_size: Sequence[int], *, seed: int, num_trees: int = 1, num_lesions: int = 3
) -> tuple[Array, NDArray[np.uint8]]:
    """Draw trees of branching, tapering vessels, and photograph them badly.

    Each tree enters at the border and divides until its branches are thin; the squares of the radii add up in 2-D,
    their cubes in 3-D (Murray's law). Contrast falls with the radius and fades in places, so that thin branches nearly
    vanish there; illumination is uneven, blobs distract, and there is noise. A tree is one connected component, unless
    a branch leaves the image and comes back or a later tree crosses it.

    Args:
        spatial_size: two or three numbers of voxels, at least 16 each.
        seed: the same seed gives the same image.
        num_trees: how many trees; each is a class of its own.
        num_lesions: how many bright blobs that are not vessels.

    Returns:
        The image, float32 ``(1, *spatial_size)`` with values of about 0 to 1, and its label map, uint8 of the same
        shape with 1, 2, ... for the trees and 0 for background. Where trees cross, the later one lies on top.

    Raises:
        TypeError: if a number is no int.
        ValueError: if ``spatial_size`` is not two or three numbers of at least 16, or ``num_trees`` not from 1 to 255.

    Example:
        >>> image, label = synthetic_vessels((64, 64), seed=0)
        >>> image.shape, label.dtype, sorted(set(label.flat))
        ((1, 64, 64), dtype('uint8'), [np.uint8(0), np.uint8(1)])
    """
    shape = check_spatial_size(spatial_size)
    check_int("num_trees", num_trees, minimum=1)
    if num_trees > np.iinfo(np.uint8).max:
        raise ValueError(f"Expected `num_trees` to be at most 255, got {num_trees}.")
    check_int("num_lesions", num_lesions, minimum=0)
    rng = np.random.default_rng(seed)

    label = np.zeros(shape, dtype=np.uint8)
    signal = np.zeros(shape, dtype=np.float32)
    for tree in range(1, num_trees + 1):
        for ball in _grow(shape, rng):
            where, distance = _box(shape, ball)
            label[where][distance <= ball.radius] = tree
            # A voxel at the wall is part vessel, part background.
            cover = ball.contrast * np.clip(ball.radius + 0.5 - distance, 0, 1)
            np.maximum(signal[where], cover, out=signal[where])
    for _ in range(num_lesions):
        blob = _Ball(rng.uniform(0, shape), rng.uniform(2, 5), rng.uniform(0.2, 0.4))
        where, distance = _box(shape, blob, reach=2)
        np.maximum(signal[where], blob.contrast * np.exp(-((distance / blob.radius) ** 2)), out=signal[where])

    illumination = 0.15 + 0.4 * smooth_field(shape, 3, rng)
    texture = 0.12 * smooth_field(shape, max(shape) // 4, rng)
    noise = rng.normal(0, 0.06, shape)
    image = illumination + texture + signal * (0.3 + 0.3 * smooth_field(shape, 4, rng)) + noise
    return image[None].astype(np.float32), label[None]


def synthetic_datalist(
    count: int, spatial_size: Sequence[int], *, seed: int = 0, num_trees: int = 1
) -> list[dict[str, Any]]:
    """Make a list of synthetic cases for a MONAI dataset.

    Args:
        count: how many.
        spatial_size: see `synthetic_vessels`.
        seed: of the list; lists with different seeds share no case.
        num_trees: see `synthetic_vessels`.

    Returns:
        A dictionary for each case with the arrays ``"image"`` and ``"label"``, see `synthetic_vessels`.

    Raises:
        TypeError: see `synthetic_vessels`.
        ValueError: see `synthetic_vessels`.

    Example:
        >>> cases = synthetic_datalist(2, (64, 64))
        >>> [case["label"].shape for case in cases]
        [(1, 64, 64), (1, 64, 64)]
    """
    return draw_cases(count, seed, lambda own: synthetic_vessels(spatial_size, seed=own, num_trees=num_trees))


def draw_cases(count: int, seed: int, draw: Callable[[int], tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Draw that many images with labels, each with a seed of its own."""
    seeds = np.random.SeedSequence(seed).generate_state(count, np.uint64)
    return [dict(zip(("image", "label"), draw(int(own)), strict=True)) for own in seeds]


def check_spatial_size(spatial_size: Any) -> tuple[int, ...]:
    """Return two or three numbers of voxels that there is room for objects in."""
    if not isinstance(spatial_size, Sequence | np.ndarray):
        raise TypeError(f"Expected `spatial_size` to be a sequence, got {type(spatial_size).__name__}.")
    if len(spatial_size) not in (2, 3):
        raise ValueError(f"Expected `spatial_size` to be 2 or 3 numbers, got {tuple(spatial_size)}.")
    for size in spatial_size:
        check_int("spatial_size", size, minimum=16)
    return tuple(int(size) for size in spatial_size)


def _grow(shape: tuple[int, ...], rng: np.random.Generator) -> list[_Ball]:
    """Grow a tree from the border inwards."""
    size = np.array(shape, dtype=float)
    axis = rng.integers(len(shape))
    root = rng.uniform(0.25, 0.75, len(shape)) * size
    root[axis] = rng.integers(2) * (size[axis] - 1)
    direction = size / 2 - root + rng.normal(0, 0.15, len(shape)) * size
    trunk = np.clip(size.min() * rng.uniform(0.018, 0.026), 1.8, 5.0)
    balls: list[_Ball] = []
    branches = [(root, direction / np.linalg.norm(direction), float(trunk))]
    while branches:
        position, direction, radius = branches.pop()
        position, direction = _extend(balls, position, direction, radius, shape, rng)
        if radius > _THINNEST and ((position >= 0) & (position < size)).all():
            share = rng.uniform(0.3, 0.7)  # of the flow
            across = _perpendicular(direction, rng)
            for part, side in ((share, 1.0), (1 - share, -1.0)):
                turn = side * rng.uniform(0.4, 1.1) * across
                branches.append(
                    (position, (direction + turn) / np.linalg.norm(direction + turn), radius * part ** (1 / len(shape)))
                )
    return balls


def _extend(
    balls: list[_Ball],
    position: NDArray[np.float64],
    direction: NDArray[np.float64],
    radius: float,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Append one winding branch, and return where it ends and where to it points."""
    steps = int((5 + 4 * radius) * rng.uniform(0.7, 1.5) * min(shape) / 96 / _STEP) + 8
    bend = rng.normal(0, 0.04, len(shape))
    fade_at, faded = rng.uniform(0, steps), rng.uniform(0.3, 0.9)
    for step in range(steps):
        bend = 0.95 * bend + rng.normal(0, 0.012, len(shape))
        homewards = 0.5 - position / shape  # from the border, where it is 0.5, into the image
        direction = direction + (bend + 0.03 * homewards) * _STEP
        direction = direction / np.linalg.norm(direction)
        position = position + direction * _STEP
        if ((position < -radius) | (position >= np.array(shape) + radius)).any():
            break
        contrast = 0.35 + 0.65 * min(1.0, radius / 3)
        contrast *= 1 - faded * np.exp(-(((step - fade_at) * _STEP / 4) ** 2))
        balls.append(_Ball(position, max(_THINNEST, radius * (1 - 0.1 * step / steps)), contrast))
    return position, direction


def _perpendicular(direction: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    other = rng.normal(size=direction.shape)
    other -= (other @ direction) * direction
    return np.asarray(other / np.linalg.norm(other))


def _box(shape: tuple[int, ...], ball: _Ball, reach: float = 1) -> tuple[tuple[slice, ...], NDArray[np.float64]]:
    """Return the part of the image around a ball, and the distances there from its centre."""
    extent = reach * ball.radius + 1
    low = np.clip(np.floor(ball.centre - extent), 0, shape).astype(int)
    high = np.clip(np.ceil(ball.centre + extent) + 1, 0, shape).astype(int)
    where = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    offsets = np.ogrid[where]
    squares = sum((axis - centre) ** 2 for axis, centre in zip(offsets, ball.centre, strict=True))
    return where, np.sqrt(squares)


def smooth_field(shape: tuple[int, ...], knots: int, rng: np.random.Generator) -> Array:
    """Return random values from 0 to 1, interpolated between that many knots along each axis."""
    coarse = torch.from_numpy(rng.random((1, 1, *[knots] * len(shape)), dtype=np.float32))
    mode = "bilinear" if len(shape) == 2 else "trilinear"
    field: Array = F.interpolate(coarse, size=shape, mode=mode, align_corners=True)[0, 0].numpy()
    return field
