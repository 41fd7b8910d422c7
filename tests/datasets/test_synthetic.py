from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label as label_components

from monai_topoloss.datasets import synthetic_datalist, synthetic_vessels


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (40, 32, 48)])
def test_shapes_types_and_values(size):
    image, label = synthetic_vessels(size, seed=0)
    assert image.shape == label.shape == (1, *size)
    assert (image.dtype, label.dtype) == (np.float32, np.uint8)
    assert set(np.unique(label)) == {0, 1}
    assert np.isfinite(image).all()
    assert -0.5 < image.min() < image.max() < 2


def test_the_same_seed_gives_the_same_image():
    first, again, other = (synthetic_vessels((64, 64), seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize("size", [(128, 128), (64, 64, 64)])
def test_vessels_are_thin_connected_and_brighter(size):
    shares, pieces = [], []
    for seed in range(8):
        image, label = synthetic_vessels(size, seed=seed)
        mask = label > 0
        shares.append(mask.mean())
        pieces.append(label_components(mask[0], connectivity=len(size)).max())
        assert image[mask].mean() > image[~mask].mean() + 0.05
    assert 0.001 < np.mean(shares) < 0.25
    assert sorted(pieces)[4] == 1  # a branch may leave the image and come back


def test_trees_branch_and_taper():
    _, label = synthetic_vessels((192, 192), seed=0)
    mask = label[0] > 0
    thick = np.lib.stride_tricks.sliding_window_view(mask, (5, 5)).all(axis=(2, 3)).any()
    thin = (mask & ~np.roll(mask, 2, 0) & ~np.roll(mask, -2, 0)).any()
    assert thick
    assert thin


def test_trees_are_classes():
    _, label = synthetic_vessels((96, 96), seed=0, num_trees=3)
    assert set(np.unique(label)) == {0, 1, 2, 3}


def test_datalists_share_no_case():
    lists = [synthetic_datalist(3, (32, 32), seed=seed) for seed in (0, 1)]
    images = [case["image"].tobytes() for cases in lists for case in cases]
    assert len(set(images)) == 6
    again = synthetic_datalist(3, (32, 32), seed=0)
    assert all(np.array_equal(a["label"], b["label"]) for a, b in zip(lists[0], again, strict=True))
    assert set(np.unique(synthetic_datalist(1, (48, 48), num_trees=2)[0]["label"])) == {0, 1, 2}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"spatial_size": (64,)}, ValueError, r"`spatial_size` to be 2 or 3 numbers, got \(64,\)"),
        ({"spatial_size": 32}, TypeError, "`spatial_size` to be a sequence, got int"),
        ({"spatial_size": (64, 8)}, ValueError, "`spatial_size` to be at least 16, got 8"),
        ({"spatial_size": (64, 64.0)}, TypeError, "`spatial_size` to be an int, got float"),
        ({"spatial_size": (64, 64), "num_trees": 0}, ValueError, "`num_trees` to be at least 1, got 0"),
        ({"spatial_size": (64, 64), "num_trees": 256}, ValueError, "`num_trees` to be at most 255, got 256"),
        ({"spatial_size": (64, 64), "num_lesions": -1}, ValueError, "`num_lesions` to be at least 0, got -1"),
    ],
)
def test_bad_inputs_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        synthetic_vessels(**arguments, seed=0)
