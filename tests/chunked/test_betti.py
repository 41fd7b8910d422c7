from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from monai_topoloss import chunked, topology
from tests.chunked.volumes import assert_same, cut, make_shape

pytestmark = pytest.mark.usefixtures("synchronous")


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(15))
def test_as_in_memory(seed, ndim):
    rng = np.random.default_rng(seed)
    mask = rng.random(make_shape(rng, ndim)) < rng.choice([0.3, 0.5, 0.8, 0.95])
    connectivity = int(rng.integers(1, ndim + 1))
    parts = cut(rng, mask * 3.0 if seed % 3 == 0 else mask)
    expected = topology.betti_numbers(mask, connectivity=connectivity, spatial_dims=ndim)
    euler = topology.euler_number(mask, connectivity=connectivity, spatial_dims=ndim)
    assert_same(chunked.betti_numbers(parts, connectivity=connectivity), expected)
    assert_same(chunked.euler_number(parts, connectivity=connectivity), euler)


@pytest.mark.parametrize("chunks", [(1, 9, 9), (9, 1, 5), 3, 5])
def test_a_cavity_that_spans_chunks(chunks):
    mask = np.ones((9, 9, 9), bool)
    mask[1:8, 4, 1:8] = mask[4, 1:8, 4] = False  # one, of two sheets
    assert chunked.betti_numbers(da.from_array(mask, chunks=chunks)).compute().tolist() == [1, 0, 1]
    mask[0, 4, 4] = False  # opens it
    assert chunked.betti_numbers(da.from_array(mask, chunks=chunks)).compute().tolist() == [1, 0, 0]


def test_a_ring_through_many_chunks():
    mask = np.zeros((12, 12), bool)
    mask[1:-1, 1:-1] = True
    mask[3:-3, 3:-3] = False
    assert chunked.betti_numbers(da.from_array(mask, chunks=1)).compute().tolist() == [1, 1]


@pytest.mark.parametrize("shape", [(0, 3), (4, 0, 2)])
def test_empty(shape):
    mask = da.zeros(shape, dtype=bool)
    assert chunked.betti_numbers(mask).compute().tolist() == [0] * len(shape)
    assert int(chunked.euler_number(mask)) == 0


def test_errors():
    with pytest.raises(ValueError, match="`mask` to be finite"):
        chunked.euler_number(da.full((4, 4), np.nan)).compute()
    with pytest.raises(ValueError, match="`connectivity` from 1 to 3"):
        chunked.betti_numbers(da.zeros((4, 4, 4)), connectivity=4)
    with pytest.raises(TypeError, match="`mask` to be a dask"):
        chunked.euler_number(np.zeros((4, 4)))
