"""Losses: finite, differentiable, and the same however logits and labels lie in memory."""

from __future__ import annotations

from functools import partial

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.networks import one_hot

from monai_topoloss import losses
from monai_topoloss.topology import tubed_skeleton
from tests.fuzz.properties import as_array, call, describe, fuzz
from tests.fuzz.strategies import DTYPES, FLOAT8, FLOATS, Image, codes, holds, images, shapes, to_numpy
from tests.fuzz.strategies import in_memory as present
from tests.oracles import skeleton_recall as oracle
from tests.oracles import supervoxel

pytestmark = pytest.mark.filterwarnings("ignore:The skeleton lies in the classes", "ignore:single channel prediction")
EXCLUSIVE, OVERLAPPING = {"softmax": True, "to_onehot_y": True}, {"sigmoid": True}
EDGES = {2: [(1, 0), (0, -1), (2, 1)], 3: [(1, 0, 0), (0, -1, 0), (0, 2, 1)]}
RECALL = {
    "recall": losses.SkeletonRecallLoss,
    "sum of recall, dice and cross entropy": losses.DiceCESkeletonRecallLoss,
    "deep supervision": lambda **options: losses.SkeletonDeepSupervisionLoss(losses.SkeletonRecallLoss(**options)),
}
OTHERS = {
    "precision": losses.SkeletonPrecisionLoss,
    "soft clDice": losses.SoftCenterlineDiceLoss,
    "all terms": partial(losses.DiceCESkeletonRecallLoss, lambda_cldice=1, lambda_precision=1),
    "penalty": lambda **options: losses.NeighborPenalty(losses.DiceCESkeletonRecallLoss(**options)),
}


@st.composite
def logits(draw, shape):
    """Finite predictions of any floating-point type, also large ones."""
    dtype = draw(st.sampled_from((*FLOATS, torch.float32)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.normal(size=shape) * draw(st.sampled_from([0, 1, 1, 30, 1e4]))
    values = as_array(torch.from_numpy(values).to(dtype))
    return draw(present(values, dtype, torch_only=True))


@st.composite
def labels(draw, shape, most, ignore_index, dtypes=DTYPES):
    """Ids from 0 up to and including the highest, and some that are ignored, in a tensor."""
    held = [d for d in dtypes if all(holds(d, k) for k in range(1, most + 1))]
    if ignore_index is not None:
        held = [d for d in held if holds(d, ignore_index)]
    dtype = draw(st.sampled_from(held))
    values = draw(codes(shape, most)).astype(to_numpy(dtype))
    if ignore_index is not None:
        values[draw(codes(shape, 1)) != 0] = ignore_index
    return draw(present(values, dtype, torch_only=True))


def as_differentiable(argument):
    """The same tensor, to be differentiated by; as it lies in memory."""
    return argument if argument.requires_grad else argument.detach().requires_grad_()


def compare_layouts(loss, prediction, *targets, to=lambda loss, input, targets: loss(input, *targets)):
    """Loss and gradient; both are finite, and the same as of tensors that lie in memory like any other."""
    input = as_differentiable(prediction.argument)
    before = [(as_array(each.argument).copy(), describe(each.argument)) for each in (prediction, *targets)]
    value = to(loss, input, [target.argument for target in targets])
    for each, (values, _) in zip((prediction, *targets), before, strict=True):
        np.testing.assert_array_equal(as_array(each.argument), values)
    assert [describe(target.argument) for target in targets] == [description for _, description in before[1:]]
    assert value.dtype == (torch.float64 if input.dtype == torch.float64 else torch.float32)
    assert value.isfinite().all()
    (gradient,) = torch.autograd.grad(value.sum(), input, materialize_grads=True)
    assert gradient.shape == input.shape
    assert gradient.dtype == input.dtype
    assert gradient.isfinite().all()
    plain = torch.from_numpy(prediction.values.copy()).to(input.dtype).requires_grad_()
    expected = to(loss, plain, [torch.from_numpy(target.values.copy()) for target in targets])
    (expected_gradient,) = torch.autograd.grad(expected.sum(), plain, materialize_grads=True)
    tolerance = {"rtol": 1e-4, "atol": 1e-6} if input.dtype != torch.float64 else {}
    torch.testing.assert_close(torch.as_tensor(as_array(value)), expected.detach(), **tolerance)
    if input.dtype in (torch.float32, torch.float64):
        torch.testing.assert_close(torch.as_tensor(as_array(gradient)), expected_gradient, **tolerance)
    return expected.detach(), plain.detach()


@st.composite
def sizes(draw):
    """Batch and spatial size; nothing in some."""
    return draw(st.sampled_from([1, 2, 2, 0])), draw(shapes())


@pytest.mark.parametrize("kind", RECALL)
@fuzz(
    data=st.data(),
    size=sizes(),
    options=st.fixed_dictionaries(
        {"batch": st.booleans(), "radius": st.integers(0, 3), "ignore_index": st.sampled_from([None, None, -1, 255])}
    ),
    precomputed=st.booleans(),
)
def test_exclusive_classes(kind, data, size, options, precomputed):
    batch, spatial = size
    loss = RECALL[kind](**EXCLUSIVE, **options)
    prediction = data.draw(logits((batch, 3, *spatial)))
    label = data.draw(labels((batch, 1, *spatial), 2, options["ignore_index"]))
    targets = [label]
    if precomputed:
        ids = np.where(label.values.astype(object) == options["ignore_index"], 0, label.values).astype(np.uint8)
        tube = call(tubed_skeleton, ids, radius=options["radius"], spatial_dims=len(spatial))
        targets.append(data.draw(present(tube, torch.uint8, torch_only=True)))
        targets[1] = Image(targets[1].argument, targets[1].values)

    def compute(loss, input, tensors):
        return loss(input, tuple(tensors) if precomputed else tensors[0])

    if precomputed and not np.array_equal(targets[1].values, tube):
        return  # what is broadcast is no skeleton of this label, which may be refused
    value, input = compare_layouts(loss, prediction, *targets, to=compute)
    if kind == "recall" and options["ignore_index"] is None and value.numel() and input.numel():
        probabilities = input.to(value.dtype).softmax(1)
        tube = tubed_skeleton(label.values, radius=options["radius"], spatial_dims=len(spatial))
        skeleton = one_hot(torch.from_numpy(tube.astype(np.int64)), 3)
        if options["batch"]:
            probabilities, skeleton = (x.transpose(0, 1).flatten(1)[None] for x in (probabilities, skeleton))
        expected = 1 - oracle.recall(probabilities[:, 1:], skeleton[:, 1:], 1e-5, 1e-5).mean()
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", RECALL)
@fuzz(data=st.data(), size=sizes(), channels=st.sampled_from([1, 2]), ignore_index=st.sampled_from([None, -1, 255]))
def test_overlapping_classes(kind, data, size, channels, ignore_index):
    batch, spatial = size
    loss = RECALL[kind](**OVERLAPPING, ignore_index=ignore_index)
    prediction = data.draw(logits((batch, channels, *spatial)))
    value, _ = compare_layouts(loss, prediction, data.draw(labels((batch, channels, *spatial), 1, ignore_index)))
    assert 0 <= value <= (1 + 1e-5 if kind != "sum of recall, dice and cross entropy" else 3e4)


@pytest.mark.parametrize("kind", OTHERS)
@fuzz(
    data=st.data(),
    size=sizes(),
    options=st.fixed_dictionaries(
        {"batch": st.booleans(), "ignore_index": st.sampled_from([None, None, -1, 255])},
        optional={"reduction": st.just("sum")},
    ),
    overlapping=st.booleans(),
)
def test_other_losses_of_classes(kind, data, size, options, overlapping):
    batch, spatial = size
    loss = OTHERS[kind](**(OVERLAPPING if overlapping else EXCLUSIVE), **options)
    prediction = data.draw(logits((batch, 3, *spatial)))
    channels, most = (3, 1) if overlapping else (1, 2)
    label = data.draw(labels((batch, channels, *spatial), most, options["ignore_index"]))
    value, _ = compare_layouts(loss, prediction, label)
    assert value >= -1e-5
    if kind in ("precision", "soft clDice") and "reduction" not in options:
        assert value <= 1 + 1e-5


@fuzz(
    data=st.data(),
    size=sizes(),
    alpha=st.sampled_from([0, 0.5, 1]),
    beta=st.sampled_from([0, 0.3, 1]),
    connectivity=st.sampled_from([None, 1]),
    reduction=st.sampled_from(["mean", "sum", "none"]),
)
def test_critical_components_weigh_as_defined(data, size, alpha, beta, connectivity, reduction):
    batch, spatial = size
    prediction = data.draw(logits((batch, 1, *spatial)))
    label = data.draw(images((batch, 1, *spatial), torch_only=True))
    loss = losses.SupervoxelLoss(alpha=alpha, beta=beta, connectivity=connectivity, reduction=reduction)
    value, input = compare_layouts(loss, prediction, label)
    weights, ids = np.ones(input.shape), label.values.astype(np.int64)
    found = (input > 0).numpy().astype(np.int64)
    for k in range(batch):
        if alpha and input.numel():
            splits, _ = supervoxel.linear(ids[k, 0], found[k, 0], connectivity or len(spatial))
            merges, _ = supervoxel.linear(found[k, 0], ids[k, 0], connectivity or len(spatial))
            weights[k, 0] = 1 - alpha + alpha * (beta * splits + (1 - beta) * merges)
    entropy = F.binary_cross_entropy_with_logits(input.double(), torch.from_numpy(ids != 0).double(), reduction="none")
    expected = entropy * torch.from_numpy(weights)
    if reduction != "none":
        expected = expected.mean() if reduction == "mean" and expected.numel() else expected.sum()
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-5)


@fuzz(
    data=st.data(),
    size=sizes(),
    options=st.sampled_from([EXCLUSIVE, {"to_onehot_y": True}, {"softmax": True}, {}]),
    ignore_index=st.sampled_from([None, None, 255]),
)
def test_critical_components_of_classes(data, size, options, ignore_index):
    batch, spatial = size
    loss = losses.SupervoxelLoss(**options, ignore_index=ignore_index)
    prediction = data.draw(logits((batch, 3, *spatial)))
    if options.get("to_onehot_y"):
        label = data.draw(labels((batch, 1, *spatial), 2, ignore_index))
    elif options:
        ids = data.draw(codes((batch, 1, *spatial), 2))
        onehot = (ids == np.arange(3).reshape(3, *[1] * len(spatial))).astype(np.uint8)
        label = Image(torch.from_numpy(onehot), onehot)
    else:
        label = data.draw(labels((batch, 3, *spatial), 1, ignore_index))
    compare_layouts(loss, prediction, label)
    counts = loss.last_counts
    assert [tuple(count.shape) for count in counts] == [(batch, 2 if options else 3)] * 2
    assert all((count >= 0).all() for count in counts)


@fuzz(
    data=st.data(),
    size=sizes(),
    ignore_index=st.sampled_from([None, -1, 2]),
    alpha=st.sampled_from([0, 0.5]),
    tolerance=st.sampled_from([0, 1, 3]),
)
def test_affinities(data, size, ignore_index, alpha, tolerance):
    batch, spatial = size
    edges = EDGES[len(spatial)]
    loss = losses.SupervoxelAffinityLoss(edges, ignore_index=ignore_index, alpha=alpha, tolerance=tolerance)
    prediction = data.draw(logits((batch, len(edges), *spatial)))
    numbers = (1, 2, 3, 255, 2**31, 2**62)
    value, _ = compare_layouts(
        loss, prediction, data.draw(images((batch, 1, *spatial), numbers=numbers, torch_only=True))
    )
    assert value >= 0


@fuzz(data=st.data(), size=sizes(), weights=st.lists(st.sampled_from([0, 0.5, 2]), min_size=2, max_size=2))
def test_sums_and_lower_resolutions(data, size, weights):
    """Each output counts by its weight; outputs are as small as one voxel."""
    batch, spatial = size
    recall, voxels = losses.SkeletonRecallLoss(**EXCLUSIVE), losses.SupervoxelLoss(**EXCLUSIVE)
    loss = losses.SumLoss([recall, voxels], weights)
    prediction = data.draw(logits((batch, 3, *spatial)))
    label = data.draw(labels((batch, 1, *spatial), 2, None))
    value, _ = compare_layouts(loss, prediction, label)
    input, target = prediction.argument.detach(), label.argument
    expected = sum(weight * each(input, target) for weight, each in zip(weights, (recall, voxels), strict=True))
    torch.testing.assert_close(value, torch.as_tensor(expected).to(value), rtol=1e-4, atol=1e-5)
    lengths = [data.draw(st.integers(min(1, n), n)) for n in spatial]
    small = torch.zeros(batch, 3, *lengths, requires_grad=True)
    deep = losses.SkeletonDeepSupervisionLoss(loss, weights=[1, 0.5])
    total = deep([input, small], target)
    assert total.isfinite()
    if any(weights):
        (gradient,) = torch.autograd.grad(total, small, materialize_grads=True)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", FLOAT8)
@fuzz(data=st.data())
def test_predictions_of_8_bits(dtype, data):
    values = data.draw(codes((1, 2, 5, 6), 3)) - 1.0
    label = torch.from_numpy(data.draw(codes((1, 1, 5, 6), 1)))
    loss = losses.DiceCESkeletonRecallLoss(**EXCLUSIVE)
    input = torch.from_numpy(values).to(dtype)
    torch.testing.assert_close(loss(input, label), loss(input.float(), label))
