from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from monai_topoloss import chunked, topology
from monai_topoloss._checks import sizes
from tests.chunked.volumes import assert_same, cut, make_shape, spiral

pytestmark = pytest.mark.usefixtures("synchronous")


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_as_in_memory(seed, ndim):
    rng = np.random.default_rng(seed)
    image = rng.random(make_shape(rng, ndim)) < rng.choice([0.1, 0.3, 0.5, 0.8])
    if seed % 3 == 0:
        image = image * rng.choice([1, 7, 300, 2**40], image.shape)
    if seed % 4 == 1:
        image = image.astype(np.float32)
    connectivity = int(rng.integers(1, ndim + 1))
    parts = cut(rng, image)
    found = chunked.label_components(parts, connectivity=connectivity)
    expected = topology.label_components(image, connectivity=connectivity, spatial_dims=ndim)
    assert_same(found.labels, expected.labels, parts.chunks)
    assert_same(found.counts, expected.counts)


@pytest.mark.parametrize("chunks", [1, 3, (1, 17), 17])
def test_a_spiral_is_one(chunks):
    image = spiral(17)
    found = chunked.label_components(da.from_array(image, chunks=chunks), connectivity=1)
    assert int(found.counts) == 1
    assert_same(found.labels, image.astype(np.int32))


@pytest.mark.parametrize("corner", [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)])
def test_voxels_that_meet_where_eight_chunks_do(corner):
    image = np.zeros((4, 4, 4), bool)
    image[tuple(1 + each for each in corner)] = image[tuple(2 - each for each in corner)] = True
    parts = da.from_array(image, chunks=2)
    assert [int(chunked.label_components(parts, connectivity=k).counts) for k in (1, 2, 3)] == [2, 2, 1]


def test_default_connectivity_is_all():
    image = da.from_array(np.eye(6), chunks=2)
    assert int(chunked.label_components(image).counts) == 1
    assert int(chunked.label_components(image, connectivity=1).counts) == 6


@pytest.mark.parametrize("shape", [(0, 3), (4, 0, 2), (0, 0)])
def test_empty(shape):
    found = chunked.label_components(da.zeros(shape, dtype=bool))
    assert found.labels.compute().shape == shape
    assert int(found.counts) == 0


def test_numbers_of_volumes_beyond_32_bits_are_int64():
    assert chunked.label_components(da.zeros((2**11, 2**10, 2**10), bool, chunks=512)).labels.dtype == np.int64
    assert chunked.label_components(da.zeros((2**11 - 1, 2**10, 2**10), bool, chunks=512)).labels.dtype == np.int32


def test_errors():
    with pytest.raises(TypeError, match=r"`image` to be a dask\.array\.Array, got ndarray"):
        chunked.label_components(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="`image` to have 2 or 3 axes"):
        chunked.label_components(da.zeros(3))
    with pytest.raises(TypeError, match="`image` to be"):
        chunked.label_components(da.zeros((3, 3), dtype=complex))
    with pytest.raises(ValueError, match="`connectivity` from 1 to 2"):
        chunked.label_components(da.zeros((3, 3)), connectivity=3)
    image = da.zeros((4, 4))
    with pytest.raises(ValueError, match="known shape"):
        chunked.label_components(image[image[:, 0] == 0])
    with pytest.raises(ValueError, match="negative"):
        chunked.label_components(da.full((4, 4), -1, chunks=2)).counts.compute()


def test_chunks_that_32_bits_cannot_number():
    image = da.zeros((2**11, 2**11, 2**9), bool, chunks=-1)
    with pytest.raises(
        ValueError, match="`image` in chunks of at most 2147483647 voxels, got one of 2147483648: see its"
    ):
        chunked.label_components(image)
    chunked.label_components(image.rechunk((1024, -1, -1)))


def test_numbers_that_32_bits_do_not_hold(monkeypatch):
    monkeypatch.setattr(sizes, "HIGHEST", 100)
    image = np.random.default_rng(0).random((11, 12, 13)) < 0.3
    found = chunked.label_components(da.from_array(image, chunks=4))
    expected = topology.label_components(image, spatial_dims=3)
    assert expected.labels.dtype == np.int64
    assert_same(found.labels, expected.labels)
    assert int(found.counts) == int(expected.counts)
