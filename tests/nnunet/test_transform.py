from __future__ import annotations

import importlib
import pickle

import numpy as np
import pytest
import torch

from monai_topoloss import tubed_skeleton
from monai_topoloss.datasets import synthetic_vessels
from tests.oracles.lee import betti_numbers

pytest.importorskip("nnunetv2", reason="needs nnunetv2")

# nnU-Net and what it imports warn on import.
pytestmark = pytest.mark.filterwarnings("ignore")


def make_label(shape=(64, 72)):
    return torch.from_numpy(synthetic_vessels(shape, seed=0, num_trees=2)[1].astype(np.int16))


def make(scales, **options):
    module = importlib.import_module("monai_topoloss.nnunet.transform")
    return module.AddSkeletonTransform(scales, **options)


@pytest.mark.parametrize("shape", [(64, 72), (32, 36, 40)])
def test_label_map(shape):
    label = make_label(shape)
    label[0, :5] = 3
    options = {"regions": 0, "ignore_label": 3, "radius": 2}
    single = pickle.loads(pickle.dumps(make(None, **options)))
    result = single(segmentation=label.clone())["segmentation"]
    expected = tubed_skeleton(label[0], ignore_index=3)
    assert result.dtype == label.dtype
    torch.testing.assert_close(result, torch.stack([label[0], expected]))
    for scales in ([1, 0.5, 0.25], [[1] * len(shape), [0.5] * len(shape), [0.25] * len(shape)]):
        several = make(scales, **options)(segmentation=label.clone())
        first, *rest = several["segmentation"]
        torch.testing.assert_close(first, result)
        for scale, low in zip((0.5, 0.25), rest, strict=True):
            assert low.shape == (2, *(round(n * scale) for n in shape))
            tube = low[1] != 0
            assert (low[0][tube] == low[1][tube]).all()
            assert betti_numbers(tube.numpy())[0] <= betti_numbers((expected != 0).numpy())[0]
        without = make(scales, **options, append=False)(segmentation=label.clone())
        for low, part in zip(several["segmentation"], without["segmentation"], strict=True):
            torch.testing.assert_close(part, low[:1])


def test_a_thin_line_stays_whole_at_low_resolutions():
    downsampling = importlib.import_module("batchgeneratorsv2.transforms.utils.deep_supervision_downsampling")
    line = torch.eye(64, dtype=torch.int16)[None]
    scales = [1, 0.5, 0.25]
    ours = make(scales, regions=0, ignore_label=None, radius=0, append=False)(segmentation=line)["segmentation"]
    theirs = downsampling.DownsampleSegForDSTransform(scales)(segmentation=line.roll(1, -1))["segmentation"]
    assert [betti_numbers((low[0] != 0).numpy())[0] for low in ours] == [1, 1, 1]
    assert betti_numbers((theirs[1][0] != 0).numpy())[0] != 1


def test_ignored_voxels_stay_ignored_at_low_resolutions():
    """Annotated rows alone, as in sparse annotation: the skeleton must not grow out of them."""
    label = make_label()
    sparse = torch.full_like(label, 3)
    sparse[:, ::8] = label[:, ::8]
    channels = torch.cat([label > 0, label == 2, sparse == 3])
    scales = [1, 0.5, 0.25]
    found = make(scales, regions=0, ignore_label=3, radius=2)(segmentation=sparse)["segmentation"]
    regions = make(scales, regions=2, ignore_label=3, radius=2)(segmentation=channels)["segmentation"]
    for scale, low, low_regions in zip(scales, found, regions, strict=True):
        size = [round(n * scale) for n in label.shape[1:]]
        ignored = torch.nn.functional.interpolate((sparse[None] == 3).float(), size, mode="nearest-exact")[0, 0] == 1
        assert ((low[0] == 3) == ignored).all()
        assert not low[1][ignored].any()
        assert (low_regions[2] == ignored).all()
        assert not low_regions[3:, ignored].any()


@pytest.mark.parametrize("ignored", [True, False])
def test_regions(ignored):
    label = make_label()
    channels = torch.cat([label > 0, label == 2, torch.zeros_like(label) > 0])
    channels[2, :9] = True
    segmentation = channels if ignored else channels[:2]
    result = make([1, 0.5], regions=2, ignore_label=3, radius=1)(segmentation=segmentation)["segmentation"]
    visible = channels[:2] & ~channels[2] if ignored else channels[:2]
    skeleton = tubed_skeleton(visible, radius=1, spatial_dims=2)
    torch.testing.assert_close(result[0], torch.cat([segmentation, skeleton]))
    assert result[1].shape == (len(segmentation) + 2, 32, 36)


def test_surfaces():
    label = torch.zeros(1, 20, 30, 30)
    label[0, 6:12, 3:27, 3:27] = 2
    result = make(None, regions=0, ignore_label=None, radius=1, kind="surface")(segmentation=label.clone())
    expected = tubed_skeleton(label[0], radius=1, kind="surface")
    torch.testing.assert_close(result["segmentation"], torch.stack([label[0], expected]))
