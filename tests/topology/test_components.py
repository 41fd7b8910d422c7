from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage
from skimage import measure

from monai_topoloss.topology import label_components


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


def test_batches_and_devices(device):
    batch = torch.rand(2, 3, 5, 6, 7, device=device) < 0.4
    found = label_components(batch, spatial_dims=3)
    assert found.labels.device.type == found.counts.device.type == device.type
    assert found.counts.shape == (2, 3)
    assert found.counts[1, 2] == found.labels[1, 2].max()
    image = MetaTensor(batch[0, 0].float(), affine=2 * torch.eye(4))
    assert isinstance(label_components(image).labels, MetaTensor)
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
