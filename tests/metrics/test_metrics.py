"""What all metrics of one-hot segmentations have in common."""

from __future__ import annotations

import copy
import pickle
import tempfile
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from monai.data import MetaTensor

from monai_topoloss.metrics import (
    AdaptedRandErrorMetric,
    BettiErrorMetric,
    CenterlineDiceMetric,
    CriticalErrorMetric,
    VariationOfInformationMetric,
    compute_adapted_rand_error,
    compute_betti_error,
    compute_centerline_dice,
    compute_critical_error,
    compute_variation_of_information,
)

PAIRS = [
    (CenterlineDiceMetric, compute_centerline_dice),
    (BettiErrorMetric, compute_betti_error),
    (CriticalErrorMetric, compute_critical_error),
    (VariationOfInformationMetric, compute_variation_of_information),
    (AdaptedRandErrorMetric, compute_adapted_rand_error),
]


def make_pair(shape=(3, 3, 16, 17), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return ((torch.rand(shape, generator=generator) < 0.4).float() for _ in range(2))


@pytest.mark.parametrize(("metric", "function"), PAIRS)
@pytest.mark.parametrize("shape", [(3, 3, 16, 17), (2, 1, 6, 7, 8)])
def test_collects_what_the_function_computes(metric, function, shape, device):
    pred, label = (x.to(device) for x in make_pair(shape))
    values = function(pred, label)
    assert values.shape == (shape[0], max(1, shape[1] - 1))
    assert values.dtype == torch.float32
    assert values.device.type == device.type
    first = metric()
    torch.testing.assert_close(first(pred, label), values)
    first.reset()
    for copied in (first, copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        copied(list(pred), list(label))  # decollated
        copied(MetaTensor(pred[:1]), MetaTensor(label[:1]))
        torch.testing.assert_close(copied.aggregate("none"), torch.cat([values, values[:1]]))
    with_background = function(pred, label, include_background=True)
    torch.testing.assert_close(with_background[:, shape[1] > 1 :], values)


@pytest.mark.parametrize("metric", [pair[0] for pair in PAIRS])
def test_empty_labels(metric):
    pred, label = make_pair()
    label[1] = 0
    ignoring, counting = (metric(ignore_empty=ignore, get_not_nans=True, reduction="mean") for ignore in (True, False))
    for each in (ignoring, counting):
        each(pred, label)
    assert ignoring.get_buffer()[1].isnan().all()
    assert ignoring.aggregate()[1] == 2
    assert counting.aggregate()[1] == 3
    assert not counting.get_buffer().isnan().any()
    torch.testing.assert_close(ignoring.aggregate()[0].squeeze(), counting.get_buffer()[[0, 2]].mean())


@pytest.mark.parametrize("metric", [pair[0] for pair in PAIRS])
def test_nothing_to_aggregate(metric):
    with pytest.raises(ValueError, match="Expected values to aggregate, got none"):
        metric().aggregate()


@pytest.mark.parametrize("function", [pair[1] for pair in PAIRS])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y_pred": "x"}, TypeError, "Expected `y_pred` to be a torch.Tensor"),
        ({"y_pred": torch.zeros(4, 4)}, ValueError, r"Expected `y_pred` of shape \(B, C, \*spatial\) in 2-D or 3-D"),
        (
            {"y": torch.zeros(1, 1, 4, 5)},
            ValueError,
            r"`y` of the shape of `y_pred`, \(1, 1, 4, 4\), got",
        ),
        (
            {"y_pred": torch.full((1, 1, 4, 4), 2)},
            ValueError,
            "Expected `y_pred` to hold 0 and 1, .* got 2; class ids .*`monai.networks.one_hot`",
        ),
        ({"y_pred": torch.full((1, 1, 4, 4), 0.7)}, ValueError, "made discrete first, by a threshold or argmax"),
        ({"backend": "gpu"}, ValueError, "Expected `backend` to be one of"),
    ],
)
def test_bad_input(function, change, error, message):
    with pytest.raises(error, match=message):
        function(**{"y_pred": torch.zeros(1, 1, 4, 4), "y": torch.zeros(1, 1, 4, 4), **change})


def collect_in_a_process(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    pred, label = make_pair()
    share = slice(0, 1) if rank == 0 else slice(1, 3)
    result = []
    for metric, _ in PAIRS:
        each = metric()
        each(pred[share], label[share])
        result.append(each.aggregate())
    torch.save(result, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one():
    pred, label = make_pair()
    expected = []
    for metric, _ in PAIRS:
        each = metric()
        each(pred, label)
        expected.append(each.aggregate())
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(collect_in_a_process, (folder,), nprocs=2)
        for rank in range(2):
            torch.testing.assert_close(torch.load(Path(folder) / f"{rank}.pt"), expected)
