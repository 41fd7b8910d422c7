from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage
from skimage import measure

from monai_topoloss.topology import critical_components, label_components


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(60))
def test_masks_as_scipy_labels_them(ndim, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, (0, 0, 40, 14)[ndim], ndim)) < rng.random()
    for connectivity in range(1, ndim + 1):
        expected, count = ndimage.label(mask, ndimage.generate_binary_structure(ndim, connectivity))
        found = label_components(mask, connectivity=connectivity)
        np.testing.assert_array_equal(found.labels, expected)
        assert found.counts == count
        assert found.labels.dtype == np.int32


def in_raster_order(labels):
    """Renumber labels by where they first occur."""
    values, first = np.unique(labels[labels > 0], return_index=True)
    numbers = np.zeros(labels.max() + 1, int)
    numbers[values[np.argsort(first)]] = np.arange(1, len(values) + 1)
    return numbers[labels]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("largest", [3, 200, 2**40])
def test_instances_as_scikit_image_labels_them(ndim, largest):
    rng = np.random.default_rng(0)
    ids = np.append(0, rng.integers(1, largest, 4))
    for _ in range(20):
        image = ids[rng.integers(0, 5, rng.integers(1, (0, 0, 40, 14)[ndim], ndim))]
        expected, count = measure.label(image, return_num=True)
        expected = in_raster_order(expected)
        found = label_components(image)
        np.testing.assert_array_equal(found.labels, expected)
        assert found.counts == count


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32])
@pytest.mark.parametrize("seed", range(6))
def test_objects_that_touch_in_wide_volumes(dtype, seed):
    """Smooth objects of several ids, in rows of many voxels: what is in front decides most of it."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, (9, 12, 150)))
    field = ndimage.gaussian_filter(rng.random(shape), (1, 1, 2.5)) if seed else rng.random(shape)
    ranks = field.argsort(axis=None).argsort().reshape(shape)
    image = (4 * ranks // ranks.size * (1 if seed % 2 else 60)).astype(dtype)
    for connectivity in (1, 2, 3):
        expected, count = measure.label(image.astype(int), return_num=True, connectivity=connectivity)
        found = label_components(image, connectivity=connectivity, spatial_dims=3)
        np.testing.assert_array_equal(found.labels, in_raster_order(expected))
        assert found.counts == count


@pytest.mark.parametrize("shape", [(5, 230, 300), (3, 2, 70000), (1, 900, 100)])
@pytest.mark.parametrize("highest", [9, 2**16 - 1, 2**16, 2**17 - 1])
def test_ids_are_compared_in_fewer_bytes_where_they_fit(highest, shape):
    """Ids of eight bytes, of which a part of the volume at a time is copied to two: ids a multiple of 2**16 apart."""
    rng = np.random.default_rng(highest)
    ids = np.array([0, 1, highest // 2, highest])
    ranks = ndimage.gaussian_filter(rng.random(shape), (1, 1, 4)).argsort(axis=None).argsort()
    image = ids[4 * ranks.reshape(shape) // ranks.size]
    for connectivity in (1, 3):
        expected, count = measure.label(image, return_num=True, connectivity=connectivity)
        found = label_components(image, connectivity=connectivity, spatial_dims=3)
        assert found.counts == count
        np.testing.assert_array_equal(found.labels, in_raster_order(expected))


@pytest.mark.parametrize("connectivity", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 61, 62, 63, 124, 125, 200])
def test_masks_of_every_width(width, connectivity):
    """Words of bits hold 62 voxels, and blocks of ids 16."""
    rng = np.random.default_rng(width)
    for density in (0.3, 0.7, 0.97):
        mask = rng.random((4, 5, width)) < density
        expected, count = ndimage.label(mask, ndimage.generate_binary_structure(3, connectivity))
        types = np.uint8, np.uint16, np.int32, np.uint32, np.int64
        for image in (mask, 7 * mask.astype(np.uint8), *(mask.astype(dtype) for dtype in types)):
            found = label_components(image, connectivity=connectivity)
            np.testing.assert_array_equal(found.labels, expected)
            assert found.counts == count


@pytest.mark.parametrize(("low", "high"), [(1, 65), (63, 127), (1, 129), (2**30 - 1, 2**31 - 1), (1, 2**31 + 1)])
def test_ids_that_differ_in_high_bits_are_told_apart(low, high):
    image = np.array([[low, low, high, high]])
    assert label_components(image).labels.tolist() == [[1, 1, 2, 2]]
    for gone in ([1, 2], [1]):  # of two objects the ends, of one the middle
        broken = image.copy()
        broken[0, gone] = 0
        for pair in ((broken, image), (broken.T, image.T)):  # along rows, and from row to row
            assert critical_components(*pair).n_splits == 0
            assert critical_components(pair[0], pair[1] != 0).n_splits == 1


def test_batches_and_devices(device):
    batch = torch.rand(2, 3, 5, 6, 7, device=device) < 0.4
    found = label_components(batch, spatial_dims=3)
    assert found.labels.device.type == found.counts.device.type == device.type
    assert found.counts.shape == (2, 3)
    assert found.counts[1, 2] == found.labels[1, 2].max()
    image = MetaTensor(batch[0, 0].float(), affine=2 * torch.eye(4))
    assert isinstance(label_components(image).labels, MetaTensor)
    assert not isinstance(label_components(image).counts, MetaTensor)
    assert label_components(batch[:0], spatial_dims=3).counts.shape == (0, 3)


@pytest.mark.parametrize(
    ("image", "options", "error", "message"),
    [
        ([1], {}, TypeError, "Expected `image` to be a torch.Tensor or a numpy.ndarray"),
        (np.zeros((2, 2)) - 1, {}, ValueError, "Expected `image` to hold no negative class ids"),
        (np.zeros((2, 2)) + 0.5, {}, ValueError, "Expected `image` to hold class ids, which are whole numbers"),
        (np.zeros(3), {}, ValueError, "Expected `image` to have 2 or 3 axes"),
        (np.zeros((2, 2)), {"connectivity": 4}, ValueError, "Expected `connectivity` from 1 to 2"),
    ],
)
def test_bad_arguments(image, options, error, message):
    with pytest.raises(error, match=message):
        label_components(image, **options)


def test_axes_of_length_one_may_have_any_step():
    """PyTorch refuses arrays whose steps are no multiple of an element, where NumPy takes them for contiguous."""
    image = np.lib.stride_tricks.as_strided(np.ones(4, np.int32), (1, 4), (3, 4))
    assert label_components(image).labels.tolist() == [[1, 1, 1, 1]]
