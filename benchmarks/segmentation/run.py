"""Train the same network with different losses on real images, and measure what stays connected.

python benchmarks/segmentation/run.py --root DATA --data topomortar --seeds 0 1 2
python benchmarks/segmentation/report.py

A run that is there is left alone, one that was interrupted goes on where it was. Results are CSV files with a row for
each image, in results/DATA/ARM/SEED_SECTION.csv; predictions and checkpoints go to --work. A folder of either belongs
to one configuration, which is kept in it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import data
import numpy as np
import torch
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from PIL import Image
from train import ARMS, RIVALS, Run, evaluate, make_parser, make_training_set, read_arm
from training import add_arguments, run_missing, write_rows

COLUMNS = ("case", "group", "dice", "cldice", "betti0", "betti1", "splits", "merges", "hd95", "voi", "are")


def main() -> None:
    """Run what is not there yet."""
    args = parse_arguments()

    def read(arm: str, overrides: dict[str, Any]) -> ConfigParser:
        return read_arm(arm, overrides, args.config, args.data)

    def run_one(parser: ConfigParser, seed: int, work: Path, paths: dict[str, Path]) -> None:
        dataset = make_training_set(args.data, args.root, parser, args.cases)
        run = Run(parser, seed, dataset, torch.device(args.device))
        run.train(work / f"{seed}.pt")
        for section, path in paths.items():
            write(path, work / f"{seed}_{section}", evaluate(run, args.data, args.root, section, args.cases))

    run_missing(args, read, run_one, below=args.data)


def write(path: Path, masks: Path, rows: list[dict[str, object]]) -> None:
    """Write a CSV file, and a folder of predictions."""
    masks.mkdir(parents=True, exist_ok=True)
    for row in rows:
        mask: NDArray[np.uint8] = row.pop("mask")  # type: ignore[assignment]
        if mask.ndim == 2:
            Image.fromarray(mask.T * 255).save(masks / f"{row['case']}.png")
        else:
            np.savez_compressed(masks / f"{row['case']}.npz", mask=mask)
    write_rows(path, COLUMNS, rows)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.add_argument("--arms", nargs="+", choices=[*ARMS, *RIVALS], default=ARMS)
    parser.add_argument("--config", type=Path, help="file that overrides the configuration, as full.yaml for a GPU")
    parser.add_argument("--cases", type=int, help="use only the first images of each section")
    add_arguments(parser, data.SECTIONS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
