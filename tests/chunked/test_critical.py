from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from monai_topoloss import chunked, topology
from tests.chunked.volumes import assert_same, cut, make_shape, spiral

pytestmark = pytest.mark.usefixtures("synchronous")

KINDS = ["masks", "masks of ids", "instances", "classes", "ignored", "mask and instances"]


def make_pair(rng, ndim, kind):
    """Make an input and a target that resemble each other."""
    target = rng.random(make_shape(rng, ndim, longest=9)) < rng.choice([0.3, 0.5, 0.8])
    input = np.where(rng.random(target.shape) < rng.choice([0.1, 0.4]), ~target, target)
    options = {}
    if kind == "masks of ids":
        target, input = target.astype(np.uint8) * 255, input.astype(np.float32)
    if kind in ("instances", "classes", "mask and instances"):
        target = target * rng.integers(1, 4, target.shape)
    if kind in ("instances", "classes"):
        input = input * rng.integers(1, 4, input.shape)
    if kind == "classes":
        options["num_classes"] = 4
    if kind == "instances":
        target = target * 1000
    if kind == "ignored":
        target = np.where(rng.random(target.shape) < 0.1, 2, target)
        options["ignore_index"] = 2
    return input, target, options


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_as_in_memory(seed, ndim, kind):
    rng = np.random.default_rng(seed)
    input, target, options = make_pair(rng, ndim, kind)
    for name in ("connectivity", "object_connectivity", "mistake_connectivity"):
        if rng.random() < 0.4:
            options[name] = int(rng.integers(1, ndim + 1))
    expected = topology.critical_components(input, target, spatial_dims=ndim, **options)
    parts = cut(rng, input, most=3)
    found = chunked.critical_components(parts, cut(rng, target, most=3), **options)
    assert_same(found.splits, expected.splits, parts.chunks)
    assert_same(found.merges, expected.merges, parts.chunks)
    assert_same(found.n_splits, expected.n_splits)
    assert_same(found.n_merges, expected.n_merges)


@pytest.mark.parametrize("chunks", [1, 4, 17])
def test_a_gap_splits_a_spiral_and_its_end_does_not(chunks):
    target = spiral(17)
    input = target.copy()
    input[0, 0] = input[8, 16] = False
    found = chunked.critical_components(
        da.from_array(input, chunks=chunks), da.from_array(target, chunks=chunks), connectivity=1
    )
    assert (int(found.n_splits), int(found.n_merges)) == (1, 0)
    assert np.argwhere(found.splits.compute()).tolist() == [[8, 16]]


def test_a_mistake_that_spans_all_chunks_is_one():
    target = np.zeros((3, 40), bool)
    target[1] = True
    input = np.zeros_like(target)
    input[1, :2] = input[1, -2:] = True
    found = chunked.critical_components(*(da.from_array(each, chunks=(1, 3)) for each in (input, target)))
    assert int(found.n_splits) == 1
    assert found.splits.compute().sum() == 36


def test_whether_ids_are_a_mask_is_seen_in_the_whole():
    """One id in each chunk are instances if they differ."""
    target = np.repeat([[1, 1, 1, 2, 2, 2]], 2, axis=0)
    input = np.ones_like(target)
    for chunks in ((2, 3), (2, 6)):
        cut_in_two = [da.from_array(each, chunks=chunks) for each in (input, target)]
        expected = topology.critical_components(input, target)
        found = chunked.critical_components(*cut_in_two)
        assert_same(found.n_merges, expected.n_merges)
        assert_same(found.splits, expected.splits)


def test_empty():
    found = chunked.critical_components(da.zeros((0, 4), bool), da.zeros((0, 4), bool))
    assert found.splits.compute().shape == (0, 4)
    assert int(found.n_splits) == 0


def test_errors():
    image = da.zeros((4, 4), dtype=int, chunks=2)
    with pytest.raises(ValueError, match=r"`target` of the shape of `input`, \(4, 4\), got \(4, 3\)"):
        chunked.critical_components(image, da.zeros((4, 3)))
    with pytest.raises(TypeError, match="`target` to be a dask"):
        chunked.critical_components(image, np.zeros((4, 4)))
    with pytest.raises(ValueError, match="`object_connectivity` from 1 to 2"):
        chunked.critical_components(image, image, object_connectivity=3)
    with pytest.raises(ValueError, match="`connectivity` from 1 to 2"):
        chunked.critical_components(image, image, connectivity=0)
    with pytest.raises(ValueError, match="`mistake_connectivity` from 1 to 2"):
        chunked.critical_components(image, image, mistake_connectivity=0)
    with pytest.raises(ValueError, match="`input` to hold class ids below 2"):
        chunked.critical_components(image + 5, image, num_classes=2).n_splits.compute()
