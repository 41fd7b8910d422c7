"""What Skeleton Recall adds to Dice and cross entropy, forward and backward, in the same run.

python benchmarks/recall.py

Times are of the processor, one thread, interleaved; ratios are medians of pairs. The skeleton comes from the data
loader.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
from monai.losses import DiceCELoss
from timing import compare
from torch import Tensor

from monai_topoloss import DiceCESkeletonRecallLoss, SkeletonRecallLoss, tubed_skeleton
from monai_topoloss.datasets import synthetic_vessels

OPTIONS = {"softmax": True, "to_onehot_y": True}


def make(classes: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Make logits, a label map with a vessel tree of each class but the background, and its tubed skeleton."""
    label = torch.from_numpy(synthetic_vessels((size,) * 3, seed=0, num_trees=classes - 1)[1])[None]
    logits = torch.randn(1, classes, size, size, size, generator=torch.Generator().manual_seed(0), requires_grad=True)
    return logits, label, tubed_skeleton(label, spatial_dims=3)


def step(loss: Callable[..., Tensor], logits: Tensor, target: object) -> None:
    """Compute a loss and its gradient."""
    logits.grad = None
    loss(logits, target).backward()


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"{'forward + backward':22}{'the sum':>14}{'without':>14}{'ratio':>8}")
    for classes, size, repeats in ((2, 128, 15), (13, 128, 9), (13, 96, 15)):
        logits, label, skeleton = make(classes, size)
        recall = DiceCESkeletonRecallLoss(**OPTIONS)
        alone, monai = SkeletonRecallLoss(**OPTIONS), DiceCELoss(**OPTIONS)

        def apart(
            logits: Tensor,
            pair: tuple[Tensor, Tensor],
            monai: DiceCELoss = monai,
            alone: SkeletonRecallLoss = alone,
        ) -> Tensor:
            return monai(logits, pair[0]) + alone(logits, pair)

        without = {
            "DiceCESkeletonRecallLoss(lambda_recall=0)": DiceCESkeletonRecallLoss(**OPTIONS, lambda_recall=0),
            "monai.losses.DiceCELoss": monai,
        }
        print(f"{classes} classes, {size}^3, tubes of {(skeleton != 0).float().mean():.1%} of the voxels")
        for title, loss, other in (
            ("DiceCESkeletonRecall", recall, "DiceCESkeletonRecallLoss(lambda_recall=0)"),
            ("DiceCESkeletonRecall", recall, "monai.losses.DiceCELoss"),
            ("plainly added", apart, "monai.losses.DiceCELoss"),
        ):
            pair = (label, skeleton)
            peer = partial(step, without[other], logits, pair if other.startswith("Dice") else label)
            theirs, ours, ratio = compare(peer, partial(step, loss, logits, pair), repeats, time.process_time)
            print(f"  {title:20}{ours:11.0f} ms{theirs:11.0f} ms{ratio:8.3f}   {other}", flush=True)


if __name__ == "__main__":
    main()
