"""Training and evaluation with MONAI's own engines, from Python and from a Bundle configuration."""

from __future__ import annotations

import pytest
import torch
import yaml
from ignite.engine import Events
from monai.bundle import ConfigParser
from monai.data import CacheDataset, DataLoader
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import (
    CheckpointSaver,
    MeanDice,
    StatsHandler,
    TensorBoardStatsHandler,
    ValidationHandler,
    from_engine,
)
from monai.losses import DiceLoss
from monai.networks.nets import UNet
from monai.transforms import AsDiscreted, Compose, EnsureTyped, RandFlipd, RandRotate90d
from monai.utils import set_determinism

from monai_topoloss import (
    CriticalComponentsd,
    DiceCESkeletonRecallLoss,
    LossWeightSchedule,
    PrepareBatchSkeleton,
    RestoreLabel,
    SumLoss,
    SupervoxelLoss,
    TubedSkeletonized,
    tubed_skeleton,
)
from monai_topoloss.datasets import synthetic_datalist

pytestmark = [
    pytest.mark.slow,
    # Raised inside MONAI, Ignite and PyTorch by what they do to each other.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

SIZES = {2: (48, 48), 3: (24, 24, 24)}


@pytest.fixture(autouse=True)
def _deterministic():
    set_determinism(0)
    yield
    set_determinism(None)


def make_loader(ndim, *, skeleton, workers=0, count=4):
    keys = ["image", "label"] + ["skeleton_label"] * skeleton
    cases = synthetic_datalist(count, SIZES[ndim], seed=ndim)
    steps = [EnsureTyped(["image", "label"]), *([TubedSkeletonized("label")] if skeleton else [])]
    steps += [RandFlipd(keys, prob=0.5, spatial_axis=0), RandRotate90d(keys, prob=0.5)]
    dataset = CacheDataset(cases, Compose(steps), progress=False)
    return DataLoader(dataset, batch_size=2, num_workers=workers)


def make_network(ndim):
    return UNet(ndim, 1, 2, channels=(8, 16), strides=(2,), num_res_units=1)


def skeleton_recall(network, loader, device):
    """Share of the tubed skeletons that a network finds."""
    found = total = 0
    network.eval()
    with torch.no_grad():
        for batch in loader:
            label = batch["label"].as_tensor().to(device)
            skeleton = tubed_skeleton(label, spatial_dims=label.ndim - 2)[:, 0] > 0
            prediction = network(batch["image"].as_tensor().to(device)).argmax(1)
            found, total = found + prediction[skeleton].sum().item(), total + skeleton.sum().item()
    return found / total


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("precomputed", [True, False])
def test_training_lowers_the_loss_and_raises_the_recall(ndim, precomputed, device, tmp_path):
    """DataLoader workers, CacheDataset, trainer, decollation, postprocessing, metrics and handlers together."""
    loader = make_loader(ndim, skeleton=precomputed, workers=2)
    network = make_network(ndim).to(device)
    before = skeleton_recall(network, loader, device)
    losses, labels = [], []
    metric = {"output_transform": from_engine(["pred", "label"]), "include_background": False}
    evaluator = SupervisedEvaluator(
        device=device,
        val_data_loader=make_loader(ndim, skeleton=False),
        network=network,
        postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2),
        key_val_metric={"val_dice": MeanDice(**metric)},
        val_handlers=[
            StatsHandler(output_transform=lambda _: None),
            CheckpointSaver(str(tmp_path), {"network": network}, save_key_metric=True),
        ],
    )
    trainer = SupervisedTrainer(
        device=device,
        max_epochs=12,
        train_data_loader=loader,
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), 1e-2),
        loss_function=DiceCESkeletonRecallLoss(to_onehot_y=True, softmax=True),
        **({"prepare_batch": PrepareBatchSkeleton()} if precomputed else {}),
        postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2),
        key_train_metric={"train_dice": MeanDice(**metric)},
        train_handlers=[
            *([RestoreLabel()] if precomputed else []),
            ValidationHandler(6, evaluator),
            StatsHandler(tag_name="loss", output_transform=from_engine(["loss"], first=True)),
            TensorBoardStatsHandler(log_dir=str(tmp_path), output_transform=from_engine(["loss"], first=True)),
            CheckpointSaver(str(tmp_path), {"network": network}, save_final=True),
        ],
    )

    @trainer.on(Events.ITERATION_COMPLETED)
    def record(engine):
        losses.append(engine.state.output[0]["loss"])
        labels.append(engine.state.output[0]["label"].shape)

    trainer.run()
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    assert skeleton_recall(network, loader, device) > max(before, 0.5)
    assert set(labels) == {torch.Size((2, *SIZES[ndim]))}  # the plain label reached postprocessing
    assert 0 < trainer.state.metrics["train_dice"] <= 1
    assert 0 < evaluator.state.metrics["val_dice"] <= 1
    assert len(evaluator.state.metric_details["val_dice"]) == 4
    saved = {path.name for path in tmp_path.iterdir()}
    assert "network_final_iteration=24.pt" in saved
    assert any("key_metric" in name for name in saved)
    assert any("tfevents" in name for name in saved)


def test_both_ways_to_a_skeleton_train_the_same_network():
    weights = []
    for precomputed in (True, False):
        set_determinism(0)
        network = make_network(2)
        # Without spatial transforms in between, the skeleton in the batch is that of its label.
        cases = synthetic_datalist(2, (32, 32))
        dataset = CacheDataset(
            cases, Compose([EnsureTyped(["image", "label"]), TubedSkeletonized("label")]), progress=False
        )
        SupervisedTrainer(
            device="cpu",
            max_epochs=2,
            train_data_loader=DataLoader(dataset, batch_size=2),
            network=network,
            optimizer=torch.optim.SGD(network.parameters(), 0.1),
            loss_function=DiceCESkeletonRecallLoss(to_onehot_y=True, softmax=True),
            **({"prepare_batch": PrepareBatchSkeleton(), "train_handlers": [RestoreLabel()]} if precomputed else {}),
        ).run()
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(*weights)


@pytest.mark.parametrize("decollate", [True, False])
def test_an_evaluator_with_skeletons_restores_the_label(decollate):
    outputs = []
    network = make_network(2)
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=make_loader(2, skeleton=True),
        network=network,
        prepare_batch=PrepareBatchSkeleton(),
        val_handlers=[RestoreLabel()],
        decollate=decollate,
    )
    evaluator.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(engine.state.output))
    evaluator.run()
    label = outputs[0][0]["label"] if decollate else outputs[0]["label"]
    assert label.shape[-3:] == (1, 48, 48)


def test_the_handler_leaves_a_plain_label_alone():
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=1,
        train_data_loader=make_loader(2, skeleton=False, count=2),
        network=(network := make_network(2)),
        optimizer=torch.optim.SGD(network.parameters(), 0.1),
        loss_function=DiceCESkeletonRecallLoss(to_onehot_y=True, softmax=True),
        train_handlers=[RestoreLabel()],
    )
    trainer.run()
    assert trainer.state.output[0]["label"].shape == (1, 48, 48)


@pytest.mark.parametrize("ndim", [2, 3])
def test_supervoxel_loss_from_an_epoch_on(ndim, device):
    """The schedule switches before the first iteration of its epoch; the error maps come out of postprocessing."""
    network = make_network(ndim).to(device)
    supervoxel = SupervoxelLoss(to_onehot_y=True, softmax=True)
    trainer = SupervisedTrainer(
        device=device,
        max_epochs=6,
        train_data_loader=make_loader(ndim, skeleton=False, workers=2),
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), 1e-2),
        loss_function=SumLoss([DiceLoss(to_onehot_y=True, softmax=True), supervoxel]),
        postprocessing=Compose(
            [AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2), CriticalComponentsd("pred")]
        ),
        key_train_metric={"dice": MeanDice(include_background=False, output_transform=from_engine(["pred", "label"]))},
        train_handlers=[LossWeightSchedule(supervoxel, "alpha", value=0.5, start_epoch=3, ramp_epochs=1)],
    )
    alphas, losses = [], []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: alphas.append(supervoxel.alpha))
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output[0]["loss"]))
    trainer.run()
    assert alphas == [0, 0, 0, 0, 0.25, 0.25, *[0.5] * 6]
    assert losses[-1] < losses[0]
    assert trainer.state.output[0]["splits_pred"].shape == (1, *SIZES[ndim])


@pytest.mark.gpu
@pytest.mark.parametrize("supervoxel", [False, True])
def test_amp(supervoxel):
    network = make_network(2).cuda()
    loss = DiceCESkeletonRecallLoss(to_onehot_y=True, softmax=True)
    trainer = SupervisedTrainer(
        device="cuda",
        max_epochs=3,
        train_data_loader=make_loader(2, skeleton=True),
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), 1e-2),
        loss_function=SumLoss([loss, SupervoxelLoss(to_onehot_y=True, softmax=True)]) if supervoxel else loss,
        prepare_batch=PrepareBatchSkeleton(),
        train_handlers=[RestoreLabel()],
        amp=True,
    )
    trainer.run()
    assert torch.tensor(trainer.state.output[0]["loss"]).isfinite()


BUNDLE = """
imports:
- $import torch
dataset:
  _target_: CacheDataset
  data:
    _target_: monai_topoloss.datasets.synthetic_datalist
    count: 4
    spatial_size: [32, 32]
  progress: false
  transform:
    _target_: Compose
    transforms:
    - _target_: EnsureTyped
      keys: [image, label]
    - _target_: monai_topoloss.TubedSkeletonized
      keys: label
      radius: 1
network:
  _target_: UNet
  spatial_dims: 2
  in_channels: 1
  out_channels: 2
  channels: [4, 8]
  strides: [2]
trainer:
  _target_: SupervisedTrainer
  device: "$torch.device('cpu')"
  max_epochs: 2
  train_data_loader:
    _target_: DataLoader
    dataset: "@dataset"
    batch_size: 2
  network: "@network"
  optimizer:
    _target_: torch.optim.Adam
    params: "$@network.parameters()"
  loss_function:
    _target_: monai_topoloss.DiceCESkeletonRecallLoss
    to_onehot_y: true
    softmax: true
    lambda_recall: 0.5
  prepare_batch:
    _target_: monai_topoloss.PrepareBatchSkeleton
  train_handlers:
  - _target_: monai_topoloss.RestoreLabel
"""


@pytest.mark.parametrize("deep", [False, True])
def test_bundle_configuration(tmp_path, deep):
    path = tmp_path / "train.yaml"
    path.write_text(BUNDLE)
    parser = ConfigParser()
    parser.read_config(str(path))
    if deep:
        plain = parser["trainer#loss_function"]
        parser["trainer#loss_function"] = {"_target_": "monai_topoloss.SkeletonDeepSupervisionLoss", "loss": plain}
    parser.get_parsed_content("imports")
    trainer = parser.get_parsed_content("trainer")
    trainer.run()
    assert trainer.state.iteration == 4
    assert trainer.state.output[0]["label"].shape == (1, 32, 32)
    assert isinstance(trainer.prepare_batch, PrepareBatchSkeleton)


def test_supervoxel_loss_in_a_bundle_configuration():
    parser = ConfigParser(yaml.safe_load(BUNDLE))
    parser["loss"] = {"_target_": "monai_topoloss.SupervoxelLoss", "softmax": True, "to_onehot_y": True, "alpha": 0}
    parser["trainer#loss_function"] = "@loss"
    del parser["trainer"]["prepare_batch"]
    schedule = {"_target_": "monai_topoloss.LossWeightSchedule", "loss": "@loss", "value": 0.4, "start_epoch": 2}
    parser["trainer#train_handlers"] = [schedule]
    trainer = parser.get_parsed_content("trainer")
    trainer.run()
    assert trainer.loss_function.alpha == 0.4
    assert trainer.state.output[0]["label"].shape == (1, 32, 32)
