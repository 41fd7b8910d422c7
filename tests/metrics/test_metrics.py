"""What all metrics of one-hot segmentations have in common."""

from __future__ import annotations

import copy
import pickle
import tempfile
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from monai.data import MetaTensor
from monai.metrics import do_metric_reduction
from monai.utils import MetricReduction

from monai_topoloss._options import describe_arguments
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
from tests.metrics.other_options import other_options

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


REDUCTIONS = ["mean", "sum", "mean_batch", "sum_batch", "mean_channel", "sum_channel", "none"]


@pytest.mark.parametrize("metric", [pair[0] for pair in PAIRS])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_no_values_are_not_the_best(metric, reduction):
    pred, label = make_pair()
    each = metric(reduction=reduction, ignore_empty=True, get_not_nans=True)
    each(pred, torch.zeros_like(label))
    value, count = each.aggregate()
    assert value.isnan().all()
    assert (count == 0).all()
    assert each.get_buffer().isnan().all()
    assert each.aggregate("sum")[0].isnan().all()


@pytest.mark.parametrize("metric", [pair[0] for pair in PAIRS])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_some_values_are_reduced_as_by_monai(metric, reduction):
    pred, label = make_pair()
    label[1] = 0
    label[0, 2] = 0
    each = metric(reduction=reduction, ignore_empty=True, get_not_nans=True)
    values = each(pred, label)
    expected, expected_count = do_metric_reduction(values.clone(), reduction)
    value, count = each.aggregate()
    torch.testing.assert_close(count, expected_count)
    torch.testing.assert_close(value[count > 0], expected[count > 0])
    assert value[count == 0].isnan().all()


@pytest.mark.parametrize(("metric", "function"), PAIRS)
def test_has_the_options_of_its_function(metric, function):
    """Each is an argument of the class, an attribute, and handed on; the defaults are the same."""
    of_function = dict(list(signature(function).parameters.items())[2:])
    of_class = signature(metric).parameters
    assert list(of_class) == ["include_background", "reduction", "get_not_nans", *list(of_function)[1:]]
    assert all(of_class[name].default == each.default for name, each in of_function.items())
    assert list(describe_arguments(metric)) == list(of_class)
    assert dict(describe_arguments(function)).keys() > of_function.keys()
    options = other_options(function)
    assert list(options) == list(of_function)
    each = metric(**options)
    assert {name: getattr(each, name) for name in options} == options
    handed = {}
    each._function = lambda y_pred, y, **arguments: handed.update(arguments, y_pred=y_pred, y=y) or y_pred
    each(torch.zeros(1, 1), torch.ones(1, 1))
    assert handed == {**options, "y_pred": 0, "y": 1}


def test_a_class_of_ones_own():
    class Precision(CenterlineDiceMetric):
        def __init__(self, reduction="mean"):
            super().__init__(score="precision", reduction=reduction)

    pred, label = make_pair()
    torch.testing.assert_close(Precision()(pred, label), compute_centerline_dice(pred, label, score="precision"))
    assert list(signature(Precision).parameters) == ["reduction"]


def test_options_by_position():
    metric = CenterlineDiceMetric(*(True, "sum", True, False, "precision"))
    assert (metric.include_background, metric.ignore_empty, metric.score) == (True, False, "precision")
    assert (metric.reduction, metric.get_not_nans, metric.backend) == (MetricReduction.SUM, True, "auto")


@pytest.mark.parametrize("metric", [pair[0] for pair in PAIRS])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"conectivity": 1}, TypeError, r"Metric\(\) got an unexpected keyword argument 'conectivity'"),
        ({"reduction": "median"}, ValueError, "Expected `reduction` to be one of .* got 'median'"),
        ({"backend": np.zeros(2)}, ValueError, "Expected `backend` to be one of"),
        ({"backend": "gpu"}, ValueError, "Expected `backend` to be one of"),
        ({"ignore_index": 0}, ValueError, "Expected `ignore_index` to be another value than 0"),
        ({"ignore_index": 1}, ValueError, "Expected `ignore_index` to be another value than 1"),
        ({"ignore_index": 0.5}, TypeError, "Expected `ignore_index` to be an int"),
    ],
)
def test_bad_options(metric, options, error, message):
    with pytest.raises(error, match=message):
        metric(**options)


@pytest.mark.parametrize("metric", [pair[0] for pair in PAIRS])
def test_nothing_to_aggregate(metric):
    with pytest.raises(ValueError, match="Expected values to aggregate, got none"):
        metric().aggregate()
    with pytest.raises(ValueError, match=r"Expected `reduction` to be one of .* got 'median'"):
        metric().aggregate("median")


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
        ({"y_pred": torch.full((1, 1, 4, 4), torch.nan)}, ValueError, "Expected `y_pred` to hold .* got NaN"),
        ({"y": torch.full((1, 1, 4, 4), 5, dtype=torch.uint8)}, ValueError, r"`AsDiscrete\(to_onehot=...\)`.*`ignore_"),
        (
            {"y_pred": torch.zeros(1, 3, 4, 4)},
            ValueError,
            r"`y` of .* \(1, 3, 4, 4\), got .*; class ids become one-hot",
        ),
        ({"backend": "gpu"}, ValueError, "Expected `backend` to be one of"),
    ],
)
def test_bad_input(function, change, error, message):
    with pytest.raises(error, match=message):
        function(**{"y_pred": torch.zeros(1, 1, 4, 4), "y": torch.zeros(1, 1, 4, 4), **change})


@pytest.mark.parametrize("function", [compute_critical_error, *(pair[1] for pair in PAIRS[3:])])
def test_bad_kinds_of_objects(function):
    """What it takes to compare maps of ids, or masks, is said where the other is given."""
    ids = torch.full((1, 1, 4, 4), 5, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"Expected `y_pred` to hold 0 and 1, .* got 5; .* need `instances=True`\."):
        function(ids, ids)
    onehot = torch.zeros(1, 2, 4, 4)
    with pytest.raises(ValueError, match=r"\(B, 1, \*spatial\) for `instances=True`, got \(1, 2, 4, 4\); .* needs no"):
        function(onehot, onehot, instances=True)


def collect_in_a_process(rank, folder, metrics):
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    pred, label = make_pair()
    share = slice(0, 1) if rank == 0 else slice(1, 3)
    result = []
    for each in metrics:
        each(pred[share], label[share])
        result.append(each.aggregate())
    torch.save(result, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one():
    pred, label = make_pair()
    expected, metrics = [], [metric(ignore_empty=True, backend="cpu") for metric, _ in PAIRS]
    for each in metrics:
        each(pred, label)
        expected.append(each.aggregate())
        each.reset()
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(collect_in_a_process, (folder, metrics), nprocs=2)
        for rank in range(2):
            torch.testing.assert_close(torch.load(Path(folder) / f"{rank}.pt"), expected)
