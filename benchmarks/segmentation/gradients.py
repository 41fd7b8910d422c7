"""Say how hard each part of the losses pulls, and at which pixels.

python benchmarks/segmentation/gradients.py --root DATA --data topomortar

For the network that Dice + CE has trained, on patches of the training: the mean size of each part's gradient at the
foreground's logit, times the number of pixels, at splits, at merges, at other wrong pixels and at right ones.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import torch
from monai.losses import DiceLoss
from torch import Tensor
from torch.nn.functional import cross_entropy
from train import ARMS, Run, make_parser, make_training_set, read_arm

from monai_topoloss import (
    SkeletonPrecisionLoss,
    SkeletonRecallLoss,
    SoftCenterlineDiceLoss,
    SupervoxelLoss,
    critical_components,
)

REGIONS = ("splits", "merges", "other wrong", "right")


def main() -> None:
    """Write results/DATA_gradients.csv."""
    args = parse_arguments()
    parser = read_arm(ARMS[0], config=args.config, name=args.data)
    dataset = make_training_set(args.data, args.root, parser)
    dataset.transform.set_random_state(args.seed)
    run = Run(parser, args.seed, dataset, torch.device("cpu"))
    run.load(args.work / args.data / ARMS[0] / f"{args.seed}.pt")
    run.network.eval()
    sums: dict[tuple[str, str], float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for _, batch in zip(range(args.batches), run.load_epoch(), strict=False):
        with torch.no_grad():
            logits = run.network(batch["image"])
        label, skeleton = (batch[key].as_tensor() for key in ("label", "skeleton_label"))
        regions = find_regions(logits, label)
        for region, mask in regions.items():
            counts[region] += int(mask.sum())
        for part, gradient in find_gradients(logits.as_tensor(), label, skeleton).items():
            for region, mask in regions.items():
                sums[part, region] += float(gradient[mask].abs().sum())
    args.results.mkdir(parents=True, exist_ok=True)
    with (args.results / f"{args.data}_gradients.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("part", *REGIONS))
        total = sum(counts.values())
        writer.writerow(("share of pixels", *(f"{counts[region] / total:.3g}" for region in REGIONS)))
        for part in dict.fromkeys(part for part, _ in sums):
            row = (part, *(f"{sums[part, region] / max(counts[region], 1):.3g}" for region in REGIONS))
            writer.writerow(row)
            print(*row, sep=", ")


def find_regions(logits: Tensor, label: Tensor) -> dict[str, Tensor]:
    """Return masks (B, H, W) of what the prediction gets wrong, and how."""
    prediction = logits.argmax(dim=1, keepdim=True)
    found = critical_components(prediction, label.long(), spatial_dims=2)
    splits, merges, wrong = found.splits[:, 0] != 0, found.merges[:, 0] != 0, (prediction != label)[:, 0]
    return dict(zip(REGIONS, (splits, merges, wrong & ~splits & ~merges, ~wrong), strict=True))


def find_gradients(logits: Tensor, label: Tensor, skeleton: Tensor) -> dict[str, Tensor]:
    """Return the gradient of each part at the foreground's logits (B, H, W), times the number of pixels."""
    logits = logits.requires_grad_()
    options = {"softmax": True, "to_onehot_y": True}
    recall = SkeletonRecallLoss(**options)(logits, (label, skeleton))
    centerline = {**options, "iter_": 10, "include_background": False}
    cldice, of_precision = (SoftCenterlineDiceLoss(**centerline, beta=beta)(logits, label) for beta in (1, 0.5))
    parts = {
        "Dice": DiceLoss(**options)(logits, label),
        "CE": cross_entropy(logits, label[:, 0].long()),
        "0.02 CE": 0.02 * cross_entropy(logits, label[:, 0].long()),
        "supervoxel (alpha 0.5, beta 0.5)": SupervoxelLoss(**options, alpha=0.5, beta=0.5)(logits, label),
        "supervoxel (alpha 0.98, beta 0.5)": SupervoxelLoss(**options, alpha=0.98, beta=0.5)(logits, label),
        "20 supervoxel (alpha 1, beta 0.5)": 20 * SupervoxelLoss(**options, alpha=1, beta=0.5)(logits, label),
        "Skeleton Recall": recall,
        "skeleton precision": SkeletonPrecisionLoss(**options)(logits, label),
        "soft clDice": cldice,
        "soft clDice (beta 0.5)": of_precision,
        "2 Skeleton Recall + 3 soft clDice (beta 0.5)": 2 * recall + 3 * of_precision,
    }
    return {
        part: torch.autograd.grad(value, logits, retain_graph=True)[0][:, 1] * label.numel()
        for part, value in parts.items()
    }


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--config", type=Path, help="the file that run.py was given")
    parser.add_argument("--batches", type=int, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    main()
