"""What each loss costs, forward and backward, beside MONAI's in the same run.

python benchmarks/losses.py

Predictions are vessels that are found by half, labels are label maps. Losses take turns; times are of the processor,
one thread, medians; ratios are medians of pairs with MONAI's loss of the same name, or with its DiceCELoss where there
is none. Memory is the peak above what the process held before (Linux), each in a process of its own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from memory import measure_peak, spawn
from monai.losses import DiceCELoss, SoftclDiceLoss
from timing import in_turns
from torch import Tensor

from monai_topoloss import (
    DiceCESkeletonRecallLoss,
    NeighborPenalty,
    SkeletonPrecisionLoss,
    SkeletonRecallLoss,
    SoftCenterlineDiceLoss,
    SupervoxelLoss,
    tubed_skeleton,
)
from monai_topoloss.datasets import synthetic_vessels

CASES = {"2-D": (4, (512, 512)), "3-D": (2, (96, 96, 96))}
BOTH = {"softmax": True, "to_onehot_y": True}
CENTERLINE = {**BOTH, "include_background": False}
LOSSES: dict[str, tuple[Callable[..., Tensor], str]] = {
    "monai DiceCELoss": (DiceCELoss(**BOTH), "monai DiceCELoss"),
    "monai SoftclDiceLoss(3)": (SoftclDiceLoss(3, **CENTERLINE), "monai DiceCELoss"),
    "monai SoftclDiceLoss(10)": (SoftclDiceLoss(10, **CENTERLINE), "monai DiceCELoss"),
    "SoftCenterlineDiceLoss(3)": (SoftCenterlineDiceLoss(3, **CENTERLINE), "monai SoftclDiceLoss(3)"),
    "SoftCenterlineDiceLoss(10)": (SoftCenterlineDiceLoss(10, **CENTERLINE), "monai SoftclDiceLoss(10)"),
    "SkeletonRecallLoss": (SkeletonRecallLoss(**BOTH), "monai DiceCELoss"),
    "SkeletonPrecisionLoss": (SkeletonPrecisionLoss(**BOTH), "monai DiceCELoss"),
    "DiceCESkeletonRecallLoss": (DiceCESkeletonRecallLoss(**BOTH), "monai DiceCELoss"),
    "SupervoxelLoss": (SupervoxelLoss(**BOTH), "monai DiceCELoss"),
    "NeighborPenalty(DiceCELoss)": (NeighborPenalty(DiceCELoss(**BOTH)), "monai DiceCELoss"),
}


def make(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Make logits that are right for the most part, a label map of 0 and 1, and its tubed skeleton."""
    batch, size = CASES[name]
    label = torch.from_numpy(np.stack([synthetic_vessels(size, seed=seed)[1] for seed in range(batch)]))
    noise = torch.randn(label.shape, generator=torch.Generator().manual_seed(0))
    pool = F.avg_pool2d if len(size) == 2 else F.avg_pool3d
    noise = pool(noise, 3, 1, 1) * 3 ** (len(size) / 2)
    foreground = pool(6.0 * label - 4.0, 3, 1, 1) + 1.5 * noise
    logits = torch.cat([torch.zeros_like(foreground), foreground], dim=1).requires_grad_()
    return logits, label, tubed_skeleton(label, spatial_dims=len(size))


def step(loss: str, logits: Tensor, label: Tensor, skeleton: Tensor) -> None:
    """Compute a loss and its gradient."""
    logits.grad = None
    LOSSES[loss][0](logits, (label, skeleton) if "SkeletonRecall" in loss else label).backward()


def main() -> None:
    """Print a table for each case, or the peak memory of one loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--memory", choices=LOSSES, help="only print the MiB of this loss")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for case in args.cases:
        data = make(case)
        if args.memory:
            step(args.memory, *data)  # loads its kernels
            print(min(measure_peak(partial(step, args.memory, *data)) for _ in range(3)))
            continue
        times = in_turns([partial(step, loss, *data) for loss in LOSSES], args.repeats, time.process_time)
        peaks = {loss: spawn("--cases", case, "--memory", loss) for loss in LOSSES}
        batch, size = CASES[case]
        print(f"{batch} x 2 x {' x '.join(map(str, size))}, {float((data[1] != 0).float().mean()):.1%} foreground")
        print(f"{'':30}{'ms':>10}{'ratio':>10}{'MiB':>10}{'ratio':>10}  relative to")
        for loss, column in zip(LOSSES, times.T, strict=True):
            peer = LOSSES[loss][1]
            theirs = times[:, list(LOSSES).index(peer)]
            print(
                f"{loss:30}{np.median(column):10.1f}{np.median(column / theirs):10.3f}"
                f"{peaks[loss]:10.1f}{peaks[loss] / peaks[peer]:10.3f}  {peer}",
                flush=True,
            )


if __name__ == "__main__":
    main()
