"""Thinning after Lee, Kashyap and Chu with parity classes, word for word: slow, with whole classes deleted at once."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage

FULL = np.ones((3, 3, 3), int)
# The neighbour that has to be background, in the order of the directions: y - 1, y + 1, x + 1, x - 1, z + 1, z - 1.
DIRECTIONS = [(0, -1, 0), (0, 1, 0), (0, 0, 1), (0, 0, -1), (1, 0, 0), (-1, 0, 0)]


def euler_characteristic(volume: np.ndarray) -> int:
    """Corners - edges + faces - cubes of the voxels as closed unit cubes."""
    padded = np.pad(volume > 0, 1)
    total = 0
    for extends in itertools.product((False, True), repeat=volume.ndim):
        cells = padded
        for axis in np.flatnonzero(~np.array(extends)):  # across it, a cell is touched by two cubes
            a = cells[tuple(slice(None, -1) if i == axis else slice(None) for i in range(volume.ndim))]
            b = cells[tuple(slice(1, None) if i == axis else slice(None) for i in range(volume.ndim))]
            cells = a | b
        total += (-1) ** sum(extends) * int(cells.sum())
    return total


def betti_numbers(mask: np.ndarray) -> tuple[int, ...]:
    """Components, (tunnels,) and cavities of a 2-D or 3-D mask with full connectivity, by counting."""
    components = ndimage.label(mask, np.ones((3,) * mask.ndim))[1]
    background = ndimage.label(np.pad(~mask, 1, constant_values=True))[1] - 1
    euler = euler_characteristic(mask)
    if mask.ndim == 2:
        assert euler == components - background
        return components, background
    return components, components + background - euler, background


def is_deletable(neighbourhood: np.ndarray) -> bool:
    """Whether the centre of 3 x 3 x 3 voxels can go: Euler-invariant, simple, and no end point."""
    without = neighbourhood.copy()
    without[1, 1, 1] = False
    return (
        without.sum() != 1
        and euler_characteristic(without) == euler_characteristic(neighbourhood)
        and ndimage.label(without, FULL)[1] == 1
    )


def is_in_surface(neighbourhood: np.ndarray) -> bool:
    """Whether the centre of 3 x 3 x 3 voxels lies in a surface: no octant is solid."""
    for corner in itertools.product((0, 1), repeat=3):
        points = np.argwhere(neighbourhood[tuple(slice(c, c + 2) for c in corner)])
        if len(points) > 4 or (len(points) == 4 and np.linalg.matrix_rank(points[1:] - points[0]) > 2):
            return False
    return True


def thin(mask: np.ndarray, *, surface: bool = False) -> np.ndarray:
    """Thin a volume, or an image as a plane without the directions across it."""
    if mask.ndim == 2:
        return _thin(mask[None], DIRECTIONS[:4], surface=surface)[0]
    return _thin(mask, DIRECTIONS, surface=surface)


def _thin(mask: np.ndarray, directions: list[tuple[int, int, int]], *, surface: bool) -> np.ndarray:
    volume = np.pad(mask.astype(bool), 1)
    if not volume.any():
        return mask.astype(bool)
    corner = np.argwhere(volume).min(axis=0)

    def deletable(points: np.ndarray) -> np.ndarray:
        around = [volume[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] for z, y, x in points]
        return np.array([is_deletable(each) and not (surface and is_in_surface(each)) for each in around], bool)

    changed = True
    while changed:
        changed = False
        for step in directions:
            points = np.argwhere(volume)
            points = points[~volume[tuple((points + step).T)]]
            points = points[deletable(points)]
            for parity in itertools.product((0, 1), repeat=3):
                members = points[((points - corner) % 2 == parity).all(axis=1)]
                members = members[deletable(members)]
                volume[tuple(members.T)] = False
                changed |= len(members) > 0
    return volume[1:-1, 1:-1, 1:-1]
