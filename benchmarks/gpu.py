"""The CUDA backend against the CPU's and scikit-image, and what the losses add to a training step, in the same run.

python benchmarks/gpu.py                                # needs a GPU with CuPy
python benchmarks/gpu.py --device cpu --size 16 --rounds 1   # tries the program itself where there is none
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from critical import make as make_mistakes
from monai.losses import DiceCELoss, SoftclDiceLoss
from monai.networks.nets import DynUNet
from skeletonize import make, reference_tubes
from torch import Tensor, nn

from monai_topoloss import (
    DiceCESkeletonRecallLoss,
    SumLoss,
    SupervoxelLoss,
    critical_components,
    skeletonize,
    tubed_skeleton,
)


class SoftclDiceCE(nn.Module):
    """MONAI's losses, added up."""

    def __init__(self) -> None:
        super().__init__()
        self.dice_ce = DiceCELoss(softmax=True, to_onehot_y=True)
        self.cldice = SoftclDiceLoss(iter_=3)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the sum."""
        one_hot = torch.cat([target == 0, target != 0], dim=1).float()
        return self.dice_ce(input, target) + self.cldice(one_hot, input.softmax(1))


def wait(device: str) -> None:
    """Wait until all that has been launched is done."""
    if device == "cuda":
        torch.cuda.synchronize()


def interleave(functions: dict[str, Callable[[], object]], rounds: int, device: str) -> dict[str, float]:
    """Return medians of interleaved timings, in milliseconds."""
    for function in functions.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            wait(device)
            start = time.perf_counter()
            function()
            wait(device)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(values)) for name, values in times.items()}


def check_equal(function: Callable[..., object], *arguments: Tensor, device: str) -> None:
    """Fail unless the CPU computes the same."""
    found = function(*(argument.to(device) for argument in arguments))
    torch.testing.assert_close(
        [part.cpu() for part in (found if isinstance(found, tuple) else (found,))],
        list(expected if isinstance(expected := function(*arguments), tuple) else (expected,)),
        rtol=0,
        atol=0,
    )


def operations(size: int, rounds: int, device: str) -> None:
    """Print the table of operations."""
    print(f"{'work':40}{'here':>12}{'CPU':>12}{'scikit-image':>15}")
    for kind, count, side in (("tubes", 2, size), ("curves", 4, 8 * size)):
        label = np.stack([make(kind, side).astype(np.uint8)] * count)
        tensor = torch.from_numpy(label)
        function = partial(tubed_skeleton, spatial_dims=label.ndim - 1)
        check_equal(function, tensor, device=device)
        times = interleave(
            {
                "here": partial(function, tensor.to(device)),
                "CPU": partial(function, tensor),
                "scikit-image": lambda label=label: [reference_tubes(image) for image in label],
            },
            rounds,
            device,
        )
        work = f"tubed skeleton, {count} x {side}^{label.ndim - 1} {kind}"
        print(f"{work:40}" + "".join(f"{value:9.2f} ms" for value in times.values()), flush=True)
    pair = [torch.from_numpy(np.stack([image] * 2)) for image in make_mistakes((size,) * 3, 0.02)]
    function = partial(critical_components, spatial_dims=3)
    check_equal(function, *pair, device=device)
    times = interleave(
        {"here": partial(function, *(image.to(device) for image in pair)), "CPU": partial(function, *pair)},
        rounds,
        device,
    )
    work = f"critical components, 2 x {size}^3, 2 % wrong"
    print(f"{work:40}" + "".join(f"{value:9.2f} ms" for value in times.values()), flush=True)


def training_steps(size: int, rounds: int, device: str) -> None:
    """Print what the losses add to a training step of a DynUNet."""
    torch.manual_seed(0)
    kernels, strides = [[3] * 3] * 4, [[1] * 3, [2] * 3, [2] * 3, [2] * 3]
    network = DynUNet(3, 1, 2, kernels, strides, strides[1:], filters=[32, 64, 128, 256]).to(device)
    optimizer = torch.optim.SGD(network.parameters(), 1e-4)
    label = torch.from_numpy(np.stack([make("tubes", size)[None].astype(np.uint8)] * 2)).to(device)
    image = label + 0.3 * torch.randn(label.shape, device=device)
    skeleton = tubed_skeleton(label, spatial_dims=3)
    options = {"softmax": True, "to_onehot_y": True}
    losses: dict[str, tuple[nn.Module, object]] = {
        "Dice + CE": (DiceCELoss(**options), label),
        "+ recall, skeleton on the fly": (DiceCESkeletonRecallLoss(**options), label),
        "+ recall, skeleton precomputed": (DiceCESkeletonRecallLoss(**options), (label, skeleton)),
        "+ supervoxel": (SumLoss([DiceCELoss(**options), SupervoxelLoss(to_onehot_y=True, softmax=True)]), label),
        "+ SoftclDiceLoss (MONAI)": (SoftclDiceCE(), label),
    }

    def step(loss: nn.Module, target: object) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(network(image), target).backward()
        optimizer.step()

    for _ in range(20 if device == "cuda" else 1):  # the supervoxel loss is made for a network that is right mostly
        step(*losses["Dice + CE"])
    times = interleave({name: partial(step, *arguments) for name, arguments in losses.items()}, rounds, device)
    plain, memory_of_plain = times["Dice + CE"], 0
    print(f"\n{f'DynUNet step, 2 x 1 x {size}^3':40}{'time':>12}{'':>10}{'peak memory':>16}")
    for name, (loss, target) in losses.items():
        memory = 0
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            step(loss, target)
            memory = torch.cuda.max_memory_allocated()
        memory_of_plain = memory_of_plain or memory
        more = 100 * (memory / memory_of_plain - 1) if memory else 0
        print(
            f"{name:40}{times[name]:9.2f} ms{100 * (times[name] / plain - 1):+8.1f} %{memory / 2**20:12.0f} MiB"
            f"{more:+8.1f} %",
            flush=True,
        )


def growth(size: int, rounds: int, device: str) -> None:
    """Print how time grows with the volume."""
    print(f"\n{'growth':40}{'skeletonize':>14}{'critical components':>22}")
    for side in (size // 2, size, 2 * size, 4 * size):
        mask = torch.from_numpy(make("tubes", side)).to(device)
        pair = [torch.from_numpy(image).to(device) for image in make_mistakes((side,) * 3, 0.02)]
        times = interleave({"a": partial(skeletonize, mask), "b": partial(critical_components, *pair)}, rounds, device)
        print(f"{f'{side}^3':40}{times['a']:11.2f} ms{times['b']:19.2f} ms", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--size", type=int, default=128, help="side of the volumes; images have eight times that")
    parser.add_argument("--rounds", type=int, default=9, help="how often each work is timed")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU here")
    print(f"On {torch.cuda.get_device_name() if args.device == 'cuda' else 'the CPU'}, PyTorch {torch.__version__}\n")
    operations(args.size, args.rounds, args.device)
    training_steps(args.size, args.rounds, args.device)
    growth(args.size, args.rounds, args.device)


if __name__ == "__main__":
    main()
