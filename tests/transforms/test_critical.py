from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import AsDiscreted, Compose, LoadImage, SaveImaged

from monai_topoloss.topology import critical_components
from monai_topoloss.transforms import CriticalComponents, CriticalComponentsd


def make_pair(ids=2, shape=(9, 10)):
    rng = np.random.default_rng(0)
    return rng.integers(0, ids, (2, 1, *shape))


@pytest.mark.parametrize("shape", [(9, 10), (4, 5, 6)])
@pytest.mark.parametrize("num_classes", [None, 3])
def test_one_channel(shape, num_classes):
    pred, label = make_pair(3, shape)
    splits, merges, n_splits, n_merges = CriticalComponents(num_classes=num_classes)(pred, label)
    found = critical_components(pred[0], label[0], num_classes=num_classes)
    for map_, expected in (splits, found.splits), (merges, found.merges):
        assert isinstance(map_, np.ndarray)
        assert map_.dtype == np.uint8
        np.testing.assert_array_equal(map_, expected[None])
    assert n_splits.shape == n_merges.shape == ((1,) if num_classes is None else (2,))
    np.testing.assert_array_equal(n_splits, np.atleast_1d(found.n_splits))
    np.testing.assert_array_equal(n_merges, np.atleast_1d(found.n_merges))


def one_hot(ids, count):
    return np.concatenate([ids == k for k in range(count)])


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("include_background", [True, False])
def test_several_channels_are_united(include_background, count):
    pred, label = make_pair(count)
    options = {"include_background": include_background}
    found = CriticalComponents(**options)(one_hot(pred, count), one_hot(label, count))
    alone = [critical_components(pred[0] == k, label[0] == k) for k in range(1 - include_background, count)]
    np.testing.assert_array_equal(found.splits[0], np.any([each.splits for each in alone], axis=0))
    np.testing.assert_array_equal(found.merges[0], np.any([each.merges for each in alone], axis=0))
    assert found.n_splits.tolist() == [each.n_splits for each in alone]
    assert found.n_merges.tolist() == [each.n_merges for each in alone]


@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("options", [{}, {"ignore_index": 9}, {"connectivity": 1}])
def test_maps_of_each_class(options, as_tensor):
    """Of class ids as of channels, and each as of its class alone; the union is the map without `per_class`."""
    pred, label = make_pair(4, (12, 13))
    if "ignore_index" in options:
        label[0, :4] = 9
        pred[0, 0] = 9  # what is ignored may hold any id
    pair = (torch.from_numpy(pred), torch.from_numpy(label)) if as_tensor else (pred, label)
    found = CriticalComponents(num_classes=4, per_class=True, **options)(*pair)
    united = CriticalComponents(num_classes=4, **options)(*pair)
    assert found.splits.shape == found.merges.shape == (3, 12, 13)
    for k, (splits, merges) in enumerate(zip(found.splits, found.merges, strict=True), start=1):
        own = np.where(label[0] == 9, 9, label[0] == k)
        alone = critical_components((pred[0] == k).astype(int), own, **options)
        np.testing.assert_array_equal(splits, alone.splits)
        np.testing.assert_array_equal(merges, alone.merges)
        assert (found.n_splits[k - 1], found.n_merges[k - 1]) == (alone.n_splits, alone.n_merges)
    for name in ("splits", "merges"):
        np.testing.assert_array_equal(getattr(found, name).any(0), getattr(united, name)[0])
        assert getattr(found, f"n_{name}").tolist() == getattr(united, f"n_{name}").tolist()
        assert type(getattr(found, f"n_{name}")) is (torch.Tensor if as_tensor else np.ndarray)
    if "ignore_index" not in options:
        channels = CriticalComponents(per_class=True, **options)(one_hot(pred, 4), one_hot(label, 4))
        np.testing.assert_array_equal(channels.splits, found.splits)
        np.testing.assert_array_equal(channels.n_merges, found.n_merges)


def test_options_reach_the_search():
    """A diagonal line is in one piece for 8 neighbours only, and a gap is none where the label is ignored."""
    label = np.eye(9, dtype=np.uint8)[None]
    pred = label.copy()
    pred[0, 4, 4] = 0
    assert CriticalComponents()(pred, label).n_splits.tolist() == [1]
    assert CriticalComponents(connectivity=1)(pred, label).n_splits.tolist() == [1]
    pred[0, 3, 3] = 0
    assert CriticalComponents()(pred, label).n_splits.tolist() == [1]
    assert CriticalComponents(connectivity=1)(pred, label).n_splits.tolist() == [2]
    label[0, 3:5, 3:5] = 7 * (label[0, 3:5, 3:5] > 0)
    assert CriticalComponents(ignore_index=7)(pred, label).n_splits.tolist() == [0]
    sample = {"pred": pred, "label": label}
    for options, count in (({"ignore_index": 7}, 0), ({"connectivity": 1}, 2)):
        assert CriticalComponentsd("pred", **options)(sample)["n_splits_pred"].tolist() == [count]


@pytest.mark.parametrize("per_class", [False, True])
def test_class_ids_are_checked(per_class):
    pred, label = make_pair(4)
    with pytest.raises(ValueError, match=r"Expected `(img|input)` to hold class ids below 3, .* got 3"):
        CriticalComponents(num_classes=3, per_class=per_class)(pred, np.zeros_like(label))
    with pytest.raises(ValueError, match=r"Expected `(label|target)` to hold class ids below 3, .* got 3"):
        CriticalComponents(num_classes=3, per_class=per_class)(np.zeros_like(pred), label)


def test_metadata_devices_and_pickling(device):
    pred, label = (MetaTensor(torch.from_numpy(x), affine=3 * torch.eye(4)).to(device) for x in make_pair())
    transform = pickle.loads(pickle.dumps(CriticalComponents(ignore_index=7, connectivity=1)))
    found = transform(pred, label)
    for map_ in found[:2]:
        assert isinstance(map_, MetaTensor)
        assert map_.device.type == device.type
        assert map_.dtype == torch.uint8
        torch.testing.assert_close(map_.affine, pred.affine)
    assert {type(count) for count in found[2:]} == {torch.Tensor}


def test_error_maps_are_saved(tmp_path):
    pred, label = (MetaTensor(torch.from_numpy(x).float(), meta={"filename_or_obj": "case.png"}) for x in make_pair())
    save = SaveImaged(
        "splits_pred", output_dir=tmp_path, output_ext=".png", output_postfix="splits", scale=255, separate_folder=False
    )
    steps = Compose([AsDiscreted(["pred", "label"], to_onehot=2), CriticalComponentsd("pred"), save])
    items = steps({"pred": pred, "label": label})
    assert set(items) == {"pred", "label", "splits_pred", "merges_pred", "n_splits_pred", "n_merges_pred"}
    saved = LoadImage(image_only=True)(tmp_path / "case_splits.png")
    torch.testing.assert_close(saved.as_tensor(), 255 * items["splits_pred"][0].as_tensor().float())


def test_keys_and_missing_keys():
    pred, label = make_pair()
    items = {"a": pred, "truth": label}
    found = CriticalComponentsd("a", "truth", prefix=("s_", "m_"))(items)
    assert set(found) == {"a", "truth", "s_a", "m_a", "n_s_a", "n_m_a"}
    for name, expected in zip(("s_a", "m_a", "n_s_a", "n_m_a"), CriticalComponents()(pred, label), strict=True):
        np.testing.assert_array_equal(found[name], expected)
    overwritten = CriticalComponentsd("a", "truth", prefix=["", "merges_"])(items)
    assert set(overwritten) == {"a", "truth", "merges_a", "n_a", "n_merges_a"}
    np.testing.assert_array_equal(overwritten["a"], found["s_a"])
    assert set(items) == {"a", "truth"}
    with pytest.raises(KeyError):
        CriticalComponentsd(["a", "b"], "truth")(items)
    assert "splits_b" not in CriticalComponentsd(["a", "b"], "truth", allow_missing_keys=True)(items)


@pytest.mark.parametrize(
    ("options", "pred", "label", "message"),
    [
        ({}, np.zeros((2, 2)), np.zeros((2, 2)), r"Expected `img` of shape \(C, \*spatial\)"),
        ({}, np.zeros((1, 2, 2)), np.zeros((2, 2, 2)), r"Expected `label` of the shape of `img`, \(1, 2, 2\)"),
        ({"num_classes": 3}, np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), "one channel of class ids for `num_classes`"),
        ({}, np.full((1, 2, 2), 0.5), np.zeros((1, 2, 2)), "whole numbers"),
    ],
)
def test_bad_values(options, pred, label, message):
    with pytest.raises(ValueError, match=message):
        CriticalComponents(**options)(pred, label)


def test_bad_kinds():
    with pytest.raises(TypeError, match=r"Expected `label` to be a torch.Tensor or a numpy.ndarray, got str"):
        CriticalComponents()(np.zeros((1, 2, 2)), "label")


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors():
    image = torch.zeros(1, 2, 2)
    nested = torch.nested.nested_tensor([torch.zeros(2, 2), torch.zeros(1, 2)])
    for name, pair in (("img", (nested, image)), ("label", (image, nested))):
        with pytest.raises(
            TypeError, match=f"Expected `{name}` to be a dense tensor of real numbers, got a nested one"
        ):
            CriticalComponents()(*pair)


def test_too_many_classes():
    with pytest.raises(ValueError, match="Expected `num_classes` to be at most 2147483648, got 10"):
        CriticalComponents(num_classes=10**30)
