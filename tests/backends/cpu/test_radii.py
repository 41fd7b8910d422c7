from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from monai_topoloss.backends.cpu import radii
from monai_topoloss.backends.cpu.radii import radii_at


@pytest.mark.parametrize("shape", [(30, 31), (20, 21, 22), (1, 40), (1, 1, 9)])
@pytest.mark.parametrize("density", [0.5, 0.98, 0.999])
@pytest.mark.parametrize("seed", range(2))
def test_equal_to_a_distance_transform(shape, density, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < density
    mask[(0,) * len(shape)] = False
    sizes = rng.choice([0.4, 1, 2.5], len(shape))
    expected = distance_transform_edt(mask, sampling=sizes)
    places = np.argwhere(np.ones(shape, bool))
    np.testing.assert_allclose(radii_at(mask, places, sizes), expected.reshape(-1), rtol=1e-14)


def test_what_is_outside_is_no_background():
    mask = np.ones((5, 6), bool)
    assert np.isinf(radii_at(mask, np.array([[2, 3], [0, 0]]), np.ones(2))).all()
    assert radii_at(mask, np.zeros((0, 2), int), np.ones(2)).shape == (0,)


@pytest.mark.parametrize("ndim", [2, 3])
def test_many_voxels_deep_inside_take_a_distance_transform(monkeypatch, ndim):
    monkeypatch.setattr(radii, "_STEPS", 0)
    called = []
    monkeypatch.setattr(
        radii, "distance_transform_edt", lambda *a, **k: called.append(a) or distance_transform_edt(*a, **k)
    )
    mask = np.ones((20, 21, 22)[-ndim:], bool)
    mask[:2] = False
    sizes = np.array([0.5, 1.0, 2.0])[-ndim:]
    places = np.argwhere(mask)
    np.testing.assert_allclose(radii_at(mask, places, sizes), distance_transform_edt(mask, sampling=sizes)[mask])
    assert len(called) == 1
    assert np.isinf(radii_at(np.ones_like(mask), places, sizes)).all()


def test_other_orders_in_memory():
    mask = np.asfortranarray(np.random.default_rng(0).random((9, 10, 11)) < 0.9)
    places = np.argwhere(mask)
    np.testing.assert_allclose(radii_at(mask, places, np.ones(3)), distance_transform_edt(mask)[mask])
