from __future__ import annotations

import importlib
import inspect

import pytest
import torch
from monai.data import MetaTensor
from monai.losses import SoftclDiceLoss

from monai_topoloss.backends.cpu.backend import BACKEND as CPU
from monai_topoloss.backends.portable.backend import BACKEND as PORTABLE
from monai_topoloss.losses import SkeletonRecallLoss, SoftCenterlineDiceLoss, SumLoss
from monai_topoloss.topology import soft_skeleton
from tests.losses.cases import BAD_INPUTS, label_channels, make_case, saved_bytes
from tests.losses.compiling import graphs_compiled

BOTH = {"softmax": True, "to_onehot_y": True}
soft_skeletons = importlib.import_module("monai_topoloss.topology.soft_skeleton")  # the function has its name


def cldice(p, y, iterations, *, classes_apart=False, together=False, smooth=(1.0, 1.0, 1e-4)):
    """The formula, on dense probabilities and labels (B, C, *spatial): (B,), or (B, C) with classes apart."""
    smooth_nr, smooth_dr, smooth = smooth
    y = y.to(p.dtype)
    axes = (*range(2, p.ndim), *(() if classes_apart else (1,)), *((0,) if together else ()))
    skeletons = [soft_skeleton(x, iterations=iterations, spatial_dims=p.ndim - 2) for x in (p, y)]
    precision, recall = (
        ((skeleton * other).sum(axes) + smooth_nr) / (skeleton.sum(axes) + smooth_dr)
        for skeleton, other in zip(skeletons, (y, p), strict=True)
    )
    return 1 - 2 * precision * recall / (precision + recall + smooth)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("iter_", [0, 3, 10])
@pytest.mark.parametrize("include_background", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {**BOTH, "reduction": "mean"},
        {"sigmoid": True, "reduction": "sum"},
        {"sigmoid": True, "to_onehot_y": True, "reduction": "none"},
        {"other_act": torch.sigmoid, "smooth": 1e-2, "smooth_nr": 0.1, "smooth_dr": 0.5},
    ],
)
def test_values_and_gradients_are_monais(ndim, iter_, include_background, options, device):
    logits, label = make_case(ndim, 3, device)
    target = label if "to_onehot_y" in options else label_channels(label, 3)
    options = {**options, "iter_": iter_, "include_background": include_background}
    values, gradients = [], []
    for make in (SoftCenterlineDiceLoss, SoftclDiceLoss):
        leaf = logits.clone().requires_grad_()
        values.append(make(**options)(leaf, target))
        gradients.append(torch.autograd.grad(values[-1].sum(), leaf)[0])
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)


def test_arguments_are_monais_in_its_order():
    ours, theirs = (
        list(inspect.signature(loss.__init__).parameters.values()) for loss in (SoftCenterlineDiceLoss, SoftclDiceLoss)
    )
    assert [(each.name, each.default) for each in ours[: len(theirs)]] == [(each.name, each.default) for each in theirs]


@pytest.mark.parametrize("ndim", [2, 3])
def test_one_channel_is_monais(ndim, device):
    logits, label = make_case(ndim, 1, device)
    expected = SoftclDiceLoss(sigmoid=True)(logits, label.float())
    torch.testing.assert_close(SoftCenterlineDiceLoss(sigmoid=True)(logits, label), expected)
    torch.testing.assert_close(SoftCenterlineDiceLoss()(logits.sigmoid(), label), expected)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_sums_of_classes_and_batches_equal_the_definition(ndim, per_class, batch, reduction, device):
    logits, label = make_case(ndim, 4, device)
    loss = SoftCenterlineDiceLoss(
        **BOTH, include_background=False, per_class=per_class, batch=batch, reduction=reduction
    )
    p, y = logits.softmax(1)[:, 1:], label_channels(label, 4)[:, 1:]
    expected = cldice(p, y, 3, classes_apart=per_class, together=batch)
    if reduction != "none":
        expected = getattr(expected, reduction)()
    elif per_class:
        expected = expected.reshape(1 if batch else 2, 3, *[1] * ndim)
    else:
        expected = expected.reshape(1 if batch else 2)
    torch.testing.assert_close(loss(logits, label), expected)


@pytest.mark.parametrize("beta", [0, 0.5, 2])
def test_beta_weighs_recall_beside_precision(beta, device):
    logits, label = make_case(2, 2, device)
    loss = SoftCenterlineDiceLoss(**BOTH, include_background=False, beta=beta, smooth=1e-8)
    p, y = logits.softmax(1)[:, 1], label[:, 0] > 0
    precision, recall = (
        ((skeleton * other).sum((1, 2)) + 1) / (skeleton.sum((1, 2)) + 1)
        for skeleton, other in ((soft_skeleton(p, spatial_dims=2), y), (soft_skeleton(y, spatial_dims=2), p))
    )
    mean = 1 / ((1 / precision + beta**2 / recall) / (1 + beta**2))  # weighted and harmonic
    torch.testing.assert_close(loss(logits, label), 1 - mean.mean())


def test_weight_multiplies_the_loss_of_each_class(device):
    logits, label = make_case(2, 3, device)
    options = {**BOTH, "include_background": False, "per_class": True, "reduction": "none"}
    plain = SoftCenterlineDiceLoss(**options)(logits, label)
    weights = torch.tensor([0.5, 2.0], device=device).reshape(1, 2, 1, 1)
    torch.testing.assert_close(SoftCenterlineDiceLoss(**options, weight=[0.5, 2])(logits, label), plain * weights)
    torch.testing.assert_close(SoftCenterlineDiceLoss(**options, weight=3)(logits, label), 3 * plain)


@pytest.mark.parametrize("ndim", [2, 3])
def test_gradcheck(ndim, device):
    logits, label = make_case(ndim, 3, device, dtype=torch.float64)
    corner = (slice(None), slice(None), *[slice(5, 9)] * ndim)
    logits, label = logits[corner].contiguous().requires_grad_(), label[corner]
    assert label.any()
    loss = SoftCenterlineDiceLoss(**BOTH, per_class=True, reduction="none")
    assert torch.autograd.gradcheck(lambda x: loss(x, label), logits)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_precomputed_skeleton_gives_the_same(ndim, device):
    logits, label = make_case(ndim, 3, device)
    onehot = label_channels(label, 3)
    skeleton = soft_skeleton(onehot.bool(), spatial_dims=ndim)
    as_map = skeleton[:, 1:2] + 2 * skeleton[:, 2:].to(torch.uint8)
    for include_background in (True, False):
        options = {**BOTH, "include_background": include_background}
        expected = SoftCenterlineDiceLoss(**options)(logits, label)
        loss = SoftCenterlineDiceLoss(**options, skeleton_in_target=True)
        assert torch.equal(loss(logits, label), expected)
        for each in (skeleton, skeleton.float()) if include_background else (skeleton, as_map):
            assert torch.equal(loss(logits, (label, each)), expected)
            assert not torch.equal(loss(logits, (label, torch.zeros_like(each))), expected)
    with pytest.raises(ValueError, match="map of class ids"):
        SoftCenterlineDiceLoss(**BOTH, skeleton_in_target=True)(logits, (label, as_map))
    with pytest.raises(ValueError, match="every random transform of the label"):
        loss(logits, (label.roll(4, dims=-1), as_map))


def test_the_skeleton_of_another_loss_is_left_alone(device):
    logits, label = make_case(2, 3, device)
    cldice, recall = SoftCenterlineDiceLoss(**BOTH), SkeletonRecallLoss(**BOTH)
    tubes = recall.tubed_skeleton(label, 3)
    expected = cldice(logits, label) + recall(logits, label)
    torch.testing.assert_close(SumLoss([cldice, recall])(logits, (label, tubes)), expected)


@pytest.mark.parametrize("options", [BOTH, {"sigmoid": True, "to_onehot_y": True}, {"sigmoid": True}])
@pytest.mark.parametrize("ignore_index", [255, -1])
def test_what_is_ignored_changes_nothing(options, ignore_index, device):
    logits, label = make_case(2, 3, device)
    ignored = torch.zeros_like(label, dtype=torch.bool)
    ignored[..., 5:12, 3:9] = True
    onehot = label_channels(label, 3)
    target = label if "to_onehot_y" in options else onehot
    target = target.int().masked_fill(ignored, ignore_index)
    loss = SoftCenterlineDiceLoss(**options, ignore_index=ignore_index)
    p = logits.softmax(1) if "softmax" in options else logits.sigmoid()
    expected = cldice(p.masked_fill(ignored, 0), onehot.masked_fill(ignored, 0), 3).mean()
    torch.testing.assert_close(loss(logits, target), expected)
    broken = logits.masked_fill(ignored, torch.inf).requires_grad_()
    value = loss(broken, target)
    torch.testing.assert_close(value, expected)
    (gradient,) = torch.autograd.grad(value, broken)
    assert gradient.isfinite().all()
    assert not gradient[ignored.expand_as(gradient)].any()


def test_channels_may_be_ignored_on_their_own(device):
    logits, label = make_case(2, 2, device)
    target = label_channels(label, 2)
    target[:, 1] = 255
    loss = SoftCenterlineDiceLoss(sigmoid=True, ignore_index=255)
    torch.testing.assert_close(loss(logits, target), SoftCenterlineDiceLoss(sigmoid=True)(logits[:, :1], target[:, :1]))


@pytest.mark.parametrize("ndim", [2, 3])
def test_devices_without_kernels_give_the_same(ndim, monkeypatch):
    logits, label = make_case(ndim, 3, "cpu")
    values, gradients = [], []
    for backend in (CPU, PORTABLE):
        monkeypatch.setattr(soft_skeletons, "soft_backend_for", lambda _, backend=backend: backend)
        leaf = logits.clone().requires_grad_()
        values.append(SoftCenterlineDiceLoss(**BOTH)(leaf, label))
        gradients.append(torch.autograd.grad(values[-1], leaf)[0])
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*gradients)


def test_a_perfect_prediction_gives_nothing_but_the_smoothing(device):
    _, label = make_case(2, 3, device)
    logits = 200 * label_channels(label, 3) - 100
    assert SoftCenterlineDiceLoss(**BOTH, smooth=1e-8)(logits, label).item() == pytest.approx(0, abs=1e-6)
    assert SoftCenterlineDiceLoss(**BOTH)(-logits, label).item() > 0.5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(dtype, device):
    label = torch.ones(1, 1, 300, 300, dtype=torch.uint8, device=device)
    logits = torch.zeros(1, 2, 300, 300, dtype=dtype, device=device, requires_grad=True)
    loss = SoftCenterlineDiceLoss(**BOTH)
    value = loss(logits, label)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(logits.float(), label))
    value.backward()
    assert logits.grad.dtype == dtype
    assert logits.grad.isfinite().all()


def test_nan_logits_give_a_nan_loss(device):
    logits, label = make_case(2, 2, device)
    logits[0, 0, 3, 3] = torch.nan
    assert SoftCenterlineDiceLoss(**BOTH)(logits, label).isnan()


@pytest.mark.parametrize("shape", [(0, 8, 8), (2, 0, 8), (1, 8, 0, 8)])
def test_nothing_at_all(shape, device):
    logits = torch.zeros(shape[0], 3, *shape[1:], device=device, requires_grad=True)
    label = torch.zeros(shape[0], 1, *shape[1:], device=device)
    for options in ({"batch": True}, {"per_class": True, "reduction": "sum"}, {"reduction": "sum"}):
        loss = SoftCenterlineDiceLoss(**BOTH, **options)(logits, label)
        assert loss.item() == pytest.approx(0, abs=1e-3)
        loss.backward()


def test_label_types_and_metatensors(device):
    logits, label = make_case(2, 3, device)
    loss = SoftCenterlineDiceLoss(**BOTH)
    expected = loss(logits, label)
    for dtype in (torch.uint8, torch.int64, torch.float32, torch.int8):
        out = loss(MetaTensor(logits), MetaTensor(label.to(dtype)))
        assert type(out) is torch.Tensor
        torch.testing.assert_close(out, expected)


def test_no_iteration_is_kept_for_the_backward_pass(device):
    logits, label = make_case(3, 2, device)
    logits.requires_grad_()
    kept = [saved_bytes(SoftCenterlineDiceLoss(iter_, **BOTH), logits, label) for iter_ in (0, 10)]
    assert kept[0] == kept[1] < 5 * logits.numel() * logits.element_size()
    assert saved_bytes(SoftclDiceLoss(10, **BOTH), logits, label) > 100 * logits.numel() * logits.element_size()


def test_torch_compile_breaks_the_graph_once():
    logits, label = make_case(2, 3, "cpu")
    assert graphs_compiled(SoftCenterlineDiceLoss(**BOTH), logits, label) == 2  # before and after


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"iter_": -1}, ValueError, "Expected `iter_` to be at least 0, got -1"),
        ({"iter_": 2.0}, TypeError, "Expected `iter_` to be an int, got float"),
        ({"smooth": 0}, ValueError, "Expected `smooth` to be above 0, got 0"),
        ({"smooth_dr": 0}, ValueError, "Expected `smooth_dr` to be above 0, got 0"),
        ({"weight": 2.0}, ValueError, "Expected `per_class=True` with `weight`, got False"),
        ({"weight": [-1.0], "per_class": True}, ValueError, "Expected `weight` to be finite and at least 0"),
        ({"beta": -1}, ValueError, "Expected `beta` to be at least 0, got -1"),
        ({"smooth_nr": -1}, ValueError, "Expected `smooth_nr` to be at least 0, got -1"),
        ({"smooth": float("inf")}, ValueError, "Expected `smooth` to be finite, got inf"),
        ({"sigmoid": True, "softmax": True}, ValueError, "at most one of `sigmoid`, `softmax` and `other_act`"),
        ({"reduction": "all"}, ValueError, "Expected `reduction` to be one of"),
        ({"ignore_index": "none"}, TypeError, "Expected `ignore_index`"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        SoftCenterlineDiceLoss(**options)


@pytest.mark.parametrize(("logits", "target", "message"), BAD_INPUTS)
def test_bad_inputs_are_named(logits, target, message):
    with pytest.raises(ValueError, match=message):
        SoftCenterlineDiceLoss(**BOTH)(logits, target)


def test_logits_without_an_activation_are_named():
    with pytest.raises(ValueError, match="for logits pass `sigmoid=True` or `softmax=True`"):
        SoftCenterlineDiceLoss(to_onehot_y=True)(torch.full((1, 2, 4, 4), 3.0), torch.zeros(1, 1, 4, 4))
