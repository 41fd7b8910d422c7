"""Thinning against scikit-image, in the same run: ratios of medians of interleaved timings, and peak memory.

python benchmarks/skeletonize.py            # two minutes on two CPU cores
python benchmarks/skeletonize.py --growth   # and how time grows from 64^3 to 320^3
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from functools import partial

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize as scikit_image
from skimage.morphology import thin as scikit_image_thin
from timing import compare

from monai_topoloss import TubedSkeletonize, skeletonize

SHAPES = {"tubes": 3, "trees": 3, "blobs": 3, "curves": 2}


def make(kind: str, size: int) -> np.ndarray:
    """Make a mask: winding tubes of radius 2 to 4 (3 %), thin trees (3 %), blobs (30 %), or 2-D curves (8 %)."""
    rng = np.random.default_rng(0)
    if kind == "blobs":
        field = ndimage.gaussian_filter(rng.random((size,) * 3), 4)
        return field > np.quantile(field, 0.7)
    ndim, share, radii = {"tubes": (3, 0.03, (2, 4)), "trees": (3, 0.03, (0.8, 2)), "curves": (2, 0.08, (1, 3.5))}[kind]
    mask = np.zeros((size,) * ndim, bool)
    while mask.mean() < share:
        radius = rng.uniform(*radii)
        ball = np.argwhere(np.ones((2 * int(radius) + 3,) * ndim)) - int(radius) - 1
        ball = ball[(ball**2).sum(axis=1) <= radius**2]
        position, direction = rng.uniform(0, size, ndim), rng.normal(size=ndim)
        for _ in range(2 * size):
            direction = direction / np.linalg.norm(direction) + 0.1 * rng.normal(size=ndim)
            position = position + direction / np.linalg.norm(direction)
            if ((position < 0) | (position >= size)).any():
                break
            points = np.rint(position).astype(int) + ball
            mask[tuple(points[((points >= 0) & (points < size)).all(axis=1)].T)] = True
    return mask


def reference_tubes(label: np.ndarray) -> np.ndarray:
    """Skeletonize, dilate two times, multiply."""
    cross = ndimage.generate_binary_structure(label.ndim, 1)
    skeleton = ndimage.binary_dilation(scikit_image(label > 0), cross, iterations=2)
    return skeleton.astype(label.dtype) * label


def peak_memory(kind: str, size: int, whose: str) -> float:
    """Return how many MiB more than before thinning a mask takes at its peak, in a process that has thinned (Linux)."""
    code = f"""
import io, sys
import numpy as np
sys.path.insert(0, "benchmarks")
from skeletonize import make, scikit_image, skeletonize
thin = {"skeletonize" if whose == "ours" else "scikit_image"}
thin(make({kind!r}, 32))
mask = np.load(io.BytesIO(sys.stdin.buffer.read()))
def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))
with open("/proc/self/clear_refs", "w") as reset:  # the peak counts from here
    reset.write("5")
before = memory("VmRSS")
thin(mask)
print((memory("VmHWM") - before) / 1024)
"""
    buffer = io.BytesIO()
    np.save(buffer, make(kind, size))
    command = [sys.executable, "-W", "ignore", "-c", code]
    return float(subprocess.run(command, input=buffer.getvalue(), capture_output=True, check=True).stdout)


def report(work: str, ours: float, theirs: float, unit: str) -> None:
    """Print a line of the table."""
    print(f"{work:34}{ours:9.2f} {unit:3}{theirs:11.1f} {unit:3}{theirs / max(ours, 1e-9):9.1f}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--growth", action="store_true", help="print how time grows from 64^3 to 320^3")
    args = parser.parse_args()
    print(f"{'work':34}{'ours':>13}{'scikit-image':>15}{'ratio':>9}")
    volumes = [("tubes", 128), ("tubes", 256), ("trees", 128), ("blobs", 128)]
    for kind, size in (*volumes, ("curves", 512), ("curves", 1024), ("curves", 2048)):
        mask = make(kind, size)
        for method in ("lee", "lee_skimage") if mask.ndim == 3 else ("zhang", "thin"):
            reference = scikit_image_thin if method == "thin" else scikit_image
            ours, theirs, _ = compare(partial(skeletonize, mask, method=method), partial(reference, mask), 9)
            report(f"{method}, {kind} {size}^{mask.ndim}", ours, theirs, "ms")
    transform = TubedSkeletonize()
    for kind, size in (("tubes", 128), ("curves", 1024)):
        label = make(kind, size).astype(np.uint8)
        ours, theirs, _ = compare(partial(transform, label[None]), partial(reference_tubes, label), 9)
        report(f"TubedSkeletonize, {kind} {size}^{label.ndim}", ours, theirs, "ms")
    for kind, size in (("tubes", 256), ("blobs", 256), ("curves", 4096)):
        ours, theirs = (peak_memory(kind, size, whose) for whose in ("ours", "theirs"))
        report(f"peak memory, {kind} {size}^{SHAPES[kind]}", ours, theirs, "MiB")
    if args.growth:
        print(f"\n{'lee, tubes':16}{'ours':>9}{'per voxel':>12}{'of a memcpy':>14}")
        for size in (64, 128, 192, 256, 320):
            mask = make("tubes", size)
            ours, copy, _ = compare(partial(skeletonize, mask), mask.copy, 7)
            print(f"{f'{size}^3':16}{ours:6.1f} ms{1e6 * ours / mask.size:9.2f} ns{ours / copy:12.1f} x")


if __name__ == "__main__":
    main()
