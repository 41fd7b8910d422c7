"""Measure what a training step costs with each loss, relative to Dice + CE in the same run.

python benchmarks/segmentation/cost.py --root DATA --data topomortar

A step is forward, loss, backward and update, on batches that are ready. Losses take turns; ratios are medians over
rounds. Memory is the peak of a step above what the process held before it, in a process of its own (Linux or CUDA).
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from train import ARMS, RIVALS, Run, make_parser, make_training_set, read_arm

sys.path.append(str(Path(__file__).parents[1]))
from memory import measure_peak, spawn

COLUMNS = ("arm", "seconds", "time_ratio", "mebibytes", "memory_ratio", "device", "threads")


def main() -> None:
    """Write results/DATA_cost.csv, or print the peak memory of one arm."""
    args = parse_arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.memory:
        print(measure_memory(*prepare(args, [args.memory])))
        return
    arms = [*ARMS, *args.rivals]
    runs, batches = prepare(args, arms)
    times = measure_time(runs, batches, args.rounds)
    memory = [spawn_memory(arm) for arm in arms]
    args.results.mkdir(parents=True, exist_ok=True)
    with (args.results / f"{args.data}_cost.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for arm, seconds, mebibytes in zip(arms, times, memory, strict=True):
            ratio = np.median(seconds / times[0])
            numbers = (f"{x:.4g}" for x in (np.median(seconds), ratio, mebibytes, mebibytes / memory[0]))
            row = (arm, *numbers, args.device, torch.get_num_threads())
            writer.writerow(row)
            print(*row)


def prepare(args: argparse.Namespace, arms: list[str]) -> tuple[list[Run], list[dict[str, Any]]]:
    """Train each arm a little, so that its mistakes are not those of chance, and switch everything on."""
    dataset = make_training_set(args.data, args.root, read_arm(ARMS[0], config=args.config, name=args.data), args.cases)
    runs = [
        Run(read_arm(arm, config=args.config, name=args.data), 0, dataset, torch.device(args.device)) for arm in arms
    ]
    for run in runs:
        run.set_weights(run.epochs)
    dataset.transform.set_random_state(0)  # the same patches for each process that measures memory
    batches = list(DataLoader(dataset, runs[0].batch_size))
    for step in range(args.warm_up):
        for run in runs:
            run.step(batches[step % len(batches)])
    return runs, batches


def measure_time(runs: list[Run], batches: list[dict[str, Any]], rounds: int) -> np.ndarray:
    """Return the seconds of a step for each run (rows) and round."""
    times = np.empty((len(runs), rounds))
    for r in range(rounds):
        for index, run in enumerate(runs):
            start = time.perf_counter()
            for batch in batches:
                run.step(batch)  # returns the loss as a number, so it has waited for the device
            times[index, r] = (time.perf_counter() - start) / len(batches)
    return times


def measure_memory(runs: list[Run], batches: list[dict[str, Any]]) -> float:
    """Return the peak of a step in MiB, above what was held before it."""
    (run,) = runs
    peaks = []
    for batch in batches:
        if run.device.type == "cuda":
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            run.step(batch)
            peaks.append((torch.cuda.max_memory_allocated() - before) / 2**20)
        else:
            peaks.append(measure_peak(partial(run.step, batch)))
    return float(np.median(peaks))


def spawn_memory(arm: str) -> float:
    """Measure an arm's memory in a process of its own."""
    return spawn(*sys.argv[1:], "--memory", arm)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.add_argument("--config", type=Path, help="file that overrides the configuration, as full.yaml for a GPU")
    parser.add_argument("--cases", type=int, default=16, help="use only the first images")
    parser.add_argument("--warm-up", type=int, default=50, help="steps before measuring")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, help="of PyTorch")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rivals", nargs="*", choices=RIVALS, default=[], help="losses of other packages")
    parser.add_argument("--memory", choices=[*ARMS, *RIVALS], help="only print the MiB of this arm")
    return parser.parse_args()


if __name__ == "__main__":
    main()
