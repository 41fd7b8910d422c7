from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader, PersistentDataset
from monai.transforms import Compose, EnsureTyped, RandRotated

import monai_topoloss.transforms as tt
from monai_topoloss.transforms import Skeletonize, Skeletonized, TubedSkeletonize, TubedSkeletonized
from tests.images import random_label

PAIRS = [(Skeletonized, Skeletonize), (TubedSkeletonized, TubedSkeletonize)]


@pytest.fixture
def sample():
    return {"image": np.zeros((1, 20, 20)), "label": np.resize(random_label("tubes", 2, 0), (1, 20, 20))}


@pytest.mark.parametrize(("dictionary", "array"), PAIRS)
def test_applies_the_array_transform(dictionary, array, sample):
    out = dictionary("label")(sample)
    assert set(out) == {"image", "label", "label_skeleton"}
    assert set(sample) == {"image", "label"}
    np.testing.assert_array_equal(out["label_skeleton"], array()(sample["label"]))
    assert out["label"] is sample["label"]
    assert dictionary.backend == array.backend


@pytest.mark.parametrize(("dictionary", "array"), PAIRS)
def test_keys_and_postfix(dictionary, array, sample):
    sample["vessel"] = sample["label"][:, ::-1]
    out = dictionary(["label", "vessel"], postfix="_thin")(sample)
    assert set(out) == {"image", "label", "vessel", "label_thin", "vessel_thin"}
    np.testing.assert_array_equal(out["vessel_thin"], array()(sample["vessel"]))
    overwritten = dictionary("label", postfix="")(sample)
    np.testing.assert_array_equal(overwritten["label"], array()(sample["label"]))


@pytest.mark.parametrize(("dictionary", "array"), PAIRS)
def test_missing_keys(dictionary, array, sample):  # noqa: ARG001
    with pytest.raises(KeyError, match="nothing"):
        dictionary("nothing")(sample)
    assert set(dictionary(["nothing", "label"], allow_missing_keys=True)(sample)) == {
        "image",
        "label",
        "label_skeleton",
    }


def test_options_reach_the_array_transform(sample):
    options = {"radius": 1, "per_class": True, "ignore_index": 2, "method": "lee", "backend": "cpu"}
    out = TubedSkeletonized("label", **options)(sample)
    np.testing.assert_array_equal(out["label_skeleton"], TubedSkeletonize(**options)(sample["label"]))
    out = Skeletonized("label", method="lee", backend="cpu")(sample)
    np.testing.assert_array_equal(out["label_skeleton"], Skeletonize(method="lee")(sample["label"]))


def test_monai_aliases():
    assert tt.TubedSkeletonizeD is tt.TubedSkeletonizeDict is tt.TubedSkeletonized
    assert tt.SkeletonizeD is tt.SkeletonizeDict is tt.Skeletonized


@pytest.mark.parametrize("transform", [Skeletonized("label"), TubedSkeletonized("label", radius=1)])
def test_pickle_and_deepcopy(transform, sample):
    for copied in (pickle.loads(pickle.dumps(transform)), copy.deepcopy(transform)):
        np.testing.assert_array_equal(copied(sample)["label_skeleton"], transform(sample)["label_skeleton"])


class CountingTubes(TubedSkeletonized):
    """Counts its calls."""

    calls = 0

    def __call__(self, data):
        type(self).calls += 1
        return super().__call__(data)


@pytest.mark.parametrize("persistent", [False, True])
def test_cached_by_monais_datasets(persistent, sample, tmp_path):
    keys = ["image", "label", "label_skeleton"]
    pipeline = Compose(
        [EnsureTyped(["image", "label"]), CountingTubes("label"), RandRotated(keys, prob=1, range_x=1, mode="nearest")]
    )
    CountingTubes.calls = 0
    if persistent:
        dataset = PersistentDataset([sample] * 2, pipeline, cache_dir=tmp_path)
    else:
        dataset = CacheDataset([sample] * 2, pipeline, progress=False)
    for _ in range(3):
        assert all(dataset[i]["label_skeleton"].shape == (1, 20, 20) for i in range(2))
    assert CountingTubes.calls == (1 if persistent else 2)


def test_in_dataloader_workers(sample):
    dataset = CacheDataset([sample] * 4, Compose([EnsureTyped(["label"]), TubedSkeletonized("label")]), progress=False)
    batches = list(DataLoader(dataset, batch_size=2, num_workers=2))
    expected = torch.from_numpy(TubedSkeletonize()(sample["label"]))
    assert all(torch.equal(b["label_skeleton"][i].as_tensor(), expected) for b in batches for i in range(2))
