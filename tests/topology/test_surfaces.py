"""Medial surfaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter

from monai_topoloss import betti_numbers, skeletonize, tubed_skeleton
from tests.images import KINDS, random_mask
from tests.oracles import lee


def betti(mask):
    return tuple(map(int, betti_numbers(mask, spatial_dims=3)))


def grid(side=41):
    return np.indices((side,) * 3) - side // 2


@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_the_literal_definition(kind, device):
    for seed in range(4):
        mask = random_mask(kind, 3, seed, size=9)
        skeleton = skeletonize(torch.from_numpy(mask).to(device), kind="surface")
        np.testing.assert_array_equal(skeleton.cpu(), lee.thin(mask, surface=True))


@pytest.mark.parametrize("kind", KINDS)
def test_topology_is_kept(kind, device):
    for seed in range(20):
        mask = random_mask(kind, 3, seed, size=24 if seed % 2 else 8)
        options = {"kind": "surface", "spatial_dims": 3}
        skeleton = skeletonize(torch.from_numpy(mask).to(device), **options).cpu().numpy()
        assert not (skeleton & ~mask).any()
        assert betti(skeleton) == betti(mask)
        np.testing.assert_array_equal(skeletonize(skeleton, **options), skeleton)


@pytest.mark.parametrize("radius", [3, 8, 16])
def test_a_ball_has_next_to_no_surface(radius):
    ball = np.linalg.norm(grid(), axis=0) <= radius
    assert skeletonize(ball, kind="surface").sum() < 30


def test_what_the_pages_say_is_left():
    assert skeletonize(np.linalg.norm(grid(), axis=0) <= 16, kind="surface").sum() == 21
    plate = np.zeros((41, 41, 41), bool)
    plate[4:35, 4:9, 4:35] = True
    surface = skeletonize(plate, kind="surface")
    assert (surface.sum(), surface.any(axis=1).sum()) == (29 * 29, 29 * 29)


@pytest.mark.parametrize("thickness", [1, 2, 5])
def test_a_plate_keeps_its_middle_plane(thickness):
    plate = np.zeros((20, 40, 40), bool)
    plate[5 : 5 + thickness, 5:35, 5:35] = True
    surface = skeletonize(plate, kind="surface")
    planes = np.flatnonzero(surface.any(axis=(1, 2)))
    assert len(planes) == 1
    assert abs(planes[0] - (5 + (thickness - 1) / 2)) <= 0.5
    assert surface.sum() >= (30 - thickness) ** 2
    assert skeletonize(plate).sum() < 60  # what centrelines leave of it


def bent_plate():
    z, y, x = grid()
    return (np.abs(np.hypot(z, y) - 14) < 2.5) & (z > 0) & (np.abs(x) < 17)


def plate_with_a_hole():
    z, y, x = grid()
    return (np.abs(z - x // 2) < 3) & (np.abs(y) < 17) & (np.abs(x) < 17) & (y**2 + x**2 >= 25)


@pytest.mark.parametrize("make", [bent_plate, plate_with_a_hole])
def test_bent_plates_and_holes(make):
    """All of the sheet but its rim is near the surface, and the surface is in its middle."""
    plate = make()
    surface = skeletonize(plate, kind="surface")
    assert betti(surface) == betti(plate)
    depth = distance_transform_edt(plate)
    assert depth[surface].mean() > 0.75 * depth.max()
    away = distance_transform_edt(~surface)[plate]
    assert np.quantile(away, 0.99) <= 3.5
    assert np.quantile(distance_transform_edt(~skeletonize(plate))[plate], 0.99) > 6  # lines are further away


def test_a_shell_keeps_its_cavity():
    r = np.linalg.norm(grid(), axis=0)
    shell = (r >= 12) & (r <= 15)
    surface = skeletonize(shell, kind="surface")
    assert betti(surface) == (1, 0, 1)
    assert np.abs(r[surface] - 13.5).max() < 1.8


def test_tubes_of_surfaces():
    label = np.zeros((24, 30, 30), np.uint8)
    label[8:15, 3:27, 3:27] = 2
    label[8:15, 3:27, 15:27] = 5
    tube = tubed_skeleton(label, radius=1, kind="surface")
    surface = skeletonize(label > 0, kind="surface")
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3)
    near = np.zeros_like(surface)
    for step in steps[np.abs(steps).sum(axis=1) <= 1]:
        near |= np.roll(surface, step, axis=(0, 1, 2))
    np.testing.assert_array_equal(tube, np.where(near, label, 0))
    in_units = tubed_skeleton(label, radius=1.0, spacing=(0.5, 2, 2), kind="surface")
    np.testing.assert_array_equal(
        in_units != 0, (distance_transform_edt(~surface, sampling=(0.5, 2, 2)) <= 1) & (label > 0)
    )


def test_a_wavy_sheet_in_a_batch(device):
    noise = gaussian_filter(np.random.default_rng(0).random((2, 1, 30, 30)), (0, 0, 6, 6))
    height = 15 + 200 * (noise - noise.mean())
    z = np.arange(30).reshape(1, 30, 1, 1)
    sheets = torch.from_numpy(np.abs(z - height) < 2.2).to(device)
    both = skeletonize(sheets, kind="surface", spatial_dims=3).cpu()
    for sheet, surface in zip(sheets.cpu(), both, strict=True):
        np.testing.assert_array_equal(surface, skeletonize(sheet, kind="surface"))
        assert surface.any(dim=0)[3:-3, 3:-3].float().mean() > 0.95  # seen from above, it covers all but a rim
