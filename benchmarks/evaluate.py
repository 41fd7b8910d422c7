"""Time and peak memory of ``python -m monai_topoloss evaluate``, on synthetic vessels in NIfTI files.

python benchmarks/evaluate.py                                        # 4 pairs of 128^3
python benchmarks/evaluate.py --size 256 --pairs 20 --jobs 1 2       # several minutes, most of them to draw the vessels
python benchmarks/evaluate.py --size 512 --pairs 1 --against OLD     # and the ratio to another checkout of the package

Each command is a process of its own, imports included; memory is that of its largest process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np

from monai_topoloss.datasets import synthetic_vessels

ROOT = Path(__file__).resolve().parents[1]


class Cost(NamedTuple):
    """What a command took."""

    seconds: float
    cpu_seconds: float
    megabytes: float


def draw(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw vessels, and a prediction of them with gaps, false branches, specks and a rough wall."""
    rng = np.random.default_rng(seed)
    label = synthetic_vessels((size,) * 3, seed=seed, num_trees=3)[1][0] > 0
    prediction = label.copy()
    for value, places in ((False, np.argwhere(label)), (True, np.argwhere(label) + rng.integers(-6, 7, 3))):
        for corner in rng.choice(places, size // 2):
            prediction[tuple(slice(max(0, x - 2), x + 3) for x in corner)] = value
    prediction ^= rng.random(label.shape, dtype=np.float32) < 1e-4
    return prediction.astype(np.uint8), label.astype(np.uint8)


def write_pairs(folder: Path, size: int, pairs: int) -> None:
    """Write the files."""
    for index in range(pairs):
        for kind, array in zip(("pred", "label"), draw(size, seed=index), strict=True):
            path = folder / kind / f"{index:03}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)


def measure(folder: Path, checkout: Path, *options: str) -> Cost:
    """Run the command of a checkout."""
    paths = ["--pred", str(folder / "pred"), "--label", str(folder / "label")]
    command = [sys.executable, "-m", "monai_topoloss", "evaluate", *paths, *options]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(checkout)}, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed in {checkout}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="of the volumes' edges, in voxels")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another state of the package")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, warm_up = Path(name, "pairs"), Path(name, "warm_up")
        write_pairs(folder, args.size, args.pairs)
        runs = [(f"--jobs {jobs}", ROOT, ("--jobs", str(jobs)) if jobs > 1 else ()) for jobs in args.jobs]
        if args.against:
            runs.insert(0, (str(args.against), args.against.resolve(), ()))
        print(f"{args.pairs} pairs of {args.size}^3\n{'':24}{'s':>9}{'s of CPU':>10}{'MB':>8}   ratios to the first")
        first: Cost | None = None
        write_pairs(warm_up, 32, 1)
        for title, checkout, options in runs:
            measure(warm_up, checkout)  # compiles
            cost = measure(folder, checkout, *options)
            first = first or cost
            ratios = "".join(f"{a / b:7.2f}" for a, b in zip(first, cost, strict=True))
            print(f"{title:24}{cost.seconds:9.2f}{cost.cpu_seconds:10.2f}{cost.megabytes:8.0f}   {ratios}", flush=True)


if __name__ == "__main__":
    main()
