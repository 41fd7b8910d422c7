"""Train the same small U-Net with four losses, and compare what stays connected.

python tutorials/quickstart.py                # synthetic vessels, about five minutes on two CPU cores
python tutorials/quickstart.py --data DIR     # TopoMortar or CHASE_DB1, in the layout they are distributed in
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from ignite.engine import Events
from ignite.handlers import ProgressBar
from monai.data import CacheDataset, DataLoader
from monai.engines import SupervisedEvaluator, SupervisedTrainer, default_prepare_batch
from monai.handlers import LrScheduleHandler, MeanDice, from_engine
from monai.inferers import SlidingWindowInferer
from monai.losses import DiceCELoss, DiceLoss
from monai.networks.nets import UNet
from monai.transforms import (
    AsDiscreted,
    Compose,
    EnsureTyped,
    LoadImaged,
    NormalizeIntensityd,
    RandFlipd,
    RandRotate90d,
    RandSpatialCropd,
)
from monai.utils import set_determinism

from monai_topoloss import (
    DiceCESkeletonRecallLoss,
    LossWeightSchedule,
    PrepareBatchSkeleton,
    RestoreLabel,
    SumLoss,
    SupervoxelLoss,
    TubedSkeletonized,
    betti_numbers,
    critical_components,
)
from monai_topoloss.datasets import chase_db1_datalist, synthetic_datalist, topomortar_datalist
from monai_topoloss.handlers import CenterlineDice
from monai_topoloss.visualize import critical_overlay, plot_critical, skeleton_overlay

mpl.use("Agg")
from matplotlib import pyplot as plt

ARMS = (
    "Dice + CE",
    "Dice + CE + Skeleton Recall",
    "Dice + CE + Skeleton Recall + soft clDice",
    "Dice + CE, then supervoxel",
)


def make_loss(name: str, epochs: int) -> tuple[torch.nn.Module, Callable, list]:
    """Return the loss of an arm, how it takes batches, and the handlers that it needs."""
    options = {"to_onehot_y": True, "softmax": True}
    if name == "Dice + CE":
        return DiceCELoss(**options), default_prepare_batch, []
    if name == "Dice + CE + Skeleton Recall":
        return DiceCESkeletonRecallLoss(**options), PrepareBatchSkeleton(), [RestoreLabel()]
    if name == "Dice + CE + Skeleton Recall + soft clDice":
        loss = DiceCESkeletonRecallLoss(**options, lambda_recall=2, lambda_cldice=3)
        return loss, PrepareBatchSkeleton(), [RestoreLabel()]
    # With alpha = 0, the supervoxel loss is its criterion: cross entropy.
    supervoxel = SupervoxelLoss(to_onehot_y=True, softmax=True)
    schedule = LossWeightSchedule(supervoxel, "alpha", value=0.5, start_epoch=epochs // 2 + 1)
    return SumLoss([DiceLoss(**options), supervoxel]), default_prepare_batch, [schedule]


def main() -> None:
    """Train and evaluate each arm, print the table, and draw the figures."""
    args = parse_arguments()
    warnings.filterwarnings("ignore", module="monai|ignite")
    training_cases, test_cases = (cases[: args.cases] for cases in load_cases(args.data))
    print(f"{len(training_cases)} training and {len(test_cases)} test images", flush=True)
    from_files = args.data is not None
    training = CacheDataset(training_cases, training_transforms(args.patch, from_files=from_files), progress=False)
    test = CacheDataset(test_cases, deterministic_transforms(from_files=from_files), progress=False)

    table, predictions = {}, {}
    for name in ARMS:
        set_determinism(args.seed)
        start = time.perf_counter()
        network = train(name, training, args)
        table[name], predictions[name] = evaluate(network, test, args)
        table[name]["seconds"] = time.perf_counter() - start

    args.output.mkdir(parents=True, exist_ok=True)
    lines = format_table(table, test)
    print("\n" + lines)
    (args.output / "table.txt").write_text(lines + "\n")
    draw(test, predictions, args.output / "figure.png")
    print(f"\nFigures: {args.output / 'figure.png'}, {args.output / 'broken.png'}")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of TopoMortar or CHASE_DB1; default: synthetic vessels")
    parser.add_argument("--output", type=Path, default=Path("quickstart_output"), help="where table and figure go")
    parser.add_argument("--steps", type=int, default=400, help="training steps of each arm")
    parser.add_argument("--patch", type=int, default=128, help="size of the training patches")
    parser.add_argument("--cases", type=int, help="use only the first images of each section")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def load_cases(data: Path | None) -> tuple[list[dict], list[dict]]:
    """List training and test cases: of the data set found in a folder, or synthetic ones."""
    if data is None:
        return synthetic_datalist(32, (192, 192), seed=1), synthetic_datalist(16, (192, 192), seed=2)
    datalist = topomortar_datalist if (data / "dataset").is_dir() else chase_db1_datalist
    return datalist(data, "training"), datalist(data, "test")


def deterministic_transforms(*, from_files: bool) -> Compose:
    """Load, normalise, and make the tubed skeleton: what a CacheDataset does once."""
    keys = ["image", "label"]
    return Compose(
        [
            LoadImaged(keys, ensure_channel_first=True) if from_files else EnsureTyped(keys),
            NormalizeIntensityd("image", channel_wise=True),
            AsDiscreted("label", threshold=0.5),
            TubedSkeletonized("label"),
        ]
    )


def training_transforms(patch: int, *, from_files: bool) -> Compose:
    """Add random patches, flips and rotations, the same for image, label and skeleton."""
    keys = ["image", "label", "skeleton_label"]
    return Compose(
        [
            deterministic_transforms(from_files=from_files),
            RandSpatialCropd(keys, roi_size=(patch, patch), random_size=False),
            RandFlipd(keys, prob=0.5, spatial_axis=0),
            RandRotate90d(keys, prob=0.75),
        ]
    )


def train(name: str, dataset: CacheDataset, args: argparse.Namespace) -> UNet:
    """Train a network; only the loss, and what it needs, differ between the arms."""
    loader = DataLoader(dataset, batch_size=min(4, len(dataset)), shuffle=True, drop_last=True)
    network = UNet(
        spatial_dims=2,
        in_channels=dataset[0]["image"].shape[0],
        out_channels=2,
        channels=(16, 32, 64, 128),
        strides=(2, 2, 2),
        num_res_units=1,
        norm="batch",
    ).to(args.device)
    epochs = -(-args.steps // len(loader))
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    loss, prepare_batch, handlers = make_loss(name, epochs)
    trainer = SupervisedTrainer(
        device=args.device,
        max_epochs=epochs,
        train_data_loader=loader,
        network=network,
        optimizer=optimizer,
        loss_function=loss,
        prepare_batch=prepare_batch,
        postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2),
        key_train_metric={
            "train_dice": MeanDice(include_background=False, output_transform=from_engine(["pred", "label"]))
        },
        train_handlers=[
            *handlers,
            LrScheduleHandler(torch.optim.lr_scheduler.PolynomialLR(optimizer, epochs, power=0.9), print_lr=False),
        ],
    )
    bar = ProgressBar(desc=name)
    bar.attach(
        trainer,
        output_transform=lambda output: {"loss": output[0]["loss"]},
        event_name=Events.EPOCH_COMPLETED,
        closing_event_name=Events.COMPLETED,
    )
    trainer.run()
    return network


def evaluate(
    network: UNet, dataset: CacheDataset, args: argparse.Namespace
) -> tuple[dict[str, float], list[np.ndarray]]:
    """Predict the test images, and measure the overlap and what is connected."""
    masks: list[np.ndarray] = []
    evaluator = SupervisedEvaluator(
        device=args.device,
        val_data_loader=DataLoader(dataset, batch_size=1),
        network=network,
        inferer=SlidingWindowInferer((args.patch, args.patch), sw_batch_size=16, overlap=0.25),
        postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2),
        key_val_metric={"cldice": CenterlineDice(output_transform=from_engine(["pred", "label"]))},
        additional_metrics={
            "dice": MeanDice(include_background=False, output_transform=from_engine(["pred", "label"]))
        },
    )

    @evaluator.on(Events.ITERATION_COMPLETED)
    def keep_mask(engine: SupervisedEvaluator) -> None:
        masks.append(engine.state.output[0]["pred"][1].cpu().numpy() > 0)

    evaluator.run()
    labels = [true_mask(item) for item in dataset]
    critical = [critical_components(mask, label) for mask, label in zip(masks, labels, strict=True)]
    surplus = [count_components(mask) - count_components(label) for mask, label in zip(masks, labels, strict=True)]
    return {
        "Dice": evaluator.state.metrics["dice"],
        "clDice": evaluator.state.metrics["cldice"],
        "components": np.mean([count_components(mask) for mask in masks]),
        "|error|": np.mean(np.abs(surplus)),
        "splits": np.mean([found.n_splits for found in critical]),
        "merges": np.mean([found.n_merges for found in critical]),
    }, masks


def true_mask(item: dict) -> np.ndarray:
    """Return the label of a case as a mask."""
    return np.asarray(item["label"][0]) > 0


def count_components(mask: np.ndarray) -> int:
    """Count the 8-connected components."""
    return int(betti_numbers(mask)[0])


def format_table(table: dict[str, dict[str, float]], dataset: CacheDataset) -> str:
    """Format the results, one arm per line."""
    truth = np.mean([count_components(true_mask(item)) for item in dataset])
    width = max(map(len, table))
    lines = [f"{'':{width}}   Dice  clDice  components  |error|  splits  merges  seconds"]
    for name, row in table.items():
        lines.append(
            f"{name:{width}}  {row['Dice']:.3f}   {row['clDice']:.3f}  {row['components']:10.1f}"
            f"  {row['|error|']:7.1f}  {row['splits']:6.1f}  {row['merges']:6.1f}  {row['seconds']:7.0f}"
        )
    lines.append(f"{'label':{width}}  1.000   1.000  {truth:10.1f}      0.0     0.0     0.0")
    return "\n".join(lines)


def draw(dataset: CacheDataset, predictions: dict[str, list[np.ndarray]], path: Path) -> None:
    """Draw image, label, tubed skeleton and predictions of the case that the first arm breaks the most."""
    first = next(iter(predictions.values()))
    broken = [
        count_components(mask) - count_components(true_mask(item)) for mask, item in zip(first, dataset, strict=True)
    ]
    case = int(np.argmax(broken))
    item, label = dataset[case], true_mask(dataset[case])
    image = np.moveaxis(np.asarray(item["image"]), 0, -1)
    low, high = np.percentile(image, (1, 99))
    image = np.clip((image - low) / (high - low), 0, 1)
    figure, axes = plt.subplots(2, 4, figsize=(18, 10), layout="constrained")
    panels = {"image": image, "label": label, "tubed skeleton": skeleton_overlay(label, item["image"], radius=2)}
    for axis, (title, panel) in zip(axes[0], panels.items(), strict=False):  # one stays empty
        axis.imshow(panel, cmap="gray")
        axis.set_title(title)
    for axis, (name, masks) in zip(axes[1], predictions.items(), strict=True):
        found = critical_components(masks[case], label)
        axis.imshow(critical_overlay(masks[case], label, item["image"]))
        axis.set_title(f"{name}\n{found.n_splits} splits, {found.n_merges} merges")
    for axis in axes.flat:
        axis.set_axis_off()
    figure.supxlabel("green = label, yellow = prediction, orange = splits, blue = merges", fontsize="medium")
    figure.savefig(path, dpi=80, bbox_inches="tight")
    name, masks = next(iter(predictions.items()))
    closer = plot_critical(masks[case], label, item["image"], title=name)
    closer.savefig(path.with_name("broken.png"), dpi=80)


if __name__ == "__main__":
    main()
