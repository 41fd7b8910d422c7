from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from monai_topoloss import chunked, topology
from monai_topoloss.chunked import skeleton
from tests.chunked.volumes import assert_same, cut, spiral

pytestmark = pytest.mark.usefixtures("synchronous")

METHODS = [("zhang", 2), ("thin", 2), ("lee", 2), ("lee", 3), ("lee_surface", 3)]


def make_mask(rng, ndim, longest):
    shape = tuple(rng.integers(1, longest, ndim).tolist())
    noise = gaussian_filter(rng.random(shape), rng.choice([0.1, 1.5, 4]))
    return noise > np.quantile(noise, rng.choice([0.3, 0.5, 0.8]))


@pytest.fixture
def small_blocks(monkeypatch):
    """Make blocks look at each other in small images too: return a function that sets their size and passes."""

    def set_to(method, ndim, passes, side):
        usual = skeleton._ROUNDS[method, ndim]
        reach = usual.reach // usual.passes * passes
        monkeypatch.setitem(skeleton._ROUNDS, (method, ndim), usual._replace(passes=passes, reach=reach, side=side))

    return set_to


@pytest.mark.parametrize(("method", "ndim"), METHODS)
@pytest.mark.parametrize("seed", range(8))
def test_as_in_memory(small_blocks, seed, method, ndim):
    rng = np.random.default_rng(seed)
    mask = make_mask(rng, ndim, 130 if ndim == 3 else 300)
    small_blocks(
        method, ndim, 2 if method in ("zhang", "thin") else int(rng.integers(1, 3)), max(8, max(mask.shape) // 3)
    )
    parts = cut(rng, mask.astype(np.uint8) if seed % 2 else mask)
    how = {"kind": "surface"} if method == "lee_surface" else {"method": method}
    expected = topology.skeletonize(mask, spatial_dims=ndim, **how)
    assert_same(chunked.skeletonize(parts, **how), expected, parts.chunks)


def test_a_solid_ball_that_takes_many_rounds(small_blocks):
    small_blocks("lee", 3, 1, 24)
    z, y, x = np.indices((60, 60, 60)) - 30
    mask = z**2 + y**2 + x**2 < 29**2
    assert_same(chunked.skeletonize(da.from_array(mask, chunks=25)), topology.skeletonize(mask))


@pytest.mark.parametrize("method", ["zhang", "lee"])
def test_a_spiral_stays(small_blocks, method):
    small_blocks(method, 2, 2, 16)
    mask = np.kron(spiral(25), np.ones((3, 3))).astype(bool)
    expected = topology.skeletonize(mask, method=method)
    assert_same(chunked.skeletonize(da.from_array(mask, chunks=10), method=method), expected)


@pytest.mark.parametrize("shift", [(0, 0, 0), (1, 0, 0), (0, 1, 1), (3, 2, 1)])
def test_parities_count_from_the_corner_of_the_whole(small_blocks, shift):
    small_blocks("lee", 3, 1, 24)
    rng = np.random.default_rng(1)
    mask = np.zeros((50, 50, 50), bool)
    mask[tuple(slice(s, s + 40) for s in shift)] = gaussian_filter(rng.random((40, 40, 40)), 2) > 0.5
    assert_same(chunked.skeletonize(da.from_array(mask, chunks=20)), topology.skeletonize(mask))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_tubes_as_in_memory(small_blocks, seed, per_class, ndim):
    rng = np.random.default_rng(seed)
    mask = make_mask(rng, ndim, 40)
    label = (mask * rng.integers(1, 4, mask.shape)).astype(["u1", ">i4", "f4", "i2"][seed])
    small_blocks("zhang" if ndim == 2 else "lee", ndim, 2, 16)
    options = {"radius": int(rng.choice([0, 1, 2, 15, 200])), "per_class": per_class}
    if seed % 2:
        options["ignore_index"] = 2
    parts = cut(rng, label)
    expected = topology.tubed_skeleton(label, spatial_dims=ndim, **options)
    assert_same(chunked.tubed_skeleton(parts, **options), expected, parts.chunks)


@pytest.mark.parametrize("shape", [(0, 3), (4, 0, 2)])
def test_empty(shape):
    assert chunked.skeletonize(da.zeros(shape, dtype=bool)).compute().shape == shape
    assert chunked.tubed_skeleton(da.zeros(shape, dtype="int16")).compute().dtype == np.int16


def test_nothing_is_left_of_nothing():
    assert not chunked.skeletonize(da.zeros((20, 20, 20), dtype=bool, chunks=7)).compute().any()


def test_errors():
    mask = da.zeros((4, 4, 4), chunks=2)
    with pytest.raises(ValueError, match="Expected a volume for kind='surface', got an image"):
        chunked.skeletonize(mask[0], kind="surface")
    with pytest.raises(ValueError, match="'lee_skimage' takes the whole at once"):
        chunked.skeletonize(mask, method="lee_skimage")
    with pytest.raises(ValueError, match="`method` to be one of"):
        chunked.skeletonize(mask, method="zhang")
    with pytest.raises(ValueError, match="`mask` to be finite"):
        chunked.skeletonize(mask + np.inf)
    with pytest.raises(ValueError, match="`radius` to be at least 0"):
        chunked.tubed_skeleton(mask, radius=-1)
    with pytest.raises(ValueError, match="negative"):
        chunked.tubed_skeleton(mask - 1)
