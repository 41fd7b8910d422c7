from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader, MetaTensor, PersistentDataset
from monai.transforms import Compose, EnsureTyped, RandRotated, Spacingd

import monai_topoloss.transforms as tt
from monai_topoloss.transforms import (
    CriticalComponentsd,
    Skeletonize,
    Skeletonized,
    SoftSkeletonize,
    SoftSkeletonized,
    TubedSkeletonize,
    TubedSkeletonized,
)
from tests.images import random_label

PAIRS = [
    (Skeletonized, Skeletonize, "skeleton_label"),
    (TubedSkeletonized, TubedSkeletonize, "skeleton_label"),
    (SoftSkeletonized, SoftSkeletonize, "soft_skeleton_label"),
]


@pytest.fixture
def sample():
    return {"image": np.zeros((1, 20, 20)), "label": np.resize(random_label("tubes", 2, 0), (1, 20, 20))}


@pytest.mark.parametrize(("dictionary", "array", "name"), PAIRS)
def test_applies_the_array_transform(dictionary, array, name, sample):
    out = dictionary("label")(sample)
    assert set(out) == {"image", "label", name}
    assert set(sample) == {"image", "label"}
    np.testing.assert_array_equal(out[name], array()(sample["label"]))
    assert out["label"] is sample["label"]
    assert dictionary.backend == array.backend


@pytest.mark.parametrize(("dictionary", "array"), [pair[:2] for pair in PAIRS])
def test_keys_and_prefix(dictionary, array, sample):
    sample["vessel"] = sample["label"][:, ::-1]
    out = dictionary(["label", "vessel"], prefix="thin_")(sample)
    assert set(out) == {"image", "label", "vessel", "thin_label", "thin_vessel"}
    np.testing.assert_array_equal(out["thin_vessel"], array()(sample["vessel"]))
    overwritten = dictionary("label", prefix="")(sample)
    assert set(overwritten) == {"image", "label", "vessel"}
    np.testing.assert_array_equal(overwritten["label"], array()(sample["label"]))


def test_keys_that_are_no_strings(sample):
    key = ("label", 1)
    items = {key: sample["label"]}
    assert set(Skeletonized([key], prefix="")(items)) == {key}
    assert set(Skeletonized([key])(items)) == {key, f"skeleton_{key}"}


def make_critical(keys, prefix):
    return CriticalComponentsd(keys, prefix=(prefix, "other_"))


@pytest.mark.parametrize("make", [Skeletonized, SoftSkeletonized, TubedSkeletonized, make_critical])
def test_names_that_monai_takes_for_metadata(make, sample):
    """`Spacingd` calls ``update`` on all items whose key begins with that of an image and an underscore."""
    with pytest.raises(ValueError, match=r"got 'label_thin_label', which begins with 'label_'.*`Spacingd`.*of 'label'"):
        make(["label"], prefix="label_thin_")
    with pytest.raises(ValueError, match="got 'image_label', which begins with 'image_'"):
        make(["label"], prefix="image_")(sample)
    with pytest.raises(ValueError, match="got 'image_image', which begins with 'image_'"):
        make(["image", "label"], prefix="image_")
    assert "images_label" in make(["label"], prefix="images_")(sample)
    assert "name_label" in make(["label"], prefix="name_")({**sample, "name": "case 7"})  # nothing that is resampled


def test_spacingd_takes_them_all():
    """As from NIfTI files, for which alone it looks for metadata."""
    meta = {"filename_or_obj": "case.nii.gz"}
    items = {key: MetaTensor(torch.ones(1, 8, 8, 8), meta=meta) for key in ("image", "label", "pred")}
    made = Compose([TubedSkeletonized("label"), Skeletonized("pred"), CriticalComponentsd("pred")])(items)
    assert len(made) == 9
    images = [key for key in made if not key.startswith("n_")]
    spaced = Spacingd(images, (2, 2, 2), mode="nearest")(made)
    assert {tuple(spaced[key].shape) for key in images} == {(1, 4, 4, 4)}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Skeletonized("label", prefix=None), TypeError, "Expected `prefix` to be a str, got NoneType"),
        (lambda: CriticalComponentsd("pred", prefix="x_"), TypeError, "Expected `prefix` to be two of str, got 'x_'"),
        (lambda: CriticalComponentsd("pred", prefix=("x_", 1)), TypeError, "`prefix` to be two of str, got .'x_', 1."),
        (lambda: CriticalComponentsd("pred", prefix=["x_"]), ValueError, "`prefix` to be two that differ, got .'x_'."),
        (lambda: CriticalComponentsd("pred", prefix=["", ""]), ValueError, "`prefix` to be two that differ"),
    ],
)
def test_bad_prefixes(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(("dictionary", "array", "name"), PAIRS)
def test_missing_keys(dictionary, array, name, sample):  # noqa: ARG001
    with pytest.raises(KeyError, match="nothing"):
        dictionary("nothing")(sample)
    assert set(dictionary(["nothing", "label"], allow_missing_keys=True)(sample)) == {
        "image",
        "label",
        name,
    }


def test_options_reach_the_array_transform(sample):
    options = {"radius": 1, "per_class": True, "ignore_index": 2, "method": "lee", "backend": "cpu"}
    out = TubedSkeletonized("label", **options)(sample)
    np.testing.assert_array_equal(out["skeleton_label"], TubedSkeletonize(**options)(sample["label"]))
    options = {"radius": 1.7, "spacing": 0.8}
    out = TubedSkeletonized("label", **options)(sample)
    np.testing.assert_array_equal(out["skeleton_label"], TubedSkeletonize(**options)(sample["label"]))
    with pytest.raises(TypeError, match="Expected a MetaTensor"):
        TubedSkeletonized("label", units="mm")({"label": np.asarray(sample["label"])})
    options = {"iterations": 1, "num_classes": int(sample["label"].max()) + 1, "ignore_index": 1}
    out = SoftSkeletonized("label", **options)(sample)
    np.testing.assert_array_equal(out["soft_skeleton_label"], SoftSkeletonize(**options)(sample["label"]))
    out = Skeletonized("label", method="lee", backend="cpu")(sample)
    np.testing.assert_array_equal(out["skeleton_label"], Skeletonize(method="lee")(sample["label"]))


def test_monai_aliases():
    assert tt.TubedSkeletonizeD is tt.TubedSkeletonizeDict is tt.TubedSkeletonized
    assert tt.SkeletonizeD is tt.SkeletonizeDict is tt.Skeletonized
    assert tt.SoftSkeletonizeD is tt.SoftSkeletonizeDict is tt.SoftSkeletonized
    assert tt.CriticalComponentsD is tt.CriticalComponentsDict is tt.CriticalComponentsd


@pytest.mark.parametrize("transform", [Skeletonized("label"), TubedSkeletonized("label", radius=1)])
def test_pickle_and_deepcopy(transform, sample):
    for copied in (pickle.loads(pickle.dumps(transform)), copy.deepcopy(transform)):
        np.testing.assert_array_equal(copied(sample)["skeleton_label"], transform(sample)["skeleton_label"])


class CountingTubes(TubedSkeletonized):
    """Counts its calls."""

    calls = 0

    def __call__(self, data):
        type(self).calls += 1
        return super().__call__(data)


@pytest.mark.parametrize("persistent", [False, True])
def test_cached_by_monais_datasets(persistent, sample, tmp_path):
    keys = ["image", "label", "skeleton_label"]
    pipeline = Compose(
        [EnsureTyped(["image", "label"]), CountingTubes("label"), RandRotated(keys, prob=1, range_x=1, mode="nearest")]
    )
    CountingTubes.calls = 0
    if persistent:
        dataset = PersistentDataset([sample] * 2, pipeline, cache_dir=tmp_path)
    else:
        dataset = CacheDataset([sample] * 2, pipeline, progress=False)
    for _ in range(3):
        assert all(dataset[i]["skeleton_label"].shape == (1, 20, 20) for i in range(2))
    assert CountingTubes.calls == (1 if persistent else 2)


def test_in_dataloader_workers(sample):
    dataset = CacheDataset([sample] * 4, Compose([EnsureTyped(["label"]), TubedSkeletonized("label")]), progress=False)
    batches = list(DataLoader(dataset, batch_size=2, num_workers=2))
    expected = torch.from_numpy(TubedSkeletonize()(sample["label"]))
    assert all(torch.equal(b["skeleton_label"][i].as_tensor(), expected) for b in batches for i in range(2))
