from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label as label_components

from monai_topoloss import affinities
from monai_topoloss.datasets import synthetic_neurites, synthetic_neurites_datalist


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (24, 32, 40)])
def test_shapes_types_and_values(size):
    image, instances = synthetic_neurites(size, seed=0)
    assert image.shape == instances.shape == (1, *size)
    assert (image.dtype, instances.dtype) == (np.float32, np.int32)
    ids = np.unique(instances)
    assert ids[0] == 1
    assert len(ids) == ids[-1]
    assert -0.5 < image.min() < image.max() < 2


@pytest.mark.parametrize("size", [(128, 128), (32, 48, 48)])
def test_neurites_are_in_one_piece_and_touch_at_dark_membranes(size):
    edges = np.eye(len(size), dtype=int).tolist()
    pieces, count = 0, 0
    for seed in range(4):
        image, instances = synthetic_neurites(size, seed=seed)
        pieces += label_components(instances[0], connectivity=len(size), background=0).max()
        count += instances.max()
        right = affinities(instances[0], edges)
        borders = [image[0].take(range(n - 1), k)[~right[k].take(range(n - 1), k)] for k, n in enumerate(size)]
        assert np.concatenate(borders).mean() < image.mean() - 0.05
        assert 0.05 < 1 - right.mean() < 0.4
    assert count > 4 * 10
    assert pieces < 1.05 * count  # one may be cut by a bend of another


def test_the_same_seed_gives_the_same_image():
    first, again, other = (synthetic_neurites((64, 64), seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])


def test_how_many_there_are():
    assert synthetic_neurites((64, 64), seed=0, num_neurites=1)[1].max() == 1
    assert synthetic_neurites((64, 64), seed=0, num_neurites=5)[1].max() == 5
    assert synthetic_neurites((16, 16), seed=0, num_neurites=1000)[1].max() < 100


def test_datalists_share_no_case():
    lists = [synthetic_neurites_datalist(2, (32, 32), seed=seed, num_neurites=3) for seed in (0, 1)]
    assert len({case["image"].tobytes() for cases in lists for case in cases}) == 4
    assert {int(case["label"].max()) for cases in lists for case in cases} == {3}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((64,), ValueError, "2 or 3 numbers"),
        ((8, 64), ValueError, "spatial_size"),
        (64, TypeError, "to be a sequence"),
    ],
)
def test_bad_sizes(arguments, error, message):
    with pytest.raises(error, match=message):
        synthetic_neurites(arguments, seed=0)


def test_bad_numbers():
    with pytest.raises(ValueError, match="num_neurites"):
        synthetic_neurites((32, 32), seed=0, num_neurites=0)
