"""The trainers on the batches that nnU-Net's own transforms make."""

from __future__ import annotations

import copy
import importlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from monai_topoloss import (
    SkeletonPrecisionLoss,
    SkeletonRecallLoss,
    SoftCenterlineDiceLoss,
    SupervoxelLoss,
    nnunet,
)
from tests.nnunet.batches import make_batch
from tests.nnunet.workspace import IGNORE_LABEL, make_trainer

pytest.importorskip("nnunetv2", reason="needs nnunetv2")

# nnU-Net and what it imports warn on import.
pytestmark = pytest.mark.filterwarnings("ignore")

RECALL, CENTERLINE, PRECISION, SUPERVOXEL, BOTH = nnunet.TRAINERS
MODES = ("labels", "ignore", "regions", "ignore-regions")


def import_stock():
    return importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer").nnUNetTrainer


def as_label(plain, mode):
    """The target for our losses of nnU-Net's."""
    if "regions" not in mode:
        return plain, IGNORE_LABEL if mode == "ignore" else None
    label = plain[:, :2].to(torch.uint8)
    return (label.masked_fill(plain[:, 2:], 255), 255) if mode == "ignore-regions" else (label, None)


def test_register_makes_the_trainers_findable():
    nnunet.register()
    theirs = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
    for name in nnunet.TRAINERS:
        assert issubclass(getattr(theirs, name), theirs.nnUNetTrainer)


def assert_adds_at_each_output(name, ndim, mode, ours, *, training, alpha=None):
    """A trainer's loss is nnU-Net's and ``ours(kind, output, label, skeleton)``, with nnU-Net's weights of outputs."""
    torch.manual_seed(0)
    trainer, stock = (make_trainer(each, ndim, mode) for each in (name, import_stock()))
    loss, their_loss = trainer._build_loss(), stock._build_loss()
    trainer.loss, trainer.num_epochs = loss, 1
    if alpha is not None:
        trainer._one_output_loss().supervoxel.alpha = alpha
    target = make_batch(trainer, mode, training=training)["target"]
    num_outputs, regions = trainer.label_manager.num_segmentation_heads, "regions" in mode
    outputs = [torch.randn(2, num_outputs, *level.shape[2:]) for level in target]
    skeletons = 2 if regions else 1
    expected = their_loss(outputs, [level[:, : level.shape[1] - skeletons] for level in target])
    for weight, output, level in zip(their_loss.weight_factors, outputs, target, strict=True):
        label, ignore_index = as_label(level[:, : level.shape[1] - skeletons], mode)
        kind = {"sigmoid": True} if regions else {"softmax": True, "to_onehot_y": True}
        if weight:
            kind["ignore_index"] = ignore_index
            expected = expected + weight * ours(kind, output, label, level[:, -skeletons:])
    assert len(target) == 3
    assert [weight > 0 for weight in their_loss.weight_factors] == [True, True, False]
    torch.testing.assert_close(loss(outputs, target), expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ndim", [2, 3])
def test_loss_is_theirs_plus_ours_at_each_output(ndim, mode, training):
    def ours(kind, output, label, skeleton):
        options = {key: value for key, value in kind.items() if key != "sigmoid"}
        return SkeletonRecallLoss(**kind)(output, (label, skeleton)) + SupervoxelLoss(**options)(output, label)

    assert_adds_at_each_output(BOTH, ndim, mode, ours, training=training, alpha=0.5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ndim", [2, 3])
def test_soft_cldice_is_added_at_each_output(ndim, mode):
    def ours(kind, output, label, skeleton):
        options = {"include_background": "regions" in mode, "beta": 0.5, "per_class": True}
        cldice = SoftCenterlineDiceLoss(10, **kind, **options)(output, label)
        return 2 * SkeletonRecallLoss(**kind)(output, (label, skeleton)) + 3 * cldice

    assert_adds_at_each_output(CENTERLINE, ndim, mode, ours, training=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ndim", [2, 3])
def test_skeleton_precision_is_added_at_each_output(ndim, mode):
    def ours(kind, output, label, skeleton):
        recall = SkeletonRecallLoss(**kind)(output, (label, skeleton))
        return 2 * recall + 3 * SkeletonPrecisionLoss(**kind)(output, label)

    assert_adds_at_each_output(PRECISION, ndim, mode, ours, training=True)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("trainer", nnunet.TRAINERS)
def test_cascade(trainer, training):
    trainer = make_trainer(trainer, 3, cascaded=True)
    assert trainer.is_cascaded
    batch = make_batch(trainer, "labels", training=training)
    has_skeleton = trainer.recall_weight > 0
    assert batch["data"].shape[1] == 3  # the image, and the last stage's two classes
    assert [level.shape[1] for level in batch["target"]] == [1 + has_skeleton] * 3
    if has_skeleton:
        label, skeleton = batch["target"][0].unbind(1)
        assert (skeleton != 0).any()
        assert ((skeleton == 0) | (skeleton == label)).all()


@pytest.mark.parametrize("full_resolution_only", [False, True])
def test_each_output_is_trained(full_resolution_only):
    torch.manual_seed(0)
    trainer = make_trainer(BOTH)
    trainer.full_resolution_only = full_resolution_only
    trainer.initialize()
    trainer.on_train_epoch_start()
    before = copy.deepcopy(trainer.network.decoder.seg_layers)
    assert np.isfinite(trainer.train_step(make_batch(trainer, "labels", training=True))["loss"])
    changed = [
        not torch.equal(old.weight, new.weight)
        for old, new in zip(before, trainer.network.decoder.seg_layers, strict=True)
    ]
    assert changed == [False, not full_resolution_only, True]  # from low to high; nnU-Net gives the lowest no weight


@pytest.mark.parametrize("mode", MODES)
def test_validation_step_is_theirs_on_the_plain_target(mode):
    torch.manual_seed(0)
    trainer, stock = (make_trainer(each, 2, mode) for each in (RECALL, import_stock()))
    trainer.initialize()
    stock.initialize()
    stock.network.load_state_dict(trainer.network.state_dict())
    batch = make_batch(trainer, mode)
    skeletons = 2 if "regions" in mode else 1
    loss = trainer.loss
    expected_loss = loss(trainer.network(batch["data"]), batch["target"])
    plain = {"data": batch["data"], "target": [level[:, :-skeletons].clone() for level in batch["target"]]}
    with torch.no_grad():
        found, expected = trainer.validation_step(batch), stock.validation_step(plain)
    assert found["loss"] == pytest.approx(expected_loss.item())
    assert found["loss"] != pytest.approx(expected["loss"].item())
    for name in ("tp_hard", "fp_hard", "fn_hard"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert trainer.loss is loss


def test_supervoxel_loss_begins_in_time():
    trainer = make_trainer(BOTH)
    trainer.num_epochs = 10
    trainer.initialize()
    alphas = []
    for trainer.current_epoch in range(4):
        trainer.on_train_epoch_start()
        alphas.append(trainer._one_output_loss().supervoxel.alpha)
    assert alphas == [0, 0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("network_architecture.nnUNetTrainerNoDeepSupervision", "nnUNetTrainerNoDeepSupervision"),
        ("loss.nnUNetTrainerDiceLoss", "nnUNetTrainerDiceLoss"),
        ("loss.nnUNetTrainerTopkLoss", "nnUNetTrainerTopk10LossLS01"),
        ("data_augmentation.nnUNetTrainerNoDA", "nnUNetTrainerNoDA"),
    ],
)
def test_with_other_trainers_of_nnunet(module, name):
    variants = importlib.import_module(f"nnunetv2.training.nnUNetTrainer.variants.{module}")
    mixin = importlib.import_module("monai_topoloss.nnunet.trainer").TopologyTrainerMixin
    combined = type("Combined", (mixin, getattr(variants, name)), {"recall_weight": 0.5, "supervoxel_alpha": 0.5})
    trainer = make_trainer(combined)
    trainer.initialize()
    trainer.on_train_epoch_start()
    batch = make_batch(trainer, "labels", training=True)
    assert np.isfinite(trainer.train_step(batch)["loss"])
    with torch.no_grad():
        assert np.isfinite(trainer.validation_step(make_batch(trainer, "labels"))["loss"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("recall_weight", -1), ("skeleton_radius", -1), ("supervoxel_alpha", 1.5), ("supervoxel_beta", -0.1),
     ("supervoxel_start", 2)],
)  # fmt: skip
def test_bad_settings_are_told_about_at_once(name, value):
    trainer = make_trainer(BOTH)
    setattr(trainer, name, value)
    with pytest.raises(ValueError, match=f"Expected `{name}`"):
        trainer.initialize()


def test_transforms_and_loss_that_disagree_are_told_about():
    trainer = make_trainer(SUPERVOXEL)
    trainer.initialize()
    trainer.recall_weight = 1.0  # too late: the loss is there
    trainer.on_train_epoch_start()
    with pytest.raises(ValueError, match="The trainer's transforms and its loss have to agree"):
        trainer.train_step(make_batch(trainer, "labels"))


def test_a_replaced_loss_is_told_about():
    trainer = make_trainer(RECALL)
    trainer.initialize()
    trainer.loss = torch.nn.CrossEntropyLoss()
    with pytest.raises(TypeError, match="Expected the loss that this trainer built, got CrossEntropyLoss"):
        trainer.on_train_epoch_start()


def make_outputs_and_target():
    trainer = make_trainer(RECALL, batch_dice=True)
    generator = torch.Generator().manual_seed(0)
    target = make_batch(trainer, "labels")["target"]
    target = [torch.cat([level, level.flip(-1).roll(3, -1)]) for level in target]
    target[0][0, 1] *= target[0][0, 1] == 2  # ranks hold skeletons of different sizes
    return [torch.randn(4, 3, *level.shape[2:], generator=generator) for level in target], target


def evaluate_in_a_process(rank, folder):
    torch.set_num_threads(1)
    outputs, target = make_outputs_and_target()
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    trainer = make_trainer(RECALL, batch_dice=True)
    assert trainer.is_ddp
    part = slice(2 * rank, 2 * rank + 2)
    leaves = [output[part].clone().requires_grad_() for output in outputs]
    loss = trainer._build_loss()
    recall = loss.loss.recall(leaves[0], tuple(level[part] for level in target[0].split(1, dim=1)))
    value = loss(leaves, [level[part] for level in target])
    value.backward()
    torch.save((value.item(), recall.item(), [leaf.grad for leaf in leaves]), f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one_with_the_whole_batch(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    outputs, target = make_outputs_and_target()
    outputs = [output.requires_grad_() for output in outputs]
    loss = make_trainer(RECALL, batch_dice=True)._build_loss()
    recall = loss.loss.recall(outputs[0], tuple(target[0].split(1, dim=1)))
    value = loss(outputs, target)
    value.backward()
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(evaluate_in_a_process, (folder,), nprocs=2)
        results = [torch.load(Path(folder) / f"{rank}.pt") for rank in range(2)]
    values, recalls, gradients = zip(*results, strict=True)
    assert recalls == (pytest.approx(recall.item()),) * 2
    # DDP averages gradients over ranks; cross entropy is the ranks' mean, Dice and the recall are those of all.
    assert np.mean(values) == pytest.approx(value.item(), rel=1e-4)
    for level, parts in enumerate(zip(*gradients, strict=True)):
        if outputs[level].grad is not None:
            torch.testing.assert_close(torch.cat(parts) / 2, outputs[level].grad, rtol=1e-3, atol=1e-7)
