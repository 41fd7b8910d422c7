from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice
from scipy import ndimage

from monai_topoloss.cli.pairs import Pair
from monai_topoloss.cli.scores import METRICS, compute_scores
from monai_topoloss.metrics import (
    compute_adapted_rand_error,
    compute_betti_error,
    compute_centerline_dice,
    compute_critical_error,
    compute_instance_score,
    compute_skeleton_score,
    compute_variation_of_information,
)
from monai_topoloss.topology import label_components

NEURON_SCORES = {
    "nerl": "normalized_erl",
    "erl": "erl",
    "correct_edges": "correct",
    "split_edges": "split",
    "omitted_edges": "omitted",
    "merged_edges": "merged",
    "neuron_splits": "n_splits",
    "neuron_merges": "n_merges",
}


def make_pair(shape, seed):
    rng = np.random.default_rng(seed)
    label = ndimage.gaussian_filter(rng.random(shape), 1) > 0.52
    return label ^ (rng.random(shape) < 0.05), label


def functions(connectivity, patch_size):
    """The public functions that the columns are named after."""
    numbers = {"connectivity": connectivity, "patch_size": patch_size}
    objects = {"connectivity": connectivity}
    return {
        "dice": (compute_dice, {}),
        "cldice": (compute_centerline_dice, {}),
        "tprec": (compute_centerline_dice, {"score": "precision"}),
        "tsens": (compute_centerline_dice, {"score": "sensitivity"}),
        "betti": (compute_betti_error, numbers),
        "betti0": (compute_betti_error, {"kind": 0, **numbers}),
        "betti1": (compute_betti_error, {"kind": 1, **numbers}),
        "betti2": (compute_betti_error, {"kind": 2, **numbers}),
        "euler": (compute_betti_error, {"kind": "euler", **numbers}),
        "splits": (compute_critical_error, objects),
        "merges": (compute_critical_error, {"kind": "merges", **objects}),
        "voi": (compute_variation_of_information, objects),
        "voi_split": (compute_variation_of_information, {"score": "split", **objects}),
        "voi_merge": (compute_variation_of_information, {"score": "merge", **objects}),
        "are": (compute_adapted_rand_error, objects),
        "f1": (of_components(compute_instance_score), objects),
        "pq": (of_components(compute_instance_score), {"score": "pq", **objects}),
        **{
            name: (of_components(compute_skeleton_score), {"score": score, **objects})
            for name, score in NEURON_SCORES.items()
        },
    }


def of_components(function):
    """A score of instances, of the components of masks."""

    def compute(prediction, label, connectivity, **options):
        batch = [
            label_components(mask, connectivity=connectivity, spatial_dims=mask.ndim - 2).labels
            for mask in (prediction, label)
        ]
        return function(*batch, **options)

    return compute


@pytest.mark.parametrize("shape", [(40, 31), (17, 20, 23)])
@pytest.mark.parametrize(("connectivity", "patch_size"), [(None, None), (1, 8), (2, 100), (None, 7)])
@pytest.mark.parametrize("seed", [0, 1])
def test_scores_are_those_of_the_functions(shape, connectivity, patch_size, seed):
    prediction, label = make_pair(shape, seed)
    found = compute_scores(METRICS, Pair(prediction, label, connectivity=connectivity, patch_size=patch_size))
    batch = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, label)]
    for name, value in zip(METRICS, found, strict=True):
        function, options = functions(connectivity, patch_size)[name]
        if name == "betti2" and len(shape) == 2:
            assert math.isnan(value)
        else:
            assert value == pytest.approx(function(*batch, **options).item(), rel=1e-6, abs=1e-6), name


def test_each_alone_is_what_it_is_among_all():
    pair = Pair(*make_pair((17, 20, 23), 0))
    for name, value in zip(METRICS, compute_scores(METRICS, pair), strict=True):
        assert compute_scores([name], pair) == [value]


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("empty", ["prediction", "label", "both"])
def test_empty_masks(name, empty):
    prediction, label = make_pair((9, 10, 11), 0)
    if empty in ("prediction", "both"):
        prediction = np.zeros_like(prediction)
    if empty in ("label", "both"):
        label = np.zeros_like(label)
    (value,) = compute_scores([name], Pair(prediction, label))
    function, options = functions(None, None)[name]
    batch = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, label)]
    assert value == pytest.approx(function(*batch, **options).item(), nan_ok=True, abs=1e-6)


@pytest.mark.parametrize("size", [3, 60])
def test_ids_of_objects(size):
    rng = np.random.default_rng(size)
    prediction, label = rng.integers(0, size, (2, 9, 10, 11), dtype=np.int32)
    pair = Pair(prediction != 0, label != 0, instances=(prediction, label))
    batch = [torch.from_numpy(ids)[None, None] for ids in (prediction, label)]
    names = ("voi", "voi_split", "voi_merge", "are")
    for name, value in zip(names, compute_scores(names, pair), strict=True):
        function, options = functions(None, None)[name]
        assert value == pytest.approx(function(*batch, **options, instances=True).item(), rel=1e-6)


def test_dice_is_exact_where_single_precision_is_not():
    """Sums of more than 2 ** 24 voxels."""
    label = np.ones((2**12, 2**13), bool)
    prediction = label.copy()
    prediction[0, 0] = False
    (value,) = compute_scores(["dice"], Pair(prediction, label))
    assert value == 2 * (2**25 - 1) / (2**26 - 1)


@pytest.mark.parametrize("name", ["voi", "are"])
def test_voxels_that_do_not_count_are_in_no_object(name):
    """Objects as they are, compared where voxels count: the same as of these voxels in another shape."""
    rng = np.random.default_rng(0)
    prediction, label = rng.integers(0, 9, (2, 20, 21), dtype=np.int32)
    counts = rng.random((20, 21)) < 0.7
    masked = [np.where(counts, ids, 0) for ids in (prediction, label)]
    pair = Pair(*(ids != 0 for ids in masked), counts=counts, instances=tuple(masked))
    function, options = functions(None, None)[name]
    rest = [torch.from_numpy(ids[counts])[None, None, None] for ids in (prediction, label)]
    assert compute_scores([name], pair)[0] == pytest.approx(function(*rest, **options, instances=True).item())
