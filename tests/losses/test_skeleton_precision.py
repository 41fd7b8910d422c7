from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from monai.networks import one_hot

from monai_topoloss.losses import SkeletonPrecisionLoss, SkeletonRecallLoss, SumLoss
from monai_topoloss.losses.skeleton_precision import THRESHOLDS
from monai_topoloss.topology import skeletonize, tubed_skeleton
from tests.losses.cases import BAD_INPUTS, label_channels, lay_out, make_case, saved_bytes
from tests.losses.compiling import graphs_compiled
from tests.oracles import skeleton_precision as oracle

SMOOTH = 1e-5
BOTH = {"softmax": True, "to_onehot_y": True}
THREE = (0.1, 0.3, 0.5)


def dense(p, y, thresholds=THREE, *, together=False, skeletons=None, radius=0, method=None):
    """One minus the precision of each sample and class, (B, C), from dense (B, C, *spatial) tensors."""
    ndim = p.ndim - 2
    if skeletons is None:
        skeletons = [
            tubed_skeleton((p > t).to(torch.uint8), radius=radius, method=method, spatial_dims=ndim) for t in thresholds
        ]
    if together:
        p, y, *skeletons = (x.transpose(0, 1).flatten(1)[None] for x in (p, y, *skeletons))
    return 1 - oracle.precision(p, y, skeletons, SMOOTH, SMOOTH)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("radius", [0, 1])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_softmax_of_a_label_map_equals_the_definition(ndim, channels, batch, radius, reduction, device):
    logits, label = make_case(ndim, channels, device)
    loss = SkeletonPrecisionLoss(**BOTH, batch=batch, radius=radius, reduction=reduction, thresholds=THREE)
    p, y = logits.softmax(1)[:, 1:], label_channels(label, channels)[:, 1:]
    expected = dense(p, y, radius=radius, together=batch)
    if reduction == "none":
        expected = expected.reshape(*expected.shape, *[1] * ndim)
    else:
        expected = getattr(expected, reduction)()
    torch.testing.assert_close(loss(logits, label), expected)


@pytest.mark.parametrize("method", ["zhang", "lee"])
def test_the_thinning_method_is_used(method, device):
    logits, label = make_case(2, 2, device)
    p, y = logits.softmax(1)[:, 1:], label_channels(label, 2)[:, 1:]
    loss = SkeletonPrecisionLoss(**BOTH, thresholds=THREE, method=method)
    torch.testing.assert_close(loss(logits, label), dense(p, y, method=method).mean())


@pytest.mark.parametrize("ndim", [2, 3])
def test_sigmoid_of_one_channel_equals_the_definition(ndim, device):
    logits, label = make_case(ndim, 1, device)
    expected = dense(logits.sigmoid(), label_channels(label, 1), THRESHOLDS).mean()
    torch.testing.assert_close(SkeletonPrecisionLoss(sigmoid=True)(logits, label), expected)


def test_a_multi_label_target_counts_every_channel(device):
    logits, label = make_case(2, 3, device)
    target = torch.cat([label > 0, label == 1, label != 2], dim=1)  # overlapping
    expected = dense(logits.sigmoid(), target)
    loss = SkeletonPrecisionLoss(sigmoid=True, reduction="none", thresholds=THREE)
    for dtype in (torch.bool, torch.uint8, torch.float32):
        torch.testing.assert_close(loss(logits, target.to(dtype)).flatten(1), expected)
    loss = SkeletonPrecisionLoss(sigmoid=True, include_background=False, thresholds=THREE)
    torch.testing.assert_close(loss(logits, target), expected[:, 1:].mean())


def test_one_hot_targets_leave_the_background_out_but_if_asked_for(device):
    logits, label = make_case(2, 3, device)
    target = label_channels(label, 3)
    expected = dense(logits.softmax(1), target)
    torch.testing.assert_close(
        SkeletonPrecisionLoss(softmax=True, thresholds=THREE)(logits, target), expected[:, 1:].mean()
    )
    loss = SkeletonPrecisionLoss(softmax=True, include_background=True, thresholds=THREE)
    torch.testing.assert_close(loss(logits, target), expected.mean())


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_skeleton_of_all_classes_together(ndim, device):
    logits, label = make_case(ndim, 4, device)
    p, y = logits.softmax(1), label_channels(label, 4)
    skeletons = [skeletonize(1 - p[:, :1] > t, spatial_dims=ndim).expand(-1, 3, *p.shape[2:]) for t in THREE]
    expected = dense(p[:, 1:], y[:, 1:], skeletons=skeletons)
    loss = SkeletonPrecisionLoss(**BOTH, thresholds=THREE, per_class=False, reduction="none")
    torch.testing.assert_close(loss(logits, label).flatten(1), expected)


def test_other_activations_see_values_of_voxels(device):
    logits, label = make_case(2, 3, device)
    seen = []

    def activation(values):
        seen.append(values.shape)
        return values.softmax(dim=1)

    expected = SkeletonPrecisionLoss(**BOTH)(logits, label)
    torch.testing.assert_close(SkeletonPrecisionLoss(other_act=activation, to_onehot_y=True)(logits, label), expected)
    assert {len(shape) for shape in seen} == {2}
    torch.testing.assert_close(SkeletonPrecisionLoss(to_onehot_y=True)(logits.softmax(1), label), expected)


def test_weight_multiplies_the_loss_of_each_class(device):
    logits, label = make_case(2, 3, device)
    plain = SkeletonPrecisionLoss(**BOTH, reduction="none")(logits, label)
    loss = SkeletonPrecisionLoss(**BOTH, reduction="none", weight=[0.5, 2.0])
    weights = torch.tensor([0.5, 2.0], device=device).reshape(1, 2, 1, 1)
    torch.testing.assert_close(loss(logits, label), plain * weights)
    torch.testing.assert_close(SkeletonPrecisionLoss(**BOTH, weight=3)(logits, label), 3 * plain.mean())


def test_an_invented_ridge_is_seen_long_before_it_is_predicted(device):
    label = torch.zeros(1, 1, 24, 24, device=device)
    label[..., 4:8, :] = 1
    logits = 12 * label - 6
    logits[..., 16, 4:20] = -3  # of probability 0.05
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(SkeletonPrecisionLoss(sigmoid=True)(logits, label), logits)
    ridge = gradient[0, 0, 16, 4:20]
    assert (ridge >= 0).all()
    assert (ridge > 0).sum() > 8
    (gradient,) = torch.autograd.grad(SkeletonPrecisionLoss(sigmoid=True, thresholds=[0.5])(logits, label), logits)
    assert not gradient[0, 0, 16].any()


def test_a_perfect_prediction_gives_zero(device):
    _, label = make_case(2, 3, device)
    logits = 200 * label_channels(label, 3) - 100
    assert SkeletonPrecisionLoss(**BOTH)(logits, label).item() == pytest.approx(0, abs=1e-6)
    assert SkeletonPrecisionLoss(**BOTH)(-logits, label).item() > 0.5


def test_probabilities_at_the_threshold_are_not_above_it(device):
    logits = torch.zeros(1, 1, 8, 8, device=device)
    label = torch.zeros_like(logits)
    assert SkeletonPrecisionLoss(sigmoid=True, thresholds=[0.5])(logits, label).item() == 0
    assert SkeletonPrecisionLoss(sigmoid=True, thresholds=[0.499], method="lee")(logits, label).item() > 0.99


@pytest.mark.parametrize("seed", range(10))
def test_the_loss_lies_in_zero_to_one(seed):
    logits, label = make_case(2, 3, "cpu", seed=seed)
    for scale in (0.1, 10, 1000):
        loss = SkeletonPrecisionLoss(**BOTH, reduction="none")(scale * logits, label)
        assert ((loss >= 0) & (loss <= 1)).all()


@pytest.mark.parametrize("batch", [False, True])
def test_where_nothing_is_predicted_the_loss_is_zero_without_a_gradient(batch, device):
    _, label = make_case(2, 3, device)
    logits = torch.zeros(2, 3, 20, 24, device=device)
    logits[:, 0] = 50
    logits.requires_grad_()
    loss = SkeletonPrecisionLoss(**BOTH, batch=batch)(logits, label)
    assert loss.item() == 0
    loss.backward()
    assert not logits.grad.any()


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (1, 1), (1, 7, 1), (5, 1, 6)])
def test_one_voxel_dimensions(size, device):
    logits = torch.full((1, 1, *size), 3.0, device=device)
    assert SkeletonPrecisionLoss(sigmoid=True, method="lee")(logits, torch.ones_like(logits)).item() == 0
    loss = SkeletonPrecisionLoss(sigmoid=True, method="lee")(logits, torch.zeros_like(logits))
    assert loss.item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("options", [BOTH, {**BOTH, "batch": True, "weight": [0.3, 2.0]}, {"sigmoid": True}])
def test_gradcheck(ndim, options, device):
    logits, label = make_case(ndim, 3, device, dtype=torch.float64)
    target = label if "to_onehot_y" in options else label_channels(label, 3)
    corner = (slice(None), slice(None), *[slice(5, 9)] * ndim)
    target = target[corner]
    logits = logits[corner].contiguous().requires_grad_()
    loss = SkeletonPrecisionLoss(**options, reduction="none").to(device)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits)  # no probability is at a threshold


@pytest.mark.parametrize("layout", ["channels_last", "transposed", "expanded"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_memory_layouts(layout, ndim, device):
    logits, label = make_case(ndim, 3, device)
    logits = lay_out(logits, layout)
    reference = logits.detach().contiguous().clone().requires_grad_()
    for each in (logits, reference):
        SkeletonPrecisionLoss(**BOTH)(each, label).backward()
    torch.testing.assert_close(logits.grad, reference.grad)


def test_saved_memory_grows_with_the_skeletons_and_not_with_the_image(device):
    def case(size, length):
        label = torch.zeros(1, 1, size, size, size, dtype=torch.uint8, device=device)
        label[..., 4:7, 4:7, 2 : 2 + length] = 1
        logits = (20.0 * one_hot(label, 3) - 10).requires_grad_()
        return saved_bytes(SkeletonPrecisionLoss(**BOTH), logits, label)

    small = case(24, 12)
    assert 0 < case(48, 12) == small
    assert small < case(48, 36) < 4 * small


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(dtype, device):
    logits, label = make_case(2, 2, device)
    logits = logits.to(dtype).requires_grad_()
    loss = SkeletonPrecisionLoss(**BOTH)(logits, label)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, SkeletonPrecisionLoss(**BOTH)(logits.float(), label))
    loss.backward()
    assert logits.grad.dtype == dtype
    assert logits.grad.isfinite().all()


def test_nan_logits_give_a_nan_loss(device):
    logits, label = make_case(2, 2, device)
    logits[...] = torch.nan
    assert SkeletonPrecisionLoss(**BOTH)(logits, label).isnan()
    assert SkeletonPrecisionLoss(to_onehot_y=True)(logits, label).isnan()


@pytest.mark.parametrize("shape", [(0, 8, 8), (2, 0, 8), (1, 8, 0, 8)])
@pytest.mark.parametrize("options", [{}, {"batch": True}, {"ignore_index": 2}, {"per_class": False}])
def test_nothing_at_all_gives_zero(shape, options, device):
    logits = torch.zeros(shape[0], 3, *shape[1:], device=device, requires_grad=True)
    label = torch.zeros(shape[0], 1, *shape[1:], device=device)
    loss = SkeletonPrecisionLoss(**BOTH, **options)(logits, label)
    assert loss.item() == 0
    loss.backward()


def test_label_types_and_metatensors(device):
    logits, label = make_case(2, 3, device)
    loss = SkeletonPrecisionLoss(**BOTH)
    expected = loss(logits, label)
    for dtype in (torch.uint8, torch.int64, torch.float32, torch.int8):
        out = loss(MetaTensor(logits), MetaTensor(label.to(dtype)))
        assert type(out) is torch.Tensor
        torch.testing.assert_close(out, expected)


def test_the_skeleton_of_another_loss_is_left_alone(device):
    logits, label = make_case(2, 3, device)
    precision, recall = SkeletonPrecisionLoss(**BOTH), SkeletonRecallLoss(**BOTH)
    expected = precision(logits, label) + recall(logits, label)
    pair = (label, recall.tubed_skeleton(label, 3))
    torch.testing.assert_close(SumLoss([precision, recall])(logits, pair), expected)


@pytest.mark.parametrize("options", [BOTH, {**BOTH, "per_class": False}, {"sigmoid": True, "to_onehot_y": True}])
@pytest.mark.parametrize("ignore_index", [255, -1])
@pytest.mark.parametrize("ndim", [2, 3])
def test_what_is_ignored_changes_nothing(options, ignore_index, ndim, device):
    logits, label = make_case(ndim, 3, device)
    ignored = torch.zeros_like(label, dtype=torch.bool)
    ignored[..., 5:12, 3:9] = True
    target = label.int().masked_fill(ignored, ignore_index)
    loss = SkeletonPrecisionLoss(**options, ignore_index=ignore_index, thresholds=THREE)
    p = (logits.softmax(1) if "softmax" in options else logits.sigmoid()).masked_fill(ignored, 0)
    skeletons = None
    if "per_class" in options:
        union = (1 - logits.softmax(1)[:, :1]).masked_fill(ignored, 0)
        skeletons = [skeletonize(union > t, spatial_dims=ndim).expand(-1, 2, *p.shape[2:]) for t in THREE]
    y = label_channels(label, 3).masked_fill(ignored, 0)
    expected = dense(p[:, 1:], y[:, 1:], skeletons=skeletons).mean()
    torch.testing.assert_close(loss(logits, target), expected)
    broken = logits.masked_fill(ignored, torch.nan).requires_grad_()
    value = loss(broken, target)
    torch.testing.assert_close(value, expected)
    (gradient,) = torch.autograd.grad(value, broken)
    assert not gradient[ignored.expand_as(gradient)].any()


def test_channels_may_be_ignored_on_their_own(device):
    logits, label = make_case(2, 2, device)
    target = label_channels(label, 2)
    target[:, 1] = 255
    loss = SkeletonPrecisionLoss(sigmoid=True, ignore_index=255, reduction="none")(logits, target)
    alone = SkeletonPrecisionLoss(sigmoid=True)(logits[:, :1], target[:, :1])
    torch.testing.assert_close(loss[:, 0].mean(), alone)
    assert not loss[:, 1].any()


def test_torch_compile_breaks_the_graph_once():
    logits, label = make_case(2, 3, "cpu")
    assert graphs_compiled(SkeletonPrecisionLoss(**BOTH), logits, label) == 2  # before and after


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"thresholds": []}, ValueError, "Expected `thresholds` to be one to eight numbers between 0 and 1"),
        ({"thresholds": [0.5, 1.0]}, ValueError, "Expected `thresholds` to be one to eight numbers between 0 and 1"),
        ({"thresholds": [0.0]}, ValueError, "Expected `thresholds` to be one to eight numbers between 0 and 1"),
        ({"thresholds": [0.1] * 9}, ValueError, "Expected `thresholds` to be one to eight numbers between 0 and 1"),
        ({"thresholds": 0.5}, TypeError, "Expected `thresholds` to be a sequence of numbers, got 0.5"),
        ({"thresholds": "0.5"}, TypeError, "Expected `thresholds` to be a sequence of numbers, got '0.5'"),
        ({"thresholds": [None]}, TypeError, "Expected `thresholds` to be a number"),
        ({"thresholds": [float("nan")]}, ValueError, "Expected `thresholds` to be finite"),
        ({"per_class": False}, ValueError, "Expected `per_class=False` with `softmax=True`"),
        (
            {"per_class": False, "softmax": True, "include_background": True},
            ValueError,
            "Expected `per_class=False` with `softmax=True` and without the background",
        ),
        ({"method": "fast"}, ValueError, "Expected `method` to be one of"),
        ({"radius": -1}, ValueError, "Expected `radius` to be at least 0"),
        ({"include_background": True, "to_onehot_y": True}, ValueError, "a label map has no skeleton of the backgr"),
        ({"smooth_nr": 1.0}, ValueError, "Expected 0 <= `smooth_nr` <= `smooth_dr`"),
        ({"sigmoid": True, "softmax": True}, ValueError, "at most one of `sigmoid`, `softmax` and `other_act`"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        SkeletonPrecisionLoss(**options)


def test_thresholds_may_be_arrays():
    assert SkeletonPrecisionLoss(thresholds=torch.tensor([0.25, 0.5])).thresholds == (0.25, 0.5)


@pytest.mark.parametrize(("logits", "target", "message"), BAD_INPUTS)
def test_bad_inputs_are_named(logits, target, message):
    with pytest.raises(ValueError, match=message):
        SkeletonPrecisionLoss(**BOTH)(logits, target)


def test_logits_without_an_activation_are_named():
    with pytest.raises(ValueError, match="for logits pass `sigmoid=True` or `softmax=True`"):
        SkeletonPrecisionLoss()(torch.full((1, 2, 4, 4), 3.0), torch.zeros(1, 2, 4, 4))
