"""Losses can be copied, and sent to other processes."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from monai_topoloss import losses
from tests.losses.cases import make_case

BOTH = {"softmax": True, "to_onehot_y": True}


@pytest.mark.parametrize(
    "loss",
    [
        losses.SkeletonPrecisionLoss(**BOTH, weight=[1.0, 2.0]),
        losses.SoftCenterlineDiceLoss(**BOTH, per_class=True, weight=2.0),
        losses.NeighborPenalty(losses.DiceCESkeletonRecallLoss(**BOTH)),
        losses.DiceCESkeletonRecallLoss(**BOTH, lambda_cldice=1, lambda_precision=1, weight=[1.0, 2.0, 3.0]),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_copies_compute_the_same(loss):
    logits, label = make_case(2, 3, "cpu")
    expected = loss(logits, label)
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(other(logits, label), expected)
        assert repr(other) == repr(loss)
