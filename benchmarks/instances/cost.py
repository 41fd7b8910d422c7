"""Measure what a training step costs with each loss, relative to the first one in the same run.

python benchmarks/instances/cost.py --root DATA --work WORK

A step is forward, loss, backward and update, on patches that are ready, with all that is scheduled switched on. Losses
take turns, from the checkpoint that `run.py` has left of the first arm; ratios are medians over rounds.
"""

from __future__ import annotations

import argparse
import csv
import time

import numpy as np
import torch
import volume
from run import ARMS, add_places, read_arm, start


def main() -> None:
    """Write results/cost.csv."""
    args = parse_arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    item = volume.read(args.root, "training")
    runs = [start(read_arm(arm), 0, item, torch.device(args.device)) for arm in args.arms]
    for run in runs:
        run.load(args.work / args.arms[0] / "0.pt")
        run.set_weights(run.epochs)
        run.network.train()
    batches = list(runs[0].load_epoch())[: args.rounds]
    seconds = np.empty((len(runs), len(batches)))
    for k, batch in enumerate([batches[0], *batches]):  # the first one warms up
        for own, run in zip(seconds, runs, strict=True):
            begin = time.perf_counter()
            run.step(batch)
            own[max(0, k - 1)] = time.perf_counter() - begin
    args.results.mkdir(parents=True, exist_ok=True)
    with (args.results / "cost.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("arm", "seconds", "ratio", "device", "threads"))
        for arm, own in zip(args.arms, seconds, strict=True):
            row = (arm, f"{np.median(own):.4g}", f"{np.median(own / seconds[0]):.4g}")
            writer.writerow((*row, args.device, torch.get_num_threads()))
            print(*row)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_places(parser)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, help="of PyTorch")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
