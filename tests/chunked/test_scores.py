from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import torch

from monai_topoloss import chunked, metrics
from monai_topoloss.backends.cpu.partitions import compare_pairs
from tests.chunked.volumes import cut, make_shape

pytestmark = pytest.mark.usefixtures("synchronous")

OF_OBJECTS = {
    "variation_of_information": ("score", ["sum", "split", "merge"]),
    "adapted_rand_error": ("score", ["error", "precision", "recall"]),
    "critical_error": ("kind", ["splits", "merges", "splits_per_object", "merges_per_object", "fraction"]),
}
OF_MASKS = {
    "betti_error": ("kind", [0, 1, "sum", "euler"]),
    "centerline_dice": ("score", ["cldice", "precision", "sensitivity"]),
}


def make_pair(rng, ndim, *, instances):
    label = rng.random(make_shape(rng, ndim, longest=9)) < rng.choice([0, 0.3, 0.5, 0.8])
    prediction = np.where(rng.random(label.shape) < rng.choice([0.1, 0.4]), ~label, label)
    if instances:
        return prediction * rng.integers(1, 400, label.shape), label * rng.integers(1, 4, label.shape)
    return prediction, label.astype(np.uint8)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("instances", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_as_in_memory(seed, ndim, instances):
    rng = np.random.default_rng(seed)
    prediction, label = make_pair(rng, ndim, instances=instances)
    options = {}
    if seed % 3 == 0:
        label = np.where(rng.random(label.shape) < 0.2, 9, label)
        options["ignore_index"] = 9
    parts = cut(rng, prediction, most=3), cut(rng, label, most=3)
    whole = [torch.as_tensor(each)[None, None] for each in (prediction, label)]
    expected, found, of = [], [], []
    for name, (keyword, values) in (OF_OBJECTS if instances else OF_OBJECTS | OF_MASKS).items():
        for value in values:
            given = {keyword: value, "ignore_empty": bool(rng.random() < 0.5), **options}
            if name in OF_OBJECTS:
                given["instances"] = instances
            if name != "centerline_dice":
                given["connectivity"] = int(rng.integers(1, ndim + 1))
            if name in ("variation_of_information", "adapted_rand_error"):
                given["foreground_only"] = bool(rng.random() < 0.5)
            expected.append(getattr(metrics, f"compute_{name}")(*whole, **given)[0, 0].item())
            found.append(getattr(chunked, name)(*parts, **given))
            of.append((name, given))
    for result, computed, value, call in zip(found, dask.compute(*found), expected, of, strict=True):
        np.testing.assert_array_equal(computed, value, err_msg=str(call))  # NaN is equal to NaN
        assert result.dtype == computed.dtype == np.float32
        assert result.shape == computed.shape == ()


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_lengths_as_in_memory(seed, ndim):
    rng = np.random.default_rng(seed)
    prediction, label = make_pair(rng, ndim, instances=False)
    spacing = tuple(rng.choice([0.4, 1.0, 2.5], ndim).tolist())
    parts = cut(rng, prediction, most=3), cut(rng, label, most=3)
    whole = [torch.as_tensor(each)[None, None] for each in (prediction, label)]
    for score in ("cldice", "precision", "sensitivity"):
        expected = metrics.compute_centerline_dice(*whole, score=score, spacing=spacing)[0, 0].item()
        found = chunked.centerline_dice(*parts, score=score, spacing=spacing).compute()
        np.testing.assert_array_equal(found, expected)


def test_sums_do_not_depend_on_chunks():
    """Entropies are sums of many shares, whose order must not matter to the last bit."""
    rng = np.random.default_rng(0)
    label, prediction = (rng.integers(0, 50, (20, 20, 20)) for _ in range(2))
    values = set()
    for chunks in (20, 7, (1, 20, 20), (20, 20, 3)):
        pair = (da.from_array(each, chunks=chunks) for each in (prediction, label))
        values.add(float(chunked.variation_of_information(*pair, instances=True)))
    assert len(values) == 1


def test_sums_do_not_depend_on_the_order_of_pairs():
    rng = np.random.default_rng(0)
    inputs, targets = (each.reshape(-1) for each in np.indices((40, 40)))
    counts = rng.integers(1, 10**6, 1600)
    orders = [rng.permutation(1600) for _ in range(8)]
    pairs = [(inputs[order], targets[order], counts[order]) for order in orders]
    assert len({compare_pairs(*each, foreground_only=False).tobytes() for each in pairs}) == 1


def test_errors():
    mask = da.zeros((4, 4), dtype=int, chunks=2)
    with pytest.raises(ValueError, match="`y` of the shape of `y_pred`"):
        chunked.betti_error(mask, mask[:3])
    with pytest.raises(TypeError, match="`y_pred` to be a dask"):
        chunked.centerline_dice(np.zeros((4, 4)), mask)
    with pytest.raises(ValueError, match="`y_pred` to hold 0 and 1"):
        chunked.variation_of_information(mask + 2, mask).compute()
    with pytest.raises(ValueError, match="`score` to be one of"):
        chunked.adapted_rand_error(mask, mask, score="dice")
    with pytest.raises(ValueError, match="`kind` to be one of"):
        chunked.betti_error(mask, mask, kind=2)
    with pytest.raises(ValueError, match="`kind` to be one of"):
        chunked.critical_error(mask, mask, kind="holes")
    with pytest.raises(ValueError, match="`ignore_index` to be another value than 1"):
        chunked.critical_error(mask, mask, ignore_index=1)
