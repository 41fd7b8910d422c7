from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

from monai_topoloss import DiceCESkeletonRecallLoss, SkeletonRecallLoss, SupervoxelLoss, tubed_skeleton
from monai_topoloss.datasets import synthetic_vessels

pytest.importorskip("nnunetv2", reason="needs nnunetv2")

# nnU-Net and what it imports warn on import.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def module():
    return importlib.import_module("monai_topoloss.nnunet.loss")


def make_label():
    return torch.from_numpy(synthetic_vessels((64, 72), seed=0, num_trees=2)[1].astype(np.int16))


def test_label_map(module):
    torch.manual_seed(0)
    logits, label = torch.randn(2, 3, 64, 72), torch.stack([make_label(), make_label().flip(-1)])
    skeleton = tubed_skeleton(label, spatial_dims=2)
    options = {"softmax": True, "to_onehot_y": True}
    plain = DiceCESkeletonRecallLoss(lambda_recall=0, **options)
    loss = module.ExtendedLoss(
        lambda input, target: plain(input, (target, skeleton)),
        recall=SkeletonRecallLoss(**options), supervoxel=None, recall_weight=0.5, regions=0, num_plain=1,
        num_skeletons=1,
    )  # fmt: skip
    found = loss(logits, torch.cat([label, skeleton], dim=1))
    expected = DiceCESkeletonRecallLoss(lambda_recall=0.5, **options)(logits, (label, skeleton))
    torch.testing.assert_close(found, expected)
    supervoxel = SupervoxelLoss(to_onehot_y=True, softmax=True)
    loss = module.ExtendedLoss(
        lambda input, _: input.sum(),
        recall=None,
        supervoxel=supervoxel,
        recall_weight=0,
        regions=0,
        num_plain=1,
        num_skeletons=0,
    )
    torch.testing.assert_close(loss(logits, label), logits.sum() + supervoxel(logits, label))
    with pytest.raises(ValueError, match="Expected 1 channels of segmentation and 0 of skeletons, got 2 in all"):
        loss(logits, torch.cat([label, label], dim=1))
    broken = torch.full_like(logits, torch.nan)  # as half types may give; nnU-Net skips such a step
    assert loss(broken, label).isnan()
    supervoxel.alpha = 0
    torch.testing.assert_close(loss(logits, label), logits.sum())


def test_regions_ignore_what_a_channel_marks(module):
    torch.manual_seed(0)
    label = make_label()[None]
    target = torch.cat([label > 0, label == 2, torch.zeros_like(label) > 0], dim=1)
    target[:, 2, :20] = True
    skeleton = tubed_skeleton(target[:, :2] & ~target[:, 2:], spatial_dims=2)
    loss = module.ExtendedLoss(
        lambda input, plain: input.sum() * 0 + plain.shape[1],
        recall=SkeletonRecallLoss(sigmoid=True, ignore_index=module.IGNORED),
        supervoxel=SupervoxelLoss(ignore_index=module.IGNORED), recall_weight=1, regions=2, num_plain=3,
        num_skeletons=2,
    )  # fmt: skip
    logits = torch.randn(1, 2, 64, 72, requires_grad=True)
    value = loss(logits, torch.cat([target, skeleton], dim=1))
    assert value > 3  # the stock loss gets its three channels
    value.backward()
    assert (logits.grad[:, :, :20] == 0).all()
    assert (logits.grad[:, :, 20:] != 0).any()
