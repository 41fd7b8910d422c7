from __future__ import annotations

import builtins
import sys

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.transforms import Compose, EnsureTyped, Flipd, Invertd, RandFlipd, Spacingd

from monai_topoloss import (
    AffinitiesToInstances,
    AffinitiesToInstancesd,
    InstancesToAffinities,
    InstancesToAffinitiesD,
    InstancesToAffinitiesd,
    InstancesToAffinitiesDict,
    affinities,
    label_affinities,
)

NEAREST = {2: [(1, 0), (0, 1)], 3: [(1, 0, 0), (0, 1, 0), (0, 0, 1)]}
LONG = [*NEAREST[2], (0, -4), (3, 0)]


def stripes(count=6, width=10, length=20):
    """Instances side by side, the first of them background."""
    ids = torch.arange(count, dtype=torch.int32).repeat_interleave(width)
    return ids.expand(1, length, count * width).contiguous()


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, MetaTensor])
def test_to_affinities_and_back(ndim, kind):
    ids = stripes() if ndim == 2 else stripes().unsqueeze(1).repeat(1, 4, 1, 1)
    img = kind(ids.numpy())
    joined = InstancesToAffinities(NEAREST[ndim])(img)
    assert type(joined) is type(img)
    assert joined.shape == (ndim, *ids.shape[1:])
    assert str(joined.dtype).endswith("float32")
    np.testing.assert_array_equal(joined, affinities(ids[0], NEAREST[ndim]))
    back = AffinitiesToInstances(NEAREST[ndim], threshold=0.5)(joined)
    assert type(back) is type(img)
    assert str(back.dtype).endswith("int32")
    np.testing.assert_array_equal(back, ids)


@pytest.mark.parametrize("method", ["components", "mutex_watershed"])
def test_logits_and_small_instances(method):
    ids = stripes()
    ids[0, :2] = 0
    ids[0, :2, :2] = 9
    logits = 6 * InstancesToAffinities(LONG)(ids) - 3
    find = AffinitiesToInstances(LONG, n_joining=2, method=method)
    found = find(logits)
    assert found.max() == 6
    assert found[0, 0, 0] == 1  # raster order
    np.testing.assert_array_equal(found, np.where(ids == 9, 1, np.where(ids > 0, ids + 1, 0)))
    without = AffinitiesToInstances(LONG, n_joining=2, method=method, min_size=5)(logits)
    np.testing.assert_array_equal(without, np.where(ids == 9, 0, ids))
    assert not find(torch.full((4, 3, 3), -1.0)).any()  # smaller than an edge
    assert find(torch.ones(4, 1, 1)).tolist() == [[[0]]]
    assert find(torch.ones(4, 0, 5)).shape == (1, 0, 5)


def test_the_mutex_watershed_keeps_apart_what_one_affinity_joins():
    ids = stripes()
    logits = 6 * InstancesToAffinities(LONG)(ids) - 3
    masks = AffinitiesToInstances(LONG, threshold=0.5, n_joining=2, method="mutex_watershed")(logits > 0)
    np.testing.assert_array_equal(masks, ids)
    logits[1, 5, 29] = 1  # weakly, between the instances 2 and 3
    merged = AffinitiesToInstances(LONG, n_joining=2)(logits)
    assert merged.max() == 4
    parted = AffinitiesToInstances(LONG, n_joining=2, method="mutex_watershed")(logits)
    np.testing.assert_array_equal(parted, ids)


def test_long_edges_only_part_in_the_mutex_watershed():
    logits = torch.full((2, 1, 9), -1.0)
    logits[1] = 5  # what is three further is of the same instance, says a channel that does not join
    found = AffinitiesToInstances([(0, 1), (0, 3)], n_joining=1, method="mutex_watershed")(logits)
    assert not found.any()


def test_without_mwatershed_the_message_says_what_to_install(monkeypatch):
    original = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("mwatershed"):
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "mwatershed", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r'pip install "monai-topoloss\[instances\]"'):
        AffinitiesToInstances(NEAREST[2], method="mutex_watershed")(torch.zeros(2, 4, 4))


def test_in_a_pipeline_and_inverted():
    """Affinities of a resampled and flipped image become instances in the space of the file."""
    affine = torch.diag(torch.tensor([1.0, 2.0, 1.0]))
    data = {"label": MetaTensor(stripes(), affine=affine)}
    pipeline = Compose(
        [
            EnsureTyped("label"),
            Spacingd("label", pixdim=(1.0, 1.0), mode="nearest"),
            Flipd("label", spatial_axis=1),
            InstancesToAffinitiesd("label", edges=NEAREST[2]),
        ]
    )
    sample = pipeline(data)
    assert sample["affinities_label"].shape == (2, *sample["label"].shape[1:])
    assert len(sample["affinities_label"].applied_operations) == 2
    sample["pred"] = 4 * sample["affinities_label"] - 2
    sample = AffinitiesToInstancesd("pred", edges=NEAREST[2])(sample)
    inverted = Invertd("instances_pred", pipeline, orig_keys="label", nearest_interp=True)(sample)
    found = inverted["instances_pred"]
    assert found.shape == (1, 20, 60)
    np.testing.assert_array_equal(found.numpy() != 0, stripes().numpy() != 0)
    np.testing.assert_array_equal(len(np.unique(found)), 6)


def test_random_flips_come_before_affinities():
    sample = Compose([RandFlipd("label", prob=1, spatial_axis=1), InstancesToAffinitiesD("label", edges=LONG)])(
        {"label": stripes()}
    )
    np.testing.assert_array_equal(sample["affinities_label"], affinities(sample["label"][0], LONG))
    assert InstancesToAffinitiesD is InstancesToAffinitiesDict is InstancesToAffinitiesd


def test_a_sliding_window_gives_the_instances_of_the_whole():
    ids = stripes(count=5, width=7, length=40)
    whole = (4 * InstancesToAffinities(NEAREST[2])(ids) - 2)[None]
    inferer = SlidingWindowInferer((16, 16), overlap=0.25)
    together = inferer(whole, lambda window: window)
    found = AffinitiesToInstances(NEAREST[2])(together[0])
    np.testing.assert_array_equal(found, ids)


def test_instances_follow_the_device(device):
    logits = (4 * InstancesToAffinities(LONG)(stripes()) - 2).to(device)
    found = AffinitiesToInstances(LONG, n_joining=2, min_size=3)(logits)
    assert found.device.type == device.type
    np.testing.assert_array_equal(found[0].cpu(), label_affinities(logits[:2].cpu() > 0, NEAREST[2]))


@pytest.mark.parametrize(
    ("make", "img", "message"),
    [
        (InstancesToAffinities, torch.zeros(2, 4, 4), r"`img` of shape \(1, \*spatial\) in 2-D"),
        (InstancesToAffinities, torch.zeros(1, 4, 4, 4), r"`img` of shape \(1, \*spatial\) in 2-D"),
        (
            InstancesToAffinities,
            torch.full((1, 4, 4), 0.5),
            "Expected `img` to hold class ids, which are whole numbers",
        ),
        (InstancesToAffinities, torch.full((1, 4, 4), -1), "Expected `img` to hold no negative class ids"),
        (AffinitiesToInstances, torch.zeros(1, 4, 4), r"`img` of shape \(2, \*spatial\) in 2-D"),
        (AffinitiesToInstances, torch.full((2, 4, 4), torch.nan), "`img` to hold no NaN"),
    ],
)
def test_bad_images(make, img, message):
    with pytest.raises(ValueError, match=message):
        make(NEAREST[2])(img)


def test_bad_options():
    with pytest.raises(ValueError, match="Expected `method` to be one of 'components', 'mutex_watershed'"):
        AffinitiesToInstances(NEAREST[2], method="watershed")
    with pytest.raises(ValueError, match="Expected `min_size` to be at least 0"):
        AffinitiesToInstances(NEAREST[2], min_size=-1)
    with pytest.raises(ValueError, match="Expected `n_joining` to be at most 2"):
        AffinitiesToInstances(NEAREST[2], n_joining=3)
    with pytest.raises(ValueError, match="Expected `img` to be finite"):
        AffinitiesToInstances(NEAREST[2], method="mutex_watershed")(torch.full((2, 4, 4), torch.inf))


@pytest.mark.parametrize("method", ["components", "mutex_watershed"])
def test_instances_grow_into_background(method):
    ids = stripes(4, 12)
    parted = ids.clone()
    parted[:, :, 22:26] = 0
    logits = 6 * InstancesToAffinities(LONG)(parted) - 3
    for growth, expected in ((0, parted), (1, None), (2, ids), (40, None)):
        find = AffinitiesToInstances(LONG, n_joining=2, growth=growth, method=method)
        found = find(logits)
        assert found.dtype == torch.int32
        if expected is not None:
            np.testing.assert_array_equal(found[..., 12:], expected[..., 12:])
    assert (find(logits) > 0).all()  # background, too
    nothing = AffinitiesToInstances(LONG, growth=3)(torch.full_like(logits, -1))
    assert not nothing.any()
    with pytest.raises(ValueError, match="growth"):
        AffinitiesToInstances(LONG, growth=-1)
    sample = AffinitiesToInstancesd("pred", LONG, n_joining=2, growth=2)({"pred": logits})
    np.testing.assert_array_equal(sample["instances_pred"][..., 12:], ids[..., 12:])
