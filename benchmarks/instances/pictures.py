"""Draw a slice as two losses have it: python benchmarks/instances/pictures.py --root DATA --work WORK.

The first arm is the baseline. Checkpoints are those of `run.py`, instances are made at the threshold that the
validation planes choose, and the slice is the middle one: nothing is picked by hand.
"""

from __future__ import annotations

import argparse

import torch
import volume
from matplotlib.figure import Figure
from report import choose
from run import THRESHOLDS, add_places, make_instances, predict, read_arm, start

from monai_topoloss.visualize import critical_overlay


def main() -> None:
    """Write results/pictures.png."""
    args = parse_arguments()
    item = volume.read(args.root, args.section)
    middle = item["image"].shape[1] // 2
    figure = Figure(figsize=(6 * len(args.arms), 6.8), layout="constrained")
    for axis, arm in zip(figure.subplots(1, len(args.arms)), args.arms, strict=True):
        parser = read_arm(arm)
        run = start(parser, args.seed, item, torch.device("cpu"))
        run.load(args.work / arm / f"{args.seed}.pt")
        logits, label = predict(run, item)
        row = choose(args.results / arm / f"{args.seed}_test.csv", args.method)
        edges, n = parser.get_parsed_content("edges"), parser.get_parsed_content("n_joining")
        found = make_instances(logits, parser, args.method, float(row["threshold"]))[0]
        options = {"edges": edges[:n], "tolerance": 1, "axis": 0, "index": middle, "scale": 4}
        axis.imshow(critical_overlay(found, label, item["image"][0], **options))
        scores = f"VOI {float(row['voi']):.2f}, normalised ERL {float(row['nerl']):.2f}"
        axis.set_title(f"{parser.get('title')}\n{scores}", fontsize=10)
        axis.axis("off")
    figure.get_layout_engine().set(h_pad=0.15)
    figure.savefig(args.results / "pictures.png", dpi=80)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_places(parser)
    parser.add_argument("--arms", nargs=2, default=["bce", "supervoxel_added"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--section", choices=list(volume.SECTIONS), default="test")
    parser.add_argument("--method", choices=list(THRESHOLDS), default="components")
    return parser.parse_args()


if __name__ == "__main__":
    main()
