from __future__ import annotations

import copy
import pickle

import pytest
import torch

from monai_topoloss.engines import PrepareBatchSkeleton


def test_hands_over_image_label_and_skeleton(device):
    batch = {"image": torch.zeros(1), "label": torch.ones(1), "skeleton_label": torch.full((1,), 2.0), "other": "x"}
    image, (label, skeleton) = PrepareBatchSkeleton()(batch, device, non_blocking=True, dtype=torch.float64)
    assert (image.item(), label.item(), skeleton.item()) == (0, 1, 2)
    assert all(x.device.type == device.type and x.dtype == torch.float64 for x in (image, label, skeleton))


def test_the_key_can_be_chosen():
    batch = {"image": torch.zeros(1), "label": torch.ones(1), "tube": torch.full((1,), 2.0)}
    prepare = PrepareBatchSkeleton("tube")
    for copied in (prepare, pickle.loads(pickle.dumps(prepare)), copy.deepcopy(prepare)):
        assert copied(batch)[1][1].item() == 2


@pytest.mark.parametrize("missing", ["image", "label", "skeleton_label"])
def test_missing_keys_are_named(missing):
    batch = {"image": torch.zeros(1), "label": torch.ones(1), "skeleton_label": torch.zeros(1)}
    del batch[missing]
    with pytest.raises(KeyError, match=f"Expected the batch to have '{missing}', got "):
        PrepareBatchSkeleton()(batch)
