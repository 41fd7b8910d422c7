"""Whole volumes in chunks: time against memory, and how much of it, for volumes that memory does not hold.

python benchmarks/chunked.py                       # 2048^3, about ten minutes and 0.2 GiB of disk
python benchmarks/chunked.py --size 512

A label of vessel trees, and a prediction with gaps and bridges, are written to Zarr chunk by chunk. Each operation then
runs in a process of its own on Dask's threads. Where the volume is no larger than 512^3, it runs in memory too, in
turns, and the results are compared: once with the volume there already, once read first, as chunks are. `--operations`
picks some.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import zarr
from memory import measure_peak
from timing import in_turns

from monai_topoloss import chunked, topology
from monai_topoloss.datasets import synthetic_vessels

TILE = 512  # voxels a side; the volume is this tile, and its mirror images
LARGEST_IN_MEMORY = 512


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048, help="voxels along each axis")
    parser.add_argument("--chunk", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("chunked_work"), help="folder of the volume")
    parser.add_argument("--operations", nargs="+", choices=OPERATIONS, default=list(OPERATIONS))
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = args.work / f"{args.size}_{args.chunk}"
    if args.measure:
        measure(folder, args.operations[0], args.threads)
        return
    if not (folder / "done").exists():
        write(folder, args.size, args.chunk)
    print(f"{args.size}^3 in chunks of {args.chunk}^3, {args.threads} thread(s)")
    titles = f"{'operation':22}{'seconds':>9}{'ns a voxel':>12}{'peak, GiB':>11}"
    print(f"{titles}{'in memory':>14}{'ratio':>8}{'read first':>14}{'ratio':>8}", flush=True)
    for operation in args.operations:
        report(args, folder, operation)


def report(args: argparse.Namespace, folder: Path, operation: str) -> None:
    """Print a line of the table."""
    same = ["--size", str(args.size), "--chunk", str(args.chunk), "--work", str(args.work), "--operations", operation]
    same += ["--threads", str(args.threads)]
    command = [sys.executable, sys.argv[0], *same, "--measure"]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    seconds, peak = (float(word) for word in printed.split())
    line = f"{operation:22}{seconds:9.1f}{1e9 * seconds / args.size**3:12.2f}{peak:11.2f}"
    if args.size <= LARGEST_IN_MEMORY:
        arrays = read(folder)
        whole = [partial(np.asarray, np.asarray(each)) for each in arrays]
        reading = [partial(np.asarray, each) for each in arrays]
        parts, in_memory = OPERATIONS[operation]
        with dask.config.set(scheduler="threads", num_workers=args.threads):
            check_same(parts(*arrays), in_memory(*whole))
            functions = partial(run, parts, *arrays), partial(in_memory, *whole), partial(in_memory, *reading)
            times = in_turns(functions, 3)
        for k in (1, 2):
            median, ratio = np.median(times[:, k]), np.median(times[:, 0] / times[:, k])
            line += f"{1e6 * median / args.size**3:11.2f} ns{ratio:8.2f}"
    print(line, flush=True)


def measure(folder: Path, operation: str, threads: int) -> None:
    """Print how many seconds an operation takes, and how many GiB of memory more than its process held before."""
    with dask.config.set(scheduler="threads", num_workers=threads):
        begin = time.perf_counter()
        peak = measure_peak(partial(run, OPERATIONS[operation][0], *read(folder)))
        print(time.perf_counter() - begin, peak / 2**10)


def run(function: Callable[..., Any], *arrays: Any) -> None:
    """Compute all of a result, and keep none of it."""
    for result in function(*arrays):
        if result.ndim < 2:
            result.compute()
        else:
            da.store(result, Nowhere(), lock=False)


class Nowhere:
    """What forgets the blocks that are stored in it."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Forget."""


def check_same(results: Any, expected: Any) -> None:
    """Check that results in chunks are those in memory."""
    for result, value in zip(results, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(result), value)


def read(folder: Path) -> list[Any]:
    """Return prediction and label."""
    return [da.from_zarr(str(folder / f"{name}.zarr")) for name in ("prediction", "label")]


def write(folder: Path, size: int, chunk: int) -> None:
    """Write prediction and label, chunk by chunk."""
    folder.mkdir(parents=True, exist_ok=True)
    label = synthetic_vessels((min(size, TILE),) * 3, seed=0, num_trees=6)[1][0] != 0
    layout: dict[str, Any] = {"shape": (size,) * 3, "chunks": (chunk,) * 3, "dtype": bool, "overwrite": True}
    arrays = [zarr.create_array(str(folder / f"{name}.zarr"), **layout) for name in ("prediction", "label")]
    places = np.arange(size)
    places = np.where(places // len(label) % 2, len(label) - 1 - places % len(label), places % len(label))
    for index in np.ndindex((-(-size // chunk),) * 3):
        box = tuple(slice(i * chunk, min((i + 1) * chunk, size)) for i in index)
        part = label[np.ix_(*(places[each] for each in box))]
        arrays[1][box] = part
        arrays[0][box] = damage(part, np.random.default_rng(index))
    (folder / "done").touch()


def damage(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut gaps into vessels, and put bridges beside them: one of each in 20,000 voxels."""
    damaged = label.copy()
    voxels = np.argwhere(label)
    if len(voxels):
        for value in (False, True):
            corners = rng.choice(voxels, label.size // 20_000) + rng.integers(-4, 5, 3) * int(value) - 2
            for z, y, x in np.maximum(corners, 0):
                damaged[z : z + 5, y : y + 5, x : x + 5] = value
    return damaged


# In chunks, of prediction and label; and in memory, of what returns them.
OPERATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "label_components": (
        lambda _, y: [chunked.label_components(y).labels],
        lambda _, y: [topology.label_components(y()).labels],
    ),
    "critical_components": (
        lambda x, y: [da.stack(chunked.critical_components(x, y)[:2])],
        lambda x, y: [np.stack(topology.critical_components(x(), y())[:2])],
    ),
    "betti_numbers": (lambda _, y: [chunked.betti_numbers(y)], lambda _, y: [topology.betti_numbers(y())]),
    "euler_number": (lambda _, y: [chunked.euler_number(y)], lambda _, y: [topology.euler_number(y())]),
    "skeletonize": (lambda _, y: [chunked.skeletonize(y)], lambda _, y: [topology.skeletonize(y())]),
}


if __name__ == "__main__":
    sys.exit(main())
