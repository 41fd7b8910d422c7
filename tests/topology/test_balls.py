from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from monai_topoloss import chunked, skeletonize, tubed_skeleton
from monai_topoloss.topology._balls import make_ball
from tests.chunked.volumes import cut, make_vessels


def covered(ball, shape):
    """The voxels of a ball around the middle of an image of odd sizes."""
    z, y, x = (np.abs(axis - size // 2) for axis, size in zip(np.indices(shape), shape, strict=True))
    table = np.full(shape[:2], -1)
    table[: ball.shape[0], : ball.shape[1]] = ball
    return x <= table[z, y]


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 7])
def test_ball_of_voxels(radius):
    shape = (9, 11, 13)
    z, y, x = (np.abs(axis - size // 2) for axis, size in zip(np.indices(shape), shape, strict=True))
    np.testing.assert_array_equal(covered(make_ball(radius, None, shape), shape), z + y + x <= radius)


@pytest.mark.parametrize("radius", [0.0, 0.5, 1.2, 2.9, 3.0, 100.0])
@pytest.mark.parametrize("spacing", [1, 0.5, (0.4, 0.4, 1.0), (1.0, 0.3, 0.7)])
def test_ball_in_physical_units(radius, spacing):
    shape = (9, 11, 13)
    centre = np.ones(shape, bool)
    centre[4, 5, 6] = False
    sizes = spacing if isinstance(spacing, tuple) else (spacing,) * 3
    near = distance_transform_edt(centre, sampling=sizes) <= radius * (1 + 1e-6)
    np.testing.assert_array_equal(covered(make_ball(radius, spacing, shape), shape), near)


@pytest.mark.parametrize("size", [0.4, float(np.float32(0.4)), 0.1 + 0.3, 1.2 / 3])
def test_rounding_does_not_decide(size):
    assert make_ball(1.2, size, (1, 99)).max() == 3
    assert make_ball(1.2, size, (1, 9, 99)).tolist() == [[3, 2, 2, 0]]


@pytest.mark.parametrize("radius", [10**12, 2**70])
def test_a_ball_is_no_larger_than_an_image(radius):
    assert make_ball(radius, None, (4, 5, 6)).shape == (4, 5)
    assert make_ball(float(radius), 0.001, (4, 5, 6)).tolist() == [[5] * 5] * 4
    assert make_ball(radius, None, (0, 5)).shape == (1, 1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spacing", [0.5, (0.4, 1.0), (0.4, 0.4, 1.0), (1.7, 0.6, 0.9)])
def test_tubes_hold_the_label_within_a_distance_of_the_skeleton(seed, spacing):
    """Also in chunks, and on stacks of images."""
    ndim = len(spacing) if isinstance(spacing, tuple) else 2
    rng = np.random.default_rng(seed)
    label = make_vessels((23, 90, 70)[-ndim:], seed)[1] * rng.choice(np.uint8([1, 2]), (23, 90, 70)[-ndim:])
    distance = distance_transform_edt(~skeletonize(label, spatial_dims=ndim), sampling=spacing)
    for radius in (0.0, 0.9, 2.4):
        expected = np.where(distance <= radius * (1 + 1e-6), label, 0)
        found = tubed_skeleton(label, radius=radius, spacing=spacing, spatial_dims=ndim)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == label.dtype
        stack = tubed_skeleton(np.stack([label, label]), radius=radius, spacing=spacing, spatial_dims=ndim)
        np.testing.assert_array_equal(stack, [expected, expected])
    parts = chunked.tubed_skeleton(cut(rng, label), radius=radius, spacing=spacing)
    np.testing.assert_array_equal(parts.compute(scheduler="synchronous"), expected)


def test_tubes_are_as_wide_in_each_direction():
    """A tube of 1.2 mm on voxels of 0.4 x 0.4 x 1 mm: the share of a thick vessel does not depend on where it runs."""
    shares = {}
    for spacing in (None, (0.4, 0.4, 1.0)):
        for axis in (0, 2):
            sizes = np.array([0.4, 0.4, 1.0])
            grid = np.stack(np.indices([round(24 / size) + 1 for size in sizes]), axis=-1) * sizes - 12
            across = np.delete(grid, axis, axis=-1)
            label = (np.linalg.norm(across, axis=-1) <= 2.5).astype(np.uint8)
            tube = tubed_skeleton(label, radius=3 if spacing is None else 1.2, spacing=spacing)
            middle = label.shape[axis] // 2  # far from the ends, which thinning shortens
            shares[spacing, axis] = tube.take(middle, axis).sum() / label.take(middle, axis).sum()
    voxels, lengths = ([shares[spacing, axis] for axis in (0, 2)] for spacing in (None, (0.4, 0.4, 1.0)))
    assert np.round(voxels, 2).tolist() == [0.47, 0.21]  # as the page on Skeleton Recall has it
    assert np.round(lengths, 2).tolist() == [0.27, 0.24]
    assert max(voxels) > 2 * min(voxels)
    assert max(lengths) < 1.2 * min(lengths)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"radius": 1.5},
            TypeError,
            "to be an int, a number of voxels, without `spacing`, got float",
        ),
        ({"radius": "1"}, TypeError, "Expected `radius` to be an int, got str"),
        ({"radius": -1}, ValueError, "Expected `radius` to be at least 0, got -1"),
        ({"radius": -0.5, "spacing": 1}, ValueError, "Expected `radius` to be at least 0, got -0.5"),
        ({"radius": float("nan"), "spacing": 1}, ValueError, "Expected `radius` to be finite, got nan"),
        ({"radius": "1", "spacing": 1}, TypeError, "Expected `radius` to be a number, got str"),
        ({"radius": 1, "spacing": 0}, ValueError, "Expected `spacing` to be a positive number or 2 of them, got 0"),
        ({"radius": 1, "spacing": (1, 1, 1)}, ValueError, "Expected `spacing` to be a positive number or 2 of them"),
    ],
)
def test_bad_options_are_named(options, error, message):
    label = np.ones((5, 6), np.uint8)
    with pytest.raises(error, match=message):
        tubed_skeleton(label, **options)
