"""Meshes of masks and skeletons, in physical units."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss.visualize._draw import Colour
from monai_topoloss.visualize._windows import components

_FINEST = 256  # voxels along an axis, more than which a picture does not show
_INNER, _OUTER, _OUTERMOST = 0.55, 0.4, 0.2  # where between background and foreground: surfaces around each other
_FARTHEST = 0.25  # of a voxel, how far smoothing moves a surface: more, and thin lines collapse
_SMOOTHING = {"n_iter": 30, "pass_band": 0.08}
_SMALLEST = 0.008  # of the volume's diagonal, the radius of balls and half the size of what is one
_THINNEST = 0.0025  # of the diagonal, the radius of a skeleton

_STEPS = [step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]  # to every other neighbour

Mask = NDArray[np.bool_]


class Part(NamedTuple):
    """A mesh of triangles, a ``pyvista.PolyData``, and how it is painted."""

    name: str
    mesh: Any
    colour: Colour
    opacity: float = 1


class Space:
    """Places voxels: their centres are at multiples of the spacing, of which axis 0 is x."""

    def __init__(
        self, pyvista: Any, shape: Sequence[int], spacing: Sequence[float], connectivity: int | None = None
    ) -> None:
        self.pyvista = pyvista
        self.spacing = np.array(spacing, np.float64)
        self.connectivity = len(shape) if connectivity is None else connectivity
        self.low = -0.5 * self.spacing
        self.high = (np.array(shape) - 0.5) * self.spacing
        self.diagonal = float(np.linalg.norm(self.high - self.low))

    def surface_of(self, name: str, mask: Tensor, colour: Colour, opacity: float, *, is_outer: bool) -> list[Part]:
        """Return the smooth surface of a mask, none if that is empty; an outer one is around an inner one."""
        array = (mask != 0).numpy(force=True)
        if not array.any():
            return []
        return [Part(name, self._wrap(array, _OUTER if is_outer else _INNER), colour, opacity)]

    def blobs_of(self, name: str, mask: Tensor, colour: Colour) -> list[Part]:
        """Return surfaces of each component of a mask, around all others; small ones are balls."""
        where, centres = np.zeros(mask.shape, np.bool_), []
        for places in components(mask):
            extent = (np.ptp(places, axis=0) + 1) * self.spacing
            if extent.max() < 2 * _SMALLEST * self.diagonal:
                centres.append(places.mean(axis=0) * self.spacing)
            else:
                where[tuple(places.T)] = True
        parts = [Part(name, self._wrap(where, _OUTERMOST), colour)] if where.any() else []
        return [*parts, *self._balls(name, np.array(centres), _SMALLEST * self.diagonal, colour)]

    def lines_of(self, name: str, skeleton: Tensor, colour: Colour) -> list[Part]:
        """Return tubes along the voxels of a skeleton, and balls for those without neighbours."""
        array = skeleton.numpy(force=True)
        places = np.argwhere(array)
        ends = _links(places, array.shape)
        radius = max(0.4 * float(self.spacing.min()), _THINNEST * self.diagonal)
        parts = []
        if len(ends):
            parts.append(Part(name, _with_normals(self._tubes(places * self.spacing, ends, radius)), colour))
        alone = np.setdiff1d(np.arange(len(places)), ends)
        return [*parts, *self._balls(name, places[alone] * self.spacing, 1.5 * radius, colour)]

    def _wrap(self, mask: Mask, level: float) -> Any:
        """Return the surface of a mask, of blocks of voxels where these are too many to show."""
        mask, blocks = _in_blocks(mask)
        first, last = _bounds(mask)
        padded = np.pad(mask[tuple(map(slice, first, last + 1))], 1).astype(np.uint8)
        size = blocks * self.spacing
        origin = (first - 1) * size + (blocks - 1) / 2 * self.spacing  # the middle of the first block
        grid = self.pyvista.ImageData(dimensions=padded.shape, spacing=size, origin=origin)
        grid.point_data["mask"] = padded.ravel(order="F")
        surface = grid.contour([level], scalars="mask", method="flying_edges")
        smooth = surface.smooth_taubin(**_SMOOTHING)
        smooth.points = surface.points + np.clip(smooth.points - surface.points, -_FARTHEST * size, _FARTHEST * size)
        places, ends = _bridges(padded, self.connectivity)
        if len(ends):
            radius = (1 - level - _FARTHEST) * float(size.min())
            smooth = smooth.append_polydata(self._tubes(origin + places * size, ends, radius))
        return _with_normals(smooth)

    def _tubes(self, points: NDArray[np.float64], ends: NDArray[np.int64], radius: float) -> Any:
        """Return tubes between pairs of points."""
        lines = self.pyvista.PolyData(points, lines=np.insert(ends, 0, 2, axis=1).ravel())
        return lines.strip().tube(radius=radius, n_sides=8, capping=True).triangulate()

    def _balls(self, name: str, centres: NDArray[np.float64], radius: float, colour: Colour) -> list[Part]:
        """Return balls around centres."""
        if not len(centres):
            return []
        ball = self.pyvista.Sphere(radius=radius, theta_resolution=16, phi_resolution=16)
        balls = self.pyvista.PolyData(centres).glyph(geom=ball, scale=False, orient=False)
        return [Part(name, _with_normals(balls), colour)]


def _with_normals(mesh: Any) -> Any:
    """Return a mesh with a normal at each point, and no other data."""
    mesh.clear_data()
    return mesh.compute_normals(cell_normals=False, split_vertices=False, auto_orient_normals=False)


def _links(places: NDArray[np.int64], shape: Sequence[int]) -> NDArray[np.int64]:
    """Return pairs of the numbers of places that are neighbours."""
    numbers = np.full(np.array(shape) + 2, -1, np.int32)  # with a border, where no neighbour is
    numbers[tuple(places.T + 1)] = np.arange(len(places))
    links = []
    for step in _STEPS:
        others = numbers[tuple((places + step).T + 1)]
        links.append(np.stack([np.flatnonzero(others >= 0), others[others >= 0]], axis=1))
    return np.concatenate(links)


def _bridges(mask: NDArray[np.uint8], connectivity: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return places, and pairs of their numbers, that only touch in an edge or a corner, where surfaces do not meet."""
    starts, stops = [np.zeros((0, 3), np.int64)], [np.zeros((0, 3), np.int64)]
    for step in _STEPS:
        if not 2 <= np.abs(step).sum() <= connectivity:
            continue
        corners = itertools.product(*(sorted({0, way}) for way in step))
        views = {corner: _shifted(mask, corner) for corner in corners}
        both = (views.pop((0, 0, 0)) & views.pop(step)) != 0
        for other in views.values():
            both &= other == 0
        found = np.argwhere(both) + 1
        starts.append(found)
        stops.append(found + step)
    places = np.concatenate(starts + stops)
    return places, np.arange(len(places)).reshape(2, -1).T


def _shifted(mask: NDArray[np.uint8], step: Sequence[int]) -> NDArray[np.uint8]:
    """Return the view of a mask without its border, or a step from there."""
    return mask[tuple(slice(1 + way, length - 1 + way) for way, length in zip(step, mask.shape, strict=True))]


def _bounds(mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and last place along each axis that is not empty."""
    shadows = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    first, last = np.array([(shadow[0], shadow[-1]) for shadow in shadows]).T
    return first, last


def _in_blocks(mask: Mask) -> tuple[Mask, NDArray[np.int64]]:
    """Return a mask of blocks that hold foreground, no finer than pictures show, and how many voxels they have."""
    blocks = np.array([-(-length // _FINEST) for length in mask.shape])
    for axis, block in enumerate(blocks):
        if block > 1:
            mask = np.logical_or.reduceat(mask, np.arange(0, mask.shape[axis], block), axis=axis)
    return mask, blocks
