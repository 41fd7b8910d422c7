"""Train the same network with different losses on real images, and measure what stays connected.

python benchmarks/segmentation/run.py --root DATA --data topomortar --seeds 0 1 2
python benchmarks/segmentation/report.py

A run that is there is left alone, one that was interrupted goes on where it was. Results are CSV files with a row for
each image, in results/DATA/ARM/SEED_SECTION.csv; predictions and checkpoints go to --work. A folder of either belongs
to one configuration, which is kept in it.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import data
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from train import ARMS, RIVALS, Run, evaluate, make_parser, make_training_set, read_arm
from training import claim, describe

COLUMNS = ("case", "group", "dice", "cldice", "betti0", "betti1", "splits", "merges", "hd95", "voi", "are")


def main() -> None:
    """Run what is not there yet."""
    args = parse_arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    overrides = {key: yaml.safe_load(value) for key, value in (override.split("=", 1) for override in args.set)}
    for seed in args.seeds:
        for arm in args.arms:
            name = ",".join([arm, *args.set])
            folder, work = args.results / args.data / name, args.work / args.data / name
            parser = read_arm(arm, overrides, args.config, args.data)
            configuration = describe(parser, args.cases, args.device)
            claim(folder, configuration)
            claim(work, configuration)
            paths = {section: folder / f"{seed}_{section}.csv" for section in args.sections}
            if all(path.is_file() for path in paths.values()):
                print(f"{name} seed {seed}: there already", flush=True)
                continue
            start = time.perf_counter()
            dataset = make_training_set(args.data, args.root, parser, args.cases)
            run = Run(parser, seed, dataset, torch.device(args.device))
            run.train(work / f"{seed}.pt")
            for section, path in paths.items():
                rows = evaluate(run, args.data, args.root, section, args.cases)
                write(path, work / f"{seed}_{section}", rows)
            print(f"{name} seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)


def write(path: Path, masks: Path, rows: list[dict[str, object]]) -> None:
    """Write a CSV file, and a folder of predictions."""
    masks.mkdir(parents=True, exist_ok=True)
    for row in rows:
        mask: NDArray[np.uint8] = row.pop("mask")  # type: ignore[assignment]
        if mask.ndim == 2:
            Image.fromarray(mask.T * 255).save(masks / f"{row['case']}.png")
        else:
            np.savez_compressed(masks / f"{row['case']}.npz", mask=mask)
    with path.with_suffix(".part").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})
    path.with_suffix(".part").replace(path)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.add_argument("--arms", nargs="+", choices=[*ARMS, *RIVALS], default=ARMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--sections", nargs="+", choices=data.SECTIONS, default=list(data.SECTIONS[1:]))
    parser.add_argument("--config", type=Path, help="file that overrides the configuration, as full.yaml for a GPU")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="override configuration, for tuning")
    parser.add_argument("--cases", type=int, help="use only the first images of each section")
    parser.add_argument("--threads", type=int, help="of PyTorch")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
