"""Critical components and the supervoxel loss against slower ways to the same, in the same run.

python benchmarks/critical.py            # about three minutes on two CPU cores
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1]))
from timing import compare

from monai_topoloss import SupervoxelLoss, critical_components
from tests.oracles.supervoxel import released


def make(shape: tuple[int, ...], wrong: float) -> tuple[np.ndarray, np.ndarray]:
    """Make a prediction and a target: winding objects, 15 % of the image, and a share of voxels that are wrong."""
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.random(shape), 4)
    target = field > np.quantile(field, 0.85)
    return target ^ (rng.random(shape) < wrong), target


def with_scipy(input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the critical components of masks with SciPy's labels and NumPy's scatter."""
    structure = np.ones((3,) * input.ndim)
    remainder, count = ndimage.label(input & target, structure)
    padded = np.pad(remainder, 1)
    result = []
    for mistakes in (target & ~input, input & ~target):
        components, number = ndimage.label(mistakes, structure)
        where = np.nonzero(mistakes)
        its = components[where]
        pairs = []
        for offset in np.ndindex(structure.shape):
            touched = padded[tuple(axis + step for axis, step in zip(where, offset, strict=True))]
            pairs.append((its * (count + 1) + touched)[touched > 0])
        found = np.unique(np.concatenate(pairs)) // (count + 1)
        result.append((np.bincount(found, minlength=number + 1) != 1)[components] & mistakes)
    return result[0], result[1]


def both_ways(input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find splits and merges as the released code does."""
    return released(target, input)[0], released(input, target)[0]


def report(work: str, ours: float, theirs: float, ratio: float) -> None:
    """Print a line of a table."""
    print(f"{work:44}{ours:10.2f} ms{theirs:12.2f} ms{ratio:10.1f}", flush=True)


def main() -> None:
    """Print the tables."""
    print(f"{'detection, 2 % of the voxels wrong':44}{'ours':>13}{'theirs':>15}{'ratio':>10}")
    for shape in ((512, 512), (64, 64, 64)):
        pair = make(shape, 0.02)
        size = f"{shape[0]}^{len(shape)}"
        mixed = partial(critical_components, *pair, object_connectivity=1, mistake_connectivity=len(shape))
        for mine, other in zip(mixed()[:2], both_ways(*pair), strict=True):
            np.testing.assert_array_equal(mine, other)
        report(f"released algorithm, {size}", *compare(mixed, partial(both_ways, *pair), 3))
        report(
            f"  with one connectivity, {size}",
            *compare(partial(critical_components, *pair), partial(both_ways, *pair), 3),
        )
        for mine, other in zip(critical_components(*pair)[:2], with_scipy(*pair), strict=True):
            np.testing.assert_array_equal(mine, other)
        ours = partial(critical_components, *pair)
        report(f"SciPy and NumPy, {size}", *compare(ours, partial(with_scipy, *pair), 31))

    input, target = make((4, 1, 512, 512), 0.02)
    logits = torch.from_numpy(input) * 4.0 - 2 + 0.5 * torch.randn(input.shape)
    print(f"\n{'supervoxel loss, 4 x 1 x 512 x 512':44}{'BCE':>13}{'supervoxel':>15}{'ratio':>10}")
    for dtype in (torch.uint8, torch.float32):
        label = torch.from_numpy(target).to(dtype)
        plain = partial(F.binary_cross_entropy_with_logits, logits, label.float())
        report(f"forward, target {dtype}", *compare(plain, partial(SupervoxelLoss(), logits, label), 31))

    print(f"\n{'growth of detection':16}{'2 % wrong':>12}{'random':>12}{'all wrong':>12}{'all / random':>14}")
    rng = np.random.default_rng(0)
    for size in (64, 96, 128, 192, 256):
        good = make((size,) * 3, 0.02)
        noise = rng.random((size,) * 3) < 0.5
        guess = rng.random((size,) * 3) < 0.5
        repeats = 5 if size <= 128 else 1
        all_wrong, random, ratio = compare(
            partial(critical_components, ~noise, noise), partial(critical_components, guess, noise), repeats
        )
        few, _, _ = compare(partial(critical_components, *good), int, repeats)
        print(f"{f'{size}^3':16}{few:9.1f} ms{random:9.1f} ms{all_wrong:9.1f} ms{1 / ratio:14.2f}", flush=True)
        print(f"{'  per voxel':16}" + "".join(f"{1e6 * x / size**3:9.1f} ns" for x in (few, random, all_wrong)))


if __name__ == "__main__":
    main()
