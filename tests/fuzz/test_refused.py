"""What is not valid raises an error that names the argument, and no other, whatever it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
import torch

from monai_topoloss import losses, metrics, topology, transforms, visualize
from tests.fuzz.properties import assert_names, assert_refused, error_of, fuzz

pytestmark = pytest.mark.filterwarnings(
    "ignore:single channel prediction", "ignore:.*nested tensors", "ignore:.*quantiz"
)


class Function(NamedTuple):
    """Something to call, with arguments that it takes, images by these names, and options."""

    call: Any
    images: dict[str, Any]
    options: dict[str, Any]
    also: tuple[str, ...] = ()  # names that a message may have instead: what an image is compared with


def with_options(make, shape=(1, 2, 5, 6), labels=2, **options):
    """A loss or transform: made with its options, then called."""
    images = {"input": torch.zeros(shape), "target": torch.zeros(shape[0], labels, *shape[2:])}
    return Function(lambda input, target, **given: make(**given)(input, target), images, options, ("skeleton",))


def of_metric(function, **options):
    images = {"y_pred": torch.zeros(1, 1, 5, 6), "y": torch.zeros(1, 1, 5, 6)}
    return Function(function, images, {"backend": "auto", "ignore_index": None, **options})


def of_class(metric, **options):
    return Function(metric, {}, {"reduction": "mean", "backend": "auto", **options})


EDGES, JOINED = [(1, 0), (0, 1)], torch.zeros(2, 5, 6)
IMAGE, LABEL = np.zeros((5, 6), np.uint8), torch.zeros(5, 6)
RANK = {"spatial_dims": None, "backend": "auto"}
PRUNING = {"prune": None, "prune_factor": None}
CRITICAL = {"connectivity": None, "num_classes": None, "ignore_index": None}
VIEW = {"spatial_dims": None, "spacing": None, "axis": 0, "index": None, "backend": "auto", "connectivity": None}
WEIGHTED = {"weight": None, "reduction": "mean", "radius": 2, "smooth_nr": 1e-5, "smooth_dr": 1e-5, "other_act": None}
FOUND = {"alpha": 0.5, "beta": 0.5, "threshold": 0.0, "criterion": None, "reduction": "mean"}
FUNCTIONS = {
    "skeletonize": Function(
        topology.skeletonize, {"mask": IMAGE}, {"method": None, "kind": "curve", **PRUNING, "spacing": None, **RANK}
    ),
    "tubed_skeleton": Function(
        topology.tubed_skeleton,
        {"label": IMAGE},
        {"radius": 2, "ignore_index": None, "method": None, "kind": "curve", **PRUNING, **RANK},
    ),
    "skeleton_graph": Function(
        topology.skeleton_graph, {"instances": IMAGE}, {"spacing": None, "method": None, "backend": "auto", **PRUNING}
    ),
    "label_components": Function(topology.label_components, {"image": IMAGE}, {"connectivity": 1, **RANK}),
    "betti_numbers": Function(topology.betti_numbers, {"mask": IMAGE}, {"connectivity": 1, **RANK}),
    "euler_number": Function(topology.euler_number, {"mask": IMAGE}, {"connectivity": 1, **RANK}),
    "critical_components": Function(
        topology.critical_components,
        {"input": LABEL, "target": LABEL},
        {**CRITICAL, "object_connectivity": None, "mistake_connectivity": None, **RANK},
    ),
    "affinities": Function(topology.affinities, {"instances": IMAGE}, {"edges": EDGES, "ignore_index": None}),
    "separate_instances": Function(
        topology.separate_instances, {"instances": IMAGE}, {"gap": 1, "ignore_index": None, "backend": "auto", **RANK}
    ),
    "label_affinities": Function(topology.label_affinities, {"affinity": JOINED}, {"edges": EDGES, "backend": "auto"}),
    "critical_affinities": Function(
        topology.critical_affinities,
        {"input": JOINED, "target": LABEL},
        {"edges": EDGES, "ignore_index": None, "tolerance": 0, "backend": "auto"},
    ),
    "SkeletonRecallLoss": with_options(losses.SkeletonRecallLoss, ignore_index=None, backend="auto", **WEIGHTED),
    "DiceCESkeletonRecallLoss": with_options(
        losses.DiceCESkeletonRecallLoss,
        ignore_index=None,
        lambda_dice=1,
        lambda_ce=1,
        lambda_recall=1,
        label_smoothing=0.0,
        backend="auto",
        **WEIGHTED,
    ),
    "SupervoxelLoss": with_options(
        losses.SupervoxelLoss, connectivity=None, ignore_index=None, backend="auto", **FOUND
    ),
    "SupervoxelAffinityLoss": with_options(
        losses.SupervoxelAffinityLoss,
        labels=1,
        edges=EDGES,
        n_joining=None,
        ignore_index=None,
        backend="auto",
        **FOUND,
    ),
    "SkeletonDeepSupervisionLoss": with_options(
        lambda **options: losses.SkeletonDeepSupervisionLoss(losses.SkeletonRecallLoss(), **options),
        weights=None,
        weight_mode="exp",
    ),
    "SumLoss": with_options(
        lambda **options: losses.SumLoss(**{"losses": [losses.SupervoxelLoss()], **options}), losses=None, weights=None
    )._replace(options={"losses": [losses.SupervoxelLoss()], "weights": None}),
    "compute_betti_error": of_metric(
        metrics.compute_betti_error, kind="sum", connectivity=None, patch_size=2, stride=None
    ),
    "compute_centerline_dice": of_metric(metrics.compute_centerline_dice, score="cldice", method=None),
    "compute_critical_error": of_metric(metrics.compute_critical_error, kind="splits", connectivity=None),
    "compute_variation_of_information": of_metric(
        metrics.compute_variation_of_information, score="sum", connectivity=None
    ),
    "compute_adapted_rand_error": of_metric(metrics.compute_adapted_rand_error, score="error", connectivity=None),
    "BettiErrorMetric": of_class(metrics.BettiErrorMetric, kind="sum", ignore_index=None),
    "CenterlineDiceMetric": of_class(metrics.CenterlineDiceMetric, score="cldice", ignore_index=None),
    "CriticalErrorMetric": of_class(metrics.CriticalErrorMetric, kind="splits"),
    "VariationOfInformationMetric": of_class(metrics.VariationOfInformationMetric, score="sum"),
    "AdaptedRandErrorMetric": of_class(metrics.AdaptedRandErrorMetric, score="error"),
    "Skeletonize": Function(
        lambda img, **options: transforms.Skeletonize(**options)(img),
        {"img": LABEL[None]},
        {"method": None, "backend": "auto"},
        ("mask",),
    ),
    "TubedSkeletonized": Function(
        lambda label, **options: transforms.TubedSkeletonized("a", **options)({"a": label}),
        {"label": LABEL[None]},
        {"method": None, "backend": "auto", "radius": 2, "ignore_index": None, "prefix": "b_"},
        ("img",),
    ),
    "CriticalComponents": Function(
        lambda img, label, **options: transforms.CriticalComponents(**options)(img, label),
        {"img": LABEL[None], "label": LABEL[None]},
        {"backend": "auto", **CRITICAL},
        ("input", "target"),
    ),
    "CriticalComponentsd": Function(
        lambda img, label, **options: transforms.CriticalComponentsd("a", "b", **options)({"a": img, "b": label}),
        {"img": LABEL[None], "label": LABEL[None]},
        {"backend": "auto", "prefix": ("c_", "d_"), **CRITICAL},
        ("input", "target"),
    ),
    "critical_overlay": Function(
        visualize.critical_overlay,
        {"prediction": IMAGE, "label": IMAGE, "image": IMAGE},
        {"num_classes": None, "scale": 1, **VIEW},
    ),
    "skeleton_overlay": Function(
        visualize.skeleton_overlay,
        {"label": IMAGE, "image": IMAGE},
        {"radius": 1, "method": None, "scale": 1, **{k: v for k, v in VIEW.items() if k != "connectivity"}},
    ),
    "plot_critical": Function(
        visualize.plot_critical,
        {"prediction": IMAGE, "label": IMAGE, "image": IMAGE},
        {"num_classes": None, "zooms": 1, **VIEW},
    ),
}
PICTURES = ("critical_overlay", "skeleton_overlay", "plot_critical")
SHOW_NAN = ("SkeletonRecallLoss", "DiceCESkeletonRecallLoss", "SkeletonDeepSupervisionLoss")
QUICK = [name for name in FUNCTIONS if name not in PICTURES]
WITH_IMAGES = [name for name in QUICK if FUNCTIONS[name].images]


def nan(shape):
    return torch.full(shape, torch.nan)


NO_IMAGES = [
    lambda _: object(),
    lambda _: "image",
    lambda _: 1.5,
    lambda _: {"image": 1},
    lambda shape: np.zeros(shape).tolist(),
    lambda shape: np.zeros(shape, complex),
    lambda shape: np.full(shape, "a"),
    lambda shape: np.zeros(shape, object),
    lambda shape: np.zeros(shape, "M8[s]"),
    lambda shape: np.zeros(shape, [("a", int)]),
    lambda shape: np.zeros(shape, np.longdouble),
    lambda shape: torch.zeros(shape, dtype=torch.complex64),
    lambda shape: torch.zeros(shape).to_sparse(),
    lambda shape: torch.quantize_per_tensor(torch.zeros(shape), 1.0, 0, torch.quint8),
    lambda shape: torch.nested.nested_tensor([torch.zeros(shape[1:])] * (shape[0] or 1)),
    lambda shape: torch.zeros(shape, device="meta"),
    lambda _: torch.zeros(()),
    lambda shape: torch.zeros(shape[-1:]),
    lambda shape: np.zeros((1, 1, 1, *shape)),
    nan,
]
FAR_NUMBERS = (-1, -(2**63), 0.5, 2**62 + 2**10, 2**63, 2**64 - 1, 2**31, 255, np.nan, np.inf, -np.inf, 1e300)
NO_OPTIONS = [object(), {}, 1j, b"auto", {1, 2}, lambda: 1, [[1], [2, 3]], np.zeros((2, 2)) + 1j, np.array(["a"])]
OTHERS = [
    None, True, False, 0, 1, 2, 3, -1, 255, 2**31, 2**63, 2**64 - 1, 10**30, -(10**30), 10**400, 0.5, 1.0, -0.5, 1e300,
    float("nan"), float("inf"), "", "auto", "lee", "sum", "mean", "none", [], [1], [1, 1], (0, 1), [0.5, 0.5], ["a"],
    np.int64(2), np.float32(0.5), np.True_, np.zeros(2), np.ones(2), np.array(1), np.zeros((0, 2)),
    torch.tensor(1), torch.tensor(0.5), torch.ones(2), torch.zeros(0), range(2), [np.ones(2)], [None], [{}],
]  # fmt: skip


def arguments(name):
    function = FUNCTIONS[name]
    return function, {**function.images, **function.options}


def check_no_image(name, image, make):
    function, given = arguments(name)
    given[image] = make(tuple(given[image].shape))
    counterparts = {"y_pred": "y", "y": "y_pred", "target": "input", "label": "prediction", "prediction": "label"}
    counterpart = counterparts.get(image, "img")
    error = error_of(lambda: function.call(**given))
    if make is nan and image == "input" and name in SHOW_NAN:
        return  # shows in the loss
    assert error is not None
    assert_names(error, image, counterpart, *function.also)


def check_number(name, image, number, dtype):
    function, given = arguments(name)
    with np.errstate(over="ignore"):
        array = np.full(given[image].shape, number, dtype)
    given[image] = torch.from_numpy(array) if isinstance(given[image], torch.Tensor) else array
    error = error_of(lambda: function.call(**given))
    is_id = image in ("target", "label", "y", "y_pred", "prediction") or name == "label_components"
    is_bad = not np.isfinite(array).all() or (array < 0).any() or (array % 1 != 0).any() or (array > 2**62).any()
    assert error is not None or not (is_id and is_bad)
    if error is not None:
        assert_names(error, image, *function.also)


def check_no_option(name, option, value):
    function, given = arguments(name)
    given[option] = value
    if not (option in ("criterion", "other_act") and callable(value)):
        assert_refused(lambda: function.call(**given), option)


def check_option(name, option, value):
    function, given = arguments(name)
    if option == "num_classes" and isinstance(value, int) and value == 2**31:
        return  # is as many as memory holds
    given[option] = value
    error = error_of(lambda: function.call(**given))
    if error is not None:
        also = {"edges": ["input"], "spatial_dims": function.images, "losses": ["weights"], "patch_size": ["stride"]}
        assert_names(error, option, *also.get(option, []))


def numbers():
    """Numbers out of range, each in a type that has it, or something near."""
    types = (np.int8, np.uint8, np.int64, np.uint64, np.float32, np.float64)
    exact = [(n, t) for n in FAR_NUMBERS for t in types if np.issubdtype(t, np.floating) or is_held(n, t)]
    return st.sampled_from(exact)


def is_held(number, dtype):
    return np.isfinite(number) and number == int(number) and np.iinfo(dtype).min <= number <= np.iinfo(dtype).max


@pytest.mark.parametrize("name", WITH_IMAGES)
@fuzz(data=st.data(), make=st.sampled_from(NO_IMAGES), number=numbers())
def test_images(name, data, make, number):
    image = data.draw(st.sampled_from(list(FUNCTIONS[name].images)))
    check_no_image(name, image, make)
    check_number(name, image, *number)


@pytest.mark.parametrize("name", QUICK)
@fuzz(data=st.data(), bad=st.sampled_from(NO_OPTIONS), value=st.sampled_from(OTHERS))
def test_options(name, data, bad, value):
    option = data.draw(st.sampled_from(list(FUNCTIONS[name].options)))
    check_no_option(name, option, bad)
    check_option(name, option, value)


@pytest.mark.parametrize("name", PICTURES)
@fuzz(
    slow=5,
    data=st.data(),
    make=st.sampled_from(NO_IMAGES),
    number=numbers(),
    bad=st.sampled_from(NO_OPTIONS),
    value=st.sampled_from(OTHERS),
)
def test_pictures(name, data, make, number, bad, value):
    image = data.draw(st.sampled_from(list(FUNCTIONS[name].images)))
    option = data.draw(st.sampled_from(list(FUNCTIONS[name].options)))
    check_no_image(name, image, make)
    check_number(name, image, *number)
    check_no_option(name, option, bad)
    check_option(name, option, value)
