from __future__ import annotations

import copy
import math
import pickle
from inspect import signature

import pytest
import torch
from ignite.engine import Engine
from monai.bundle import ConfigParser
from monai.data import DataLoader, decollate_batch
from monai.engines import SupervisedEvaluator
from monai.handlers import CheckpointSaver, MetricsSaver, from_engine
from monai.transforms import AsDiscreted
from torch import nn

from monai_topoloss._options import describe_arguments
from monai_topoloss.handlers import (
    AdaptedRandError,
    BettiError,
    CenterlineDice,
    CriticalError,
    SkeletonScore,
    VariationOfInformation,
)
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
    compute_skeleton_score,
    compute_variation_of_information,
)
from tests.metrics.other_options import other_options

HANDLERS = [
    (CenterlineDice, CenterlineDiceMetric, compute_centerline_dice),
    (BettiError, BettiErrorMetric, compute_betti_error),
    (CriticalError, CriticalErrorMetric, compute_critical_error),
    (VariationOfInformation, VariationOfInformationMetric, compute_variation_of_information),
    (AdaptedRandError, AdaptedRandErrorMetric, compute_adapted_rand_error),
]
OPTIONS = [
    (CenterlineDice, compute_centerline_dice, {"score": "precision", "include_background": True}),
    (CenterlineDice, compute_centerline_dice, {"ignore_empty": False, "method": "lee"}),
    (BettiError, compute_betti_error, {"kind": 0, "patch_size": 8, "stride": 4, "connectivity": 1}),
    (BettiError, compute_betti_error, {"kind": "euler", "ignore_empty": True}),
    (CriticalError, compute_critical_error, {"kind": "merges_per_object", "connectivity": 1}),
    (VariationOfInformation, compute_variation_of_information, {"score": "merge", "foreground_only": True}),
    (VariationOfInformation, compute_variation_of_information, {"ignore_empty": False, "connectivity": 1}),
    (AdaptedRandError, compute_adapted_rand_error, {"score": "recall", "include_background": True}),
]


def make_pair():
    generator = torch.Generator().manual_seed(0)
    return ((torch.rand(4, 2, 16, 16, generator=generator) < 0.4).float() for _ in range(2))


@pytest.mark.parametrize(("handler", "function", "options"), OPTIONS)
def test_hands_its_options_to_the_metric(handler, function, options):
    pred, label = make_pair()
    engine = Engine(lambda _, batch: batch)
    handler(**options).attach(engine, "value")
    engine.run([(pred[:2], label[:2]), (decollate_batch(pred[2:]), decollate_batch(label[2:]))])
    values = function(pred, label, **options)
    assert engine.state.metrics["value"] == pytest.approx(values.nanmean().item())
    torch.testing.assert_close(engine.state.metric_details["value"].squeeze(), values.squeeze())
    plain = handler(reduction="sum", save_details=False, **options)
    engine = Engine(lambda _, batch: batch)
    plain.attach(engine, "value")
    engine.run([(pred, label)])
    assert engine.state.metrics["value"] == pytest.approx(values.nansum().item())
    assert not getattr(engine.state, "metric_details", {})


@pytest.mark.parametrize(("handler", "metric", "function"), HANDLERS)
def test_has_the_options_of_its_metric(handler, metric, function):
    """Each is an argument, and handed on; the defaults are the same."""
    of_handler, of_metric = signature(handler).parameters, dict(signature(metric).parameters)
    del of_metric["get_not_nans"]  # an engine has one number
    assert list(of_handler)[:4] == ["include_background", "reduction", "output_transform", "save_details"]
    assert [name for name in of_handler if name in of_metric] == list(of_metric)
    assert all(of_handler[name] == each for name, each in of_metric.items())
    assert list(describe_arguments(handler)) == list(of_handler)
    assert (
        not set(describe_arguments(handler).values())
        - set(describe_arguments(metric).values())
        - {
            "keep the values of each image in ``engine.state.metric_details``.",
            describe_arguments(handler)["output_transform"],
        }
    )
    options = {**other_options(function), "reduction": "sum_batch"}
    made = handler(**options).metric_fn
    assert type(made) is metric
    assert {name: getattr(made, name) for name in options} == options


@pytest.mark.parametrize("handler", [each[0] for each in HANDLERS])
def test_arguments(handler):
    transform = from_engine(["pred", "label"])
    made = handler(*(True, "sum", transform, False, True))
    assert (made.metric_fn.include_background, made.metric_fn.reduction, made.save_details) == (True, "sum", False)
    assert made.metric_fn.ignore_empty
    assert made._output_transform is transform
    with pytest.raises(TypeError, match=rf"{handler.__name__}\(\) got an unexpected keyword argument 'get_not_nans'"):
        handler(get_not_nans=True)
    with pytest.raises(ValueError, match="Expected `ignore_index` to be another value than 0"):
        handler(ignore_index=0)


@pytest.mark.parametrize(("handler", "function"), [(each[0], each[2]) for each in HANDLERS])
def test_copies_and_configurations(handler, function):
    options = other_options(function)
    made = handler(**options)
    config = {"handler": {"_target_": f"monai_topoloss.handlers.{handler.__name__}", **options}}
    for same in (
        copy.deepcopy(made),
        pickle.loads(pickle.dumps(made)),
        ConfigParser(config).get_parsed_content("handler"),
    ):
        assert type(same) is handler
        assert {name: getattr(same.metric_fn, name) for name in options} == options


def test_a_class_of_ones_own():
    class Merged(VariationOfInformation):
        def __init__(self, **options):
            super().__init__(score="merge", **options)

    assert Merged(connectivity=1).metric_fn.score == "merge"
    assert list(signature(Merged).parameters) == ["options"]


@pytest.mark.parametrize("handler", [each[0] for each in HANDLERS])
def test_no_values_are_not_the_best(handler):
    pred, _ = make_pair()
    engine = Engine(lambda _, batch: batch)
    handler(ignore_empty=True).attach(engine, "value")
    engine.run([(pred, torch.zeros_like(pred))])
    assert math.isnan(engine.state.metrics["value"])


@pytest.mark.parametrize(("handler", "function"), [(each[0], each[2]) for each in HANDLERS])
def test_leaves_out_what_is_ignored(handler, function):
    pred, label = make_pair()
    label[..., 9:] = 255
    engine = Engine(lambda _, batch: batch)
    handler(ignore_index=255, ignore_empty=False).attach(engine, "value")
    engine.run([(decollate_batch(pred), decollate_batch(label))])
    expected = function(pred[..., :9], label[..., :9], ignore_empty=False).mean().item()
    assert engine.state.metrics["value"] == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_in_monais_evaluator(tmp_path):
    """As key metric with a checkpoint, and in MONAI's report."""
    image, label = make_pair()
    items = [{"image": i[:1], "label": x[:1]} for i, x in zip(image, label, strict=True)]
    network = nn.Conv2d(1, 2, 1)
    transform = from_engine(["pred", "label"])
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(items, batch_size=2),
        network=network,
        postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2),
        key_val_metric={"cldice": CenterlineDice(output_transform=transform)},
        additional_metrics={
            "betti": BettiError(output_transform=transform),
            "splits": CriticalError(output_transform=transform),
            "voi": VariationOfInformation(output_transform=transform),
            "are": AdaptedRandError(output_transform=transform),
        },
        val_handlers=[
            CheckpointSaver(str(tmp_path), {"network": network}, save_key_metric=True),
            MetricsSaver(str(tmp_path), metrics="*", metric_details="*"),
        ],
    )
    evaluator.run()
    assert set(evaluator.state.metrics) == {"cldice", "betti", "splits", "voi", "are"}
    assert list(tmp_path.glob("*key_metric*.pt"))
    assert "betti" in (tmp_path / "metrics.csv").read_text()
    assert len((tmp_path / "splits_raw.csv").read_text().splitlines()) == 5


def test_a_neuron_score_of_instances():
    truth = torch.zeros(2, 1, 6, 16, dtype=torch.int64)
    truth[:, :, 2, 1:12] = 1
    halves = truth.clone()
    halves[0, :, 2, 7:12] = 9
    evaluator = Engine(lambda _, batch: batch)
    SkeletonScore("erl", spacing=2.0).attach(evaluator, "erl")
    SkeletonScore(score="n_splits", reduction="sum").attach(evaluator, "splits")
    metrics = evaluator.run([(halves, truth)]).metrics
    assert metrics["erl"] == pytest.approx((2 * 4.1 + 20) / 2)
    assert metrics["splits"] == 1
    assert evaluator.state.metric_details["erl"].tolist() == [[pytest.approx(8.2)], [20]]
    parameters = signature(SkeletonScore).parameters
    assert list(parameters) == ["score", "reduction", "output_transform", "save_details", *list(parameters)[4:]]
    assert {
        name: parameters[name].default for name in signature(compute_skeleton_score).parameters if name[0] != "y"
    } == {name: each.default for name, each in signature(compute_skeleton_score).parameters.items() if name[0] != "y"}
