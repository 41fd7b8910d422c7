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
    splits, merges = CriticalComponents(num_classes=num_classes)(pred, label)
    found = critical_components(pred[0], label[0], num_classes=num_classes)
    for map_, expected in (splits, found.splits), (merges, found.merges):
        assert isinstance(map_, np.ndarray)
        assert map_.dtype == np.uint8
        np.testing.assert_array_equal(map_[0], expected)


@pytest.mark.parametrize("include_background", [True, False])
def test_several_channels_are_united(include_background):
    pred, label = make_pair(3)
    pred_channels, label_channels = (np.concatenate([image == k for k in range(3)]) for image in (pred, label))
    splits, merges = CriticalComponents(include_background=include_background)(pred_channels, label_channels)
    alone = [critical_components(pred[0] == k, label[0] == k) for k in range(1 - include_background, 3)]
    np.testing.assert_array_equal(splits[0], np.any([each.splits for each in alone], axis=0))
    np.testing.assert_array_equal(merges[0], np.any([each.merges for each in alone], axis=0))


def test_metadata_devices_and_pickling(device):
    pred, label = (MetaTensor(torch.from_numpy(x), affine=3 * torch.eye(4)).to(device) for x in make_pair())
    transform = pickle.loads(pickle.dumps(CriticalComponents(ignore_index=7, connectivity=1)))
    for map_ in transform(pred, label):
        assert isinstance(map_, MetaTensor)
        assert map_.device.type == device.type
        assert map_.dtype == torch.uint8
        torch.testing.assert_close(map_.affine, pred.affine)


def test_error_maps_are_saved(tmp_path):
    pred, label = (MetaTensor(torch.from_numpy(x).float(), meta={"filename_or_obj": "case.png"}) for x in make_pair())
    save = SaveImaged(
        "pred_splits", output_dir=tmp_path, output_ext=".png", output_postfix="splits", scale=255, separate_folder=False
    )
    steps = Compose([AsDiscreted(["pred", "label"], to_onehot=2), CriticalComponentsd("pred"), save])
    items = steps({"pred": pred, "label": label})
    assert set(items) == {"pred", "label", "pred_splits", "pred_merges"}
    saved = LoadImage(image_only=True)(tmp_path / "case_splits.png")
    torch.testing.assert_close(saved.as_tensor(), 255 * items["pred_splits"][0].as_tensor().float())


def test_keys_and_missing_keys():
    pred, label = make_pair()
    items = {"a": pred, "truth": label}
    found = CriticalComponentsd("a", "truth", splits_postfix="_s", merges_postfix="_m")(items)
    assert set(found) == {"a", "truth", "a_s", "a_m"}
    assert set(items) == {"a", "truth"}
    with pytest.raises(KeyError):
        CriticalComponentsd(["a", "b"], "truth")(items)
    assert "b_splits" not in CriticalComponentsd(["a", "b"], "truth", allow_missing_keys=True)(items)


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


def test_bad_kinds_and_names():
    with pytest.raises(TypeError, match=r"Expected `label` to be a torch.Tensor or a numpy.ndarray, got str"):
        CriticalComponents()(np.zeros((1, 2, 2)), "label")
    with pytest.raises(ValueError, match="Expected postfixes that differ, got '_x', '_x'"):
        CriticalComponentsd("pred", splits_postfix="_x", merges_postfix="_x")
