"""The terms that `DiceCESkeletonRecallLoss` may add: each as it is on its own."""

from __future__ import annotations

import pytest
import torch

from monai_topoloss.losses import DiceCESkeletonRecallLoss, SkeletonPrecisionLoss, SoftCenterlineDiceLoss
from tests.losses.cases import label_channels, make_case
from tests.losses.compiling import graphs_compiled

THREE = (0.1, 0.3, 0.5)
MODES = [
    {"softmax": True, "to_onehot_y": True},
    {"sigmoid": True, "to_onehot_y": True},
    {"sigmoid": True},
    {"softmax": True, "include_background": False},
    {"other_act": torch.sigmoid},
]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("mode", MODES, ids="-".join)
@pytest.mark.parametrize(
    "options", [{}, {"batch": True}, {"reduction": "sum"}, {"weight": [0.5, 2.0, 3.0]}, {"ignore_index": 255}], ids=str
)
def test_terms_are_those_of_the_losses(ndim, mode, options, device):
    logits, label = make_case(ndim, 3, device)
    target = label if "to_onehot_y" in mode else label_channels(label, 3)
    if "ignore_index" in options:
        target = target.int()
        target[..., 4:9, 2:7] = 255
    logits.requires_grad_()
    base = DiceCESkeletonRecallLoss(**mode, **options)
    more = DiceCESkeletonRecallLoss(
        **mode, **options, lambda_cldice=0.5, lambda_precision=2, iter_=4, beta=0.7, thresholds=THREE
    )
    first = base.skeleton_recall.first_class(3)
    shared = {**mode, **options, "include_background": first == 0}
    if "weight" in options:
        shared["weight"] = options["weight"][first:]
    if "to_onehot_y" in mode:
        shared["include_background"] = False
    cldice = SoftCenterlineDiceLoss(4, beta=0.7, per_class=True, **shared)
    precision = SkeletonPrecisionLoss(thresholds=THREE, **shared)
    value, expected = more(logits, target), base(logits, target) + 0.5 * cldice(logits, target)
    expected = expected + 2 * precision(logits, target)
    torch.testing.assert_close(value, expected)
    gradients = [torch.autograd.grad(each, logits)[0] for each in (value, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", ["lambda_cldice", "lambda_precision"])
def test_a_term_alone(name, device):
    logits, label = make_case(2, 2, device)
    options = {"softmax": True, "to_onehot_y": True}
    loss = DiceCESkeletonRecallLoss(**options, lambda_dice=0, lambda_ce=0, lambda_recall=0, **{name: 3})
    alone = {
        "lambda_cldice": SoftCenterlineDiceLoss(10, **options, include_background=False, beta=0.5),
        "lambda_precision": SkeletonPrecisionLoss(**options),
    }[name]
    torch.testing.assert_close(loss(logits, label), 3 * alone(logits, label))
    loss = DiceCESkeletonRecallLoss(**options, lambda_dice=0, lambda_ce=0, lambda_recall=0)
    assert loss(logits, label).item() == 0


def test_infinite_logits_at_ignored_voxels_change_nothing(device):
    logits, label = make_case(2, 3, device)
    label = label.int()
    label[..., :4] = 255
    loss = DiceCESkeletonRecallLoss(
        softmax=True, to_onehot_y=True, ignore_index=255, lambda_cldice=1, lambda_precision=1
    )
    expected = loss(logits, label)
    broken = logits.masked_fill(label == 255, torch.inf).requires_grad_()
    assert torch.equal(loss(broken, label), expected)
    loss(broken, label).backward()
    assert broken.grad.isfinite().all()


def test_torch_compile_breaks_once_more_for_soft_cldice():
    logits, label = make_case(2, 3, "cpu")
    options = {"softmax": True, "to_onehot_y": True}
    base = graphs_compiled(DiceCESkeletonRecallLoss(**options), logits, label)
    assert graphs_compiled(DiceCESkeletonRecallLoss(**options, lambda_precision=1), logits, label) == base
    assert graphs_compiled(DiceCESkeletonRecallLoss(**options, lambda_cldice=1), logits, label) == base + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambda_cldice": -1}, "Expected `lambda_cldice` to be at least 0, got -1"),
        ({"lambda_precision": -1}, "Expected `lambda_precision` to be at least 0, got -1"),
        ({"iter_": -1}, "Expected `iter_` to be at least 0, got -1"),
        ({"thresholds": [2.0]}, "Expected `thresholds` to be one to eight numbers between 0 and 1"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        DiceCESkeletonRecallLoss(softmax=True, **options)
