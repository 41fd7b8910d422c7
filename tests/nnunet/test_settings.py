"""Each setting of the trainers changes the targets or the loss, to a value that is computed by hand."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from monai_topoloss import (
    SkeletonPrecisionLoss,
    SoftCenterlineDiceLoss,
    critical_components,
    nnunet,
    tubed_skeleton,
)
from tests.nnunet.batches import make_batch
from tests.nnunet.workspace import IGNORE_LABEL, make_trainer

pytest.importorskip("nnunetv2", reason="needs nnunetv2")

# nnU-Net and what it imports warn on import.
pytestmark = pytest.mark.filterwarnings("ignore")

RECALL, CENTERLINE, PRECISION, SUPERVOXEL, BOTH = nnunet.TRAINERS
SMOOTH = 1e-5  # nnU-Net's Dice has it, in one process and in several
MODES = ("labels", "ignore", "regions", "ignore-regions")


def make(name, mode="labels", *, is_ddp=False, batch_dice=False, **attributes):
    """A trainer of a subclass with settings, and a stock one, both with their loss."""
    parent = getattr(importlib.import_module("monai_topoloss.nnunet.trainer"), name)
    stock = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer").nnUNetTrainer
    trainers = []
    for kind in (type("Mine", (parent,), attributes), stock):
        trainer = make_trainer(kind, 2, mode, batch_dice=batch_dice)
        trainer.initialize()
        trainer.is_ddp = is_ddp
        trainer.loss = trainer._build_loss()
        trainers.append(trainer)
    return trainers


def make_outputs(trainer, target):
    """Logits that are partly right, so that there are splits and merges."""
    generator = torch.Generator().manual_seed(0)
    heads = trainer.label_manager.num_segmentation_heads
    return [torch.randn(2, heads, *level.shape[2:], generator=generator, dtype=torch.float64) for level in target]


def read_target(level, mode):
    """The classes that count (B, 2, *spatial), which voxels count, and what nnU-Net's losses get."""
    if "regions" in mode:
        plain = level[:, : 3 if "ignore" in mode else 2]
        valid = ~plain[:, 2:].bool() if "ignore" in mode else torch.ones_like(plain[:, :1], dtype=torch.bool)
        return plain[:, :2].bool() & valid, valid, plain
    plain = level[:, :1]
    valid = plain != IGNORE_LABEL
    return torch.cat([plain == 1, plain == 2], dim=1), valid, plain


def recall_by_hand(output, level, mode, *, batch=False):
    """One minus the mean over classes, and samples, of the share of the skeleton that is found."""
    _, valid, plain = read_target(level, mode)
    skeleton = level[:, plain.shape[1] :]
    if "regions" in mode:
        p = output.sigmoid()
    else:
        p, skeleton = output.softmax(dim=1)[:, 1:], torch.cat([skeleton == 1, skeleton == 2], dim=1)
    p, skeleton = p.numpy(), (skeleton.bool() & valid).numpy()
    axes = (0, 2, 3) if batch else (2, 3)
    found, total = (p * skeleton).sum(axes), skeleton.sum(axes)
    return 1 - ((found + SMOOTH) / (total + SMOOTH)).mean()


def supervoxel_by_hand(output, level, mode, *, alpha, beta):
    """The mean over what is not ignored of a cross entropy that splits and merges weigh."""
    classes, valid, plain = read_target(level, mode)
    if "regions" in mode:
        criterion = F.binary_cross_entropy_with_logits(output, classes.double(), reduction="none")
        found = critical_components((output > 0) & valid, classes, spatial_dims=2)
    else:
        label = plain.masked_fill(~valid, 0)
        criterion = F.cross_entropy(output, label[:, 0].long(), reduction="none")[:, None]
        prediction = output.argmax(dim=1, keepdim=True) * valid
        found = critical_components(prediction, label, num_classes=3, spatial_dims=2)
    assert found.splits.any()
    assert found.merges.any()
    weight = 1 - alpha + alpha * (beta * found.splits.double() + (1 - beta) * found.merges.double())
    return (criterion * weight)[valid.expand_as(criterion)].mean().item()


def added(trainer, stock, outputs, target, mode):
    """What a trainer's loss has more than nnU-Net's."""
    plain = [read_target(level, mode)[2] for level in target]
    return (trainer.loss(outputs, target) - stock.loss(outputs, plain)).item()


def over_outputs(stock, term, outputs, target, **options):
    """Add up a term over the outputs with nnU-Net's weights."""
    weights = stock.loss.weight_factors
    assert len(weights) == 3
    return sum(w * term(*pair, **options) for w, *pair in zip(weights, outputs, target, strict=True) if w)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("weight", [0.25, 3])
def test_recall_weight(weight, mode):
    trainer, stock = make(RECALL, mode, recall_weight=weight)
    target = make_batch(trainer, mode)["target"]
    outputs = make_outputs(trainer, target)
    expected = weight * over_outputs(stock, recall_by_hand, outputs, target, mode=mode)
    assert added(trainer, stock, outputs, target, mode) == pytest.approx(expected, rel=1e-5)


def test_no_recall_weight_is_nnunets_loss_and_target():
    trainer, stock = make(RECALL, recall_weight=0)
    target, expected = (make_batch(each, "labels")["target"] for each in (trainer, stock))
    for level, plain in zip(target, expected, strict=True):
        torch.testing.assert_close(level, plain, rtol=0, atol=0)
    outputs = make_outputs(trainer, target)
    assert trainer.loss(outputs, target) == stock.loss(outputs, target)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("attributes", "radius"), [({}, 2), ({"skeleton_radius": 0}, 0), ({"skeleton_radius": 3}, 3)])
def test_skeleton_radius(attributes, radius, mode):
    trainer, _ = make(RECALL, mode, **attributes)
    level = make_batch(trainer, mode)["target"][0]
    classes, valid, plain = read_target(level, mode)
    found = level[:, plain.shape[1] :]
    if "regions" in mode:
        expected = tubed_skeleton(classes, radius=radius, spatial_dims=2)
    else:  # what is ignored has the largest id, and must not be a class
        expected = tubed_skeleton(plain.masked_fill(~valid, 0), radius=radius, spatial_dims=2)
    assert expected.any()
    torch.testing.assert_close(found, expected.to(found.dtype), rtol=0, atol=0)


def test_skeleton_radius_in_millimetres():
    """By the spacing of the plans."""
    trainer, _ = make(RECALL, "labels", skeleton_radius=1.5, skeleton_units="mm")
    spacing = trainer.configuration_manager.spacing
    level = make_batch(trainer, "labels")["target"][0]
    _, _, plain = read_target(level, "labels")
    found = level[:, plain.shape[1] :]
    expected = tubed_skeleton(plain, radius=1.5, spacing=[float(size) for size in spacing], spatial_dims=2)
    assert expected.any()
    torch.testing.assert_close(found, expected.to(found.dtype), rtol=0, atol=0)
    trainer.skeleton_units = "um"
    with pytest.raises(ValueError, match="`skeleton_units` to be one of 'voxels', 'mm', got 'um'"):
        trainer._check_settings()


def test_kinds_of_skeletons():
    trainer, _ = make(RECALL, "labels")
    trainer.skeleton_kind = "surface"
    with pytest.raises(ValueError, match="Expected a volume for kind='surface', got an image"):
        trainer._check_settings()
    trainer.skeleton_kind = "sheet"
    with pytest.raises(ValueError, match="`kind` to be one of 'curve', 'surface', got 'sheet'"):
        trainer._check_settings()


@pytest.mark.parametrize("mode", ["labels", "ignore-regions"])
@pytest.mark.parametrize("is_ddp", [False, True])
@pytest.mark.parametrize("batch_dice", [False, True])
def test_recall_is_over_the_batch_where_nnunets_dice_is_and_has_its_smoothing(batch_dice, is_ddp, mode):
    trainer, stock = make(RECALL, mode, is_ddp=is_ddp, batch_dice=batch_dice)
    dice = stock.loss.loss.dc
    assert (dice.batch_dice, dice.smooth, dice.ddp) == (batch_dice, SMOOTH, is_ddp)
    level = make_batch(trainer, mode)["target"][0]
    _, _, plain = read_target(level, mode)
    level[0, plain.shape[1] :] *= torch.rand(level[0, plain.shape[1] :].shape) < 0.02  # samples that differ
    level[1, -1] = 0  # none at all, where the smoothing decides
    (output,) = make_outputs(trainer, [level])
    label = read_target(level, mode)[0].to(torch.uint8) if "regions" in mode else plain
    found = trainer.loss.loss.recall(output, (label, level[:, plain.shape[1] :])).item()
    assert found == pytest.approx(recall_by_hand(output, level, mode, batch=batch_dice), rel=1e-9)
    assert found != pytest.approx(recall_by_hand(output, level, mode, batch=not batch_dice), rel=1e-3)


@pytest.mark.parametrize("is_ddp", [False, True])
def test_full_resolution_only(is_ddp):
    trainer, stock = make(RECALL, is_ddp=is_ddp, full_resolution_only=True)
    target = make_batch(trainer, "labels")["target"]
    outputs = [output.requires_grad_() for output in make_outputs(trainer, target)]
    first, *others = stock.loss.weight_factors
    assert all(weight > 0 for weight in others) == is_ddp  # DDP fails where an output has no gradient
    weights = (first, *[1e-6 if is_ddp else 0] * len(others))
    assert trainer.loss.weight_factors == weights
    with torch.no_grad():
        each = [
            stock.loss.loss(output, level[:, :1]).item() + recall_by_hand(output, level, "labels")
            for output, level in zip(outputs, target, strict=True)
        ]
    loss = trainer.loss(outputs, target)
    assert loss.item() == pytest.approx(np.dot(weights, each), rel=1e-6)
    loss.backward()
    assert [output.grad is not None for output in outputs] == [True, is_ddp, is_ddp]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("attributes", "alpha", "beta"),
    [({}, 0.5, 0.5), ({"supervoxel_beta": 0.9}, 0.5, 0.9), ({"supervoxel_beta": 0}, 0.5, 0),
     ({"supervoxel_alpha": 0.8, "supervoxel_beta": 0.25}, 0.8, 0.25), ({"supervoxel_alpha": 0}, None, None)],
)  # fmt: skip
def test_supervoxel_alpha_and_beta(attributes, alpha, beta, mode):
    trainer, stock = make(SUPERVOXEL, mode, supervoxel_start=0, **attributes)
    target = make_batch(trainer, mode)["target"]
    outputs = make_outputs(trainer, target)
    trainer.on_train_epoch_start()
    expected = 0
    if alpha is not None:
        expected = over_outputs(stock, supervoxel_by_hand, outputs, target, mode=mode, alpha=alpha, beta=beta)
    assert added(trainer, stock, outputs, target, mode) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("attributes", "num_epochs", "first"),
    [({}, 10, 2), ({}, 4, 1), ({"supervoxel_start": 0}, 3, 0), ({"supervoxel_start": 0.25}, 10, 3),
     ({"supervoxel_start": 0.07}, 100, 7), ({"supervoxel_start": 0.55}, 100, 55), ({"supervoxel_start": 1}, 3, None)],
)  # fmt: skip
def test_supervoxel_start_is_the_first_epoch_that_has_the_share_behind_it(attributes, num_epochs, first):
    trainer, stock = make(SUPERVOXEL, **attributes)
    trainer.num_epochs = num_epochs
    target = make_batch(trainer, "labels")["target"]
    outputs = make_outputs(trainer, target)
    begun = []
    for trainer.current_epoch in range(num_epochs):
        trainer.on_train_epoch_start()
        begun.append(trainer._one_output_loss().supervoxel.alpha > 0)
        if trainer.current_epoch == (first or 0):
            expected = 0
            if first is not None:
                options = {"mode": "labels", "alpha": 0.5, "beta": 0.5}
                expected = over_outputs(stock, supervoxel_by_hand, outputs, target, **options)
            assert added(trainer, stock, outputs, target, "labels") == pytest.approx(expected, rel=1e-5)
    assert begun == [first is not None and epoch >= first for epoch in range(num_epochs)]


@pytest.mark.parametrize("mode", ["ignore", "ignore-regions"])
def test_what_is_ignored_changes_no_loss_and_gets_no_gradient(mode):
    trainer, _ = make(BOTH, mode, supervoxel_start=0)
    trainer.on_train_epoch_start()
    target = make_batch(trainer, mode)["target"]
    outputs = [output.requires_grad_() for output in make_outputs(trainer, target)]
    masks = [~read_target(level, mode)[1] for level in target]
    loss = trainer.loss(outputs, target)
    changed = [output.detach().masked_fill(mask, 5) for output, mask in zip(outputs, masks, strict=True)]
    torch.testing.assert_close(trainer.loss(changed, target), loss)
    loss.backward()
    for output, mask in zip(outputs[:2], masks[:2], strict=True):
        assert mask.any()
        assert (output.grad[mask.expand_as(output)] == 0).all()
        assert (output.grad[~mask.expand_as(output)] != 0).any()


@pytest.mark.parametrize(
    ("attributes", "weight", "ours"),
    [
        (
            {"cldice_weight": 0.5, "cldice_iterations": 2, "cldice_beta": 0.8},
            0.5,
            lambda kind: SoftCenterlineDiceLoss(2, beta=0.8, **kind),
        ),
        (
            {"precision_weight": 2, "precision_thresholds": (0.4, 0.6)},
            2,
            lambda kind: SkeletonPrecisionLoss(thresholds=(0.4, 0.6), **kind),
        ),
    ],
)
def test_terms_that_mind_inventions_obey_their_settings(attributes, weight, ours):
    trainer, stock = make(RECALL, **{"recall_weight": 0, **attributes})
    target = make_batch(trainer, "labels", training=True)["target"]
    outputs = make_outputs(trainer, target)
    kind = {"softmax": True, "to_onehot_y": True}
    if "cldice_weight" in attributes:
        kind |= {"include_background": False, "per_class": True}
    factors = stock.loss.weight_factors
    terms = [factor * ours(kind)(*pair) for factor, *pair in zip(factors, outputs, target, strict=True) if factor]
    expected = stock.loss(outputs, target) + weight * sum(terms)
    torch.testing.assert_close(trainer.loss(outputs, target), expected)
    assert [level.shape[1] for level in target] == [1] * 3  # no skeleton, but connected labels
    ours, theirs = (make_batch(each, "labels")["target"] for each in (trainer, stock))  # without random transforms
    assert torch.equal(ours[0], theirs[0])
    assert sum((level != 0).sum() for level in ours[1:]) > sum((level != 0).sum() for level in theirs[1:])


@pytest.mark.parametrize("attribute", ["cldice_weight", "cldice_beta", "precision_weight"])
def test_negative_weights_are_named(attribute):
    with pytest.raises(ValueError, match=f"Expected `{attribute}` to be at least 0, got -1"):
        make(RECALL, **{attribute: -1})
