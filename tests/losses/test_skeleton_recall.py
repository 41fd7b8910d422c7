from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.data import MetaTensor
from monai.losses import DeepSupervisionLoss, DiceCELoss, DiceLoss
from monai.networks import one_hot

from monai_topoloss._checks import targets as checks
from monai_topoloss.losses import DiceCESkeletonRecallLoss, SkeletonRecallLoss
from monai_topoloss.topology import tubed_skeleton
from tests.losses.cases import SHAPES, label_channels, lay_out, make_case, saved_bytes
from tests.losses.compiling import graphs_compiled
from tests.oracles import skeleton_recall as oracle

SMOOTH = 1e-5


def skeleton_channels(label, channels, radius=2):
    """One-hot tubed skeletons of a label map; no skeleton for the background."""
    tubes = tubed_skeleton(label, radius=radius, spatial_dims=label.ndim - 2)
    if channels == 1:
        return tubes.float()
    onehot = one_hot(tubes, channels)
    onehot[:, 0] = 0
    return onehot


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("radius", [0, 2])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_softmax_of_a_label_map_equals_the_definition(ndim, channels, batch, radius, reduction, device):
    logits, label = make_case(ndim, channels, device)
    loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True, batch=batch, radius=radius, reduction=reduction)
    probabilities, skeleton = logits.softmax(1)[:, 1:], skeleton_channels(label, channels, radius)[:, 1:]
    if batch:
        probabilities, skeleton = (x.transpose(0, 1).flatten(1)[None] for x in (probabilities, skeleton))
    expected = 1 - oracle.recall(probabilities, skeleton, SMOOTH, SMOOTH)
    if reduction == "none":
        expected = expected.reshape(*expected.shape, *[1] * ndim)
    else:
        expected = getattr(expected, reduction)()
    torch.testing.assert_close(loss(logits, label), expected)


@pytest.mark.parametrize("ndim", [2, 3])
def test_sigmoid_of_one_channel_equals_the_definition(ndim, device):
    logits, label = make_case(ndim, 1, device)
    expected = 1 - oracle.recall(logits.sigmoid(), skeleton_channels(label, 1), SMOOTH, SMOOTH)
    torch.testing.assert_close(SkeletonRecallLoss(sigmoid=True)(logits, label), expected.mean())


@pytest.mark.parametrize("ndim", [2, 3])
def test_sigmoid_of_a_multi_label_target_counts_every_channel(ndim, device):
    logits, label = make_case(ndim, 3, device)
    target = torch.cat([label > 0, label == 1, label != 2], dim=1)  # overlapping
    skeleton = tubed_skeleton(target, spatial_dims=ndim)
    expected = 1 - oracle.recall(logits.sigmoid(), skeleton, SMOOTH, SMOOTH)
    loss = SkeletonRecallLoss(sigmoid=True, reduction="none")
    for dtype in (torch.bool, torch.uint8, torch.float32):
        torch.testing.assert_close(loss(logits, target.to(dtype)).flatten(1), expected)
        torch.testing.assert_close(loss(logits, (target, skeleton.to(dtype))).flatten(1), expected)


def test_softmax_of_a_one_hot_target_leaves_the_background_out(device):
    logits, label = make_case(2, 3, device)
    target = label_channels(label, 3)
    skeleton = tubed_skeleton(target, spatial_dims=2)
    dense = 1 - oracle.recall(logits.softmax(1), skeleton, SMOOTH, SMOOTH)
    torch.testing.assert_close(SkeletonRecallLoss(softmax=True)(logits, target), dense[:, 1:].mean())
    loss = SkeletonRecallLoss(softmax=True, include_background=True)
    torch.testing.assert_close(loss(logits, target), dense.mean())
    loss = SkeletonRecallLoss(sigmoid=True, include_background=False)
    sigmoid = 1 - oracle.recall(logits.sigmoid(), skeleton, SMOOTH, SMOOTH)
    torch.testing.assert_close(loss(logits, target), sigmoid[:, 1:].mean())


def test_sigmoid_of_a_label_map_leaves_the_background_out(device):
    logits, label = make_case(2, 3, device)
    expected = 1 - oracle.recall(logits.sigmoid(), skeleton_channels(label, 3), SMOOTH, SMOOTH)[:, 1:]
    torch.testing.assert_close(SkeletonRecallLoss(sigmoid=True, to_onehot_y=True)(logits, label), expected.mean())


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_precomputed_skeleton_gives_the_same(ndim, device):
    logits, label = make_case(ndim, 4, device)
    loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True)
    expected = loss(logits, label)
    tubes = tubed_skeleton(label, spatial_dims=ndim)
    onehot = label_channels(label, 4)
    for skeleton in (tubes, tubes.float(), skeleton_channels(label, 4), skeleton_channels(label, 4).bool()):
        assert torch.equal(loss(logits, (label, skeleton)), expected)
        assert torch.equal(loss(logits, [label, skeleton]), expected)
        # Skeletonized before, one-hot encoded after: the union rule is kept.
        assert torch.equal(SkeletonRecallLoss(softmax=True)(logits, (onehot, skeleton)), expected)


def test_other_activations_see_the_values_of_skeleton_voxels(device):
    logits, label = make_case(2, 3, device)
    seen = []

    def activation(values):
        seen.append(values.shape)
        return values.softmax(dim=1)

    expected = SkeletonRecallLoss(softmax=True, to_onehot_y=True)(logits, label)
    torch.testing.assert_close(SkeletonRecallLoss(other_act=activation, to_onehot_y=True)(logits, label), expected)
    assert seen == [(int((tubed_skeleton(label, spatial_dims=2) > 0).sum()), 3)]
    torch.testing.assert_close(SkeletonRecallLoss(to_onehot_y=True)(logits.softmax(1), label), expected)


def test_weight_multiplies_the_loss_of_each_class(device):
    logits, label = make_case(2, 3, device)
    plain = SkeletonRecallLoss(softmax=True, to_onehot_y=True, reduction="none")(logits, label)
    for weight in ([0.5, 2.0], torch.tensor([0.5, 2.0])):
        loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True, reduction="none", weight=weight).to(device)
        expected = plain * torch.tensor([0.5, 2.0], device=device).reshape(1, 2, 1, 1)
        torch.testing.assert_close(loss(logits, label), expected)
    loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True, reduction="none", weight=3.0).to(device)
    torch.testing.assert_close(loss(logits, label), 3 * plain)


@pytest.mark.parametrize("make", [SkeletonRecallLoss, DiceCESkeletonRecallLoss])
def test_radius_in_physical_units(make):
    """The same as with a skeleton that has been made so."""
    logits, label = make_case(3, 4, "cpu")
    loss = make(softmax=True, to_onehot_y=True, radius=1.7, spacing=(0.5, 0.8, 2.0))
    skeleton = tubed_skeleton(label, radius=1.7, spacing=(0.5, 0.8, 2.0), spatial_dims=3)
    assert loss(logits, label) == loss(logits, (label, skeleton))
    assert loss(logits, label) != make(softmax=True, to_onehot_y=True, radius=2)(logits, label)
    with pytest.raises(TypeError, match="Expected `radius` to be an int, a number of voxels"):
        make(radius=1.7)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("mode", ["softmax", "sigmoid"])
def test_a_perfect_prediction_gives_zero(ndim, mode, device):
    _, label = make_case(ndim, 3, device)
    onehot = label_channels(label, 3)
    target = label if mode == "softmax" else onehot
    logits = 200 * onehot - 100
    loss = SkeletonRecallLoss(**{mode: True}, to_onehot_y=mode == "softmax")(logits, target)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    worst = SkeletonRecallLoss(**{mode: True}, to_onehot_y=mode == "softmax")(-logits, target)
    assert worst.item() > 0.5


@pytest.mark.parametrize("seed", range(20))
def test_the_loss_lies_in_zero_to_one(seed):
    logits, label = make_case(2, 3, "cpu", seed=seed)
    for scale in (0.1, 10, 1000):
        loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True, reduction="none")(scale * logits, label)
        assert ((loss >= 0) & (loss <= 1)).all()


def test_monotone_in_the_probability_at_a_skeleton_voxel(device):
    logits, label = make_case(2, 2, device)
    loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True)
    skeleton = tubed_skeleton(label, spatial_dims=2) > 0
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, label), logits)
    assert (gradient[:, 1:][skeleton] < 0).all()
    assert (gradient[:, :1][skeleton] > 0).all()
    assert (gradient[(~skeleton).expand_as(gradient)] == 0).all()


def test_an_absent_class_is_a_constant_without_gradient(device):
    logits, label = make_case(2, 3, device)
    label[label == 2] = 0
    logits.requires_grad_()
    loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True, reduction="none")(logits, label)
    assert (loss[:, 1] == 0).all()
    (gradient,) = torch.autograd.grad(loss[:, 1].sum(), logits)
    assert not gradient.any()


@pytest.mark.parametrize("batch", [False, True])
def test_without_any_skeleton_the_loss_is_zero_and_can_be_trained_on(batch, device):
    logits = torch.randn(2, 3, 8, 8, device=device, requires_grad=True)
    loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True, batch=batch)(
        logits, torch.zeros(2, 1, 8, 8, device=device)
    )
    assert loss.item() == 0
    loss.backward()
    assert not logits.grad.any()


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (1, 1), (1, 7, 1), (5, 1, 6)])
def test_one_voxel_dimensions(size, device):
    label = torch.ones(1, 1, *size, dtype=torch.uint8, device=device)
    logits = torch.zeros(1, 2, *size, device=device)
    assert SkeletonRecallLoss(softmax=True, to_onehot_y=True)(logits, label).item() in (
        pytest.approx(0.5, abs=1e-4),
        pytest.approx(0.0, abs=1e-4),  # thinned away altogether
    )


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"softmax": True, "to_onehot_y": True},
        {"softmax": True, "to_onehot_y": True, "batch": True, "weight": [0.3, 2.0]},
        {"sigmoid": True},
    ],
)
def test_gradcheck(ndim, options, device):
    logits, label = make_case(ndim, 3, device, dtype=torch.float64)
    target = label if "to_onehot_y" in options else label_channels(label, 3)
    corner = (slice(None), slice(None), *[slice(5, 9)] * ndim)
    target = target[corner]
    logits = logits[corner].contiguous().requires_grad_()
    assert target.any()
    loss = SkeletonRecallLoss(**options, reduction="none").to(device)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed", "expanded"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_memory_layouts(layout, ndim, device):
    logits, label = make_case(ndim, 3, device)
    loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True)
    logits = lay_out(logits, layout)
    reference = logits.detach().contiguous().clone().requires_grad_()
    loss(logits, label).backward()
    loss(reference, label).backward()
    assert torch.equal(logits.grad, reference.grad)
    if layout == "channels_last":
        assert logits.grad.stride() == logits.stride()


@pytest.mark.parametrize("mode", ["softmax", "sigmoid"])
def test_saved_memory_grows_with_the_skeleton_and_not_with_the_image(mode, device):
    def case(size, length):
        label = torch.zeros(1, 1, size, size, size, dtype=torch.uint8, device=device)
        label[..., 4:7, 4:7, 2 : 2 + length] = 1
        logits = torch.zeros(1, 3, size, size, size, device=device, requires_grad=True)
        skeleton = tubed_skeleton(label, spatial_dims=3)
        target = label if mode == "softmax" else label_channels(label, 3)
        skeleton = skeleton if mode == "softmax" else label_channels(skeleton, 3) * (skeleton > 0)
        loss = SkeletonRecallLoss(**{mode: True}, to_onehot_y=mode == "softmax")
        return saved_bytes(loss, logits, (target, skeleton)), int((skeleton.sum(1) > 0).sum())

    small, voxels = case(24, 12)
    assert case(48, 12) == (small, voxels)
    twice, more_voxels = case(48, 36)
    assert more_voxels > 2.5 * voxels
    assert twice / small == pytest.approx(more_voxels / voxels, rel=0.05)
    assert small / voxels < 100


class AllocationCounter(torch.utils._python_dispatch.TorchDispatchMode):
    """Lists the operations that made a tensor of that many bytes; views of what was there are none."""

    def __init__(self, num_bytes):
        super().__init__()
        self.num_bytes, self.names, self.storages = num_bytes, [], set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        storages = [x.untyped_storage() for x in args if isinstance(x, torch.Tensor)]
        self.storages |= {storage.data_ptr() for storage in storages if storage.nbytes() >= self.num_bytes}
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.numel() * out.element_size() >= self.num_bytes:
            storage = out.untyped_storage().data_ptr()
            if storage not in self.storages:
                self.storages.add(storage)
                self.names.append(str(func))
        return out


def test_backward_makes_one_tensor_of_the_size_of_the_logits(device):
    logits, label = make_case(3, 4, device)
    logits.requires_grad_()
    value = SkeletonRecallLoss(softmax=True, to_onehot_y=True)(logits, label)
    with AllocationCounter(logits.numel() * logits.element_size()) as counter:
        (gradient,) = torch.autograd.grad(value, logits)
    assert gradient.shape == logits.shape
    assert len(counter.names) == 1, counter.names


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(dtype, device):
    label = torch.ones(1, 1, 300, 300, dtype=torch.uint8, device=device)
    logits = torch.zeros(1, 2, 300, 300, dtype=dtype, device=device, requires_grad=True)
    for make in (SkeletonRecallLoss, DiceCESkeletonRecallLoss):
        loss = make(softmax=True, to_onehot_y=True)(logits, (label, label))  # 90,000 voxels: over float16's maximum
        expected = make(softmax=True, to_onehot_y=True)(logits.float(), (label, label))
        assert loss.dtype == torch.float32
        assert torch.equal(loss, expected)
        loss.backward()
        assert logits.grad.dtype == dtype
        assert logits.grad.isfinite().all()


def test_autocast(device):
    logits, label = make_case(2, 3, device)
    layer = torch.nn.Conv2d(3, 3, 1).to(device)
    loss = DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=True)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        output = layer(logits)
        value = loss(output, label)
    assert output.dtype == torch.bfloat16
    assert value.dtype == torch.float32
    value.backward()
    assert layer.weight.grad.isfinite().all()


def test_nan_logits_give_a_nan_loss(device):
    logits, label = make_case(2, 2, device)
    logits[...] = torch.nan
    assert SkeletonRecallLoss(softmax=True, to_onehot_y=True)(logits, label).isnan()
    assert SkeletonRecallLoss(to_onehot_y=True)(logits, label).isnan()


def test_probabilities_may_be_rounded(device):
    label = torch.ones(1, 1, 6, 6, device=device)
    assert SkeletonRecallLoss()(label * (1 + 1e-6), label).item() == pytest.approx(0, abs=1e-5)


def test_infinite_logits_at_ignored_voxels_change_nothing(device):
    logits, label = make_case(2, 3, device)
    label = label.int()
    label[..., :4] = 255
    for options in ({"softmax": True, "to_onehot_y": True}, {"sigmoid": True, "to_onehot_y": True}):
        loss = DiceCESkeletonRecallLoss(**options, ignore_index=255)
        expected = loss(logits, label)
        broken = logits.masked_fill(label == 255, torch.inf).requires_grad_()
        assert torch.equal(loss(broken, label), expected)
        loss(broken, label).backward()
        assert broken.grad.isfinite().all()


def test_weights_follow_the_logits_to_their_device(device):
    logits, label = make_case(2, 3, device)
    for make, weight in ((SkeletonRecallLoss, [1.0, 2.0]), (DiceCESkeletonRecallLoss, [1.0, 2.0, 3.0])):
        loss = make(softmax=True, to_onehot_y=True, weight=weight)  # not moved itself
        assert loss(logits, label).device == logits.device


@pytest.mark.parametrize("shape", [(0, 8, 8), (2, 0, 8), (1, 8, 0, 8)])
@pytest.mark.parametrize("make", [SkeletonRecallLoss, DiceCESkeletonRecallLoss])
@pytest.mark.parametrize("options", [{}, {"batch": True}, {"ignore_index": 2}])
def test_nothing_at_all_gives_zero(shape, make, options, device):
    logits = torch.zeros(shape[0], 3, *shape[1:], device=device, requires_grad=True)
    loss = make(softmax=True, to_onehot_y=True, **options)(logits, torch.zeros(shape[0], 1, *shape[1:], device=device))
    assert loss.item() == 0
    loss.backward()


def test_false_leaves_the_background_out_of_dice_and_recall(device):
    logits, label = make_case(2, 3, device)
    target = label_channels(label, 3)
    tubes = tubed_skeleton(label, spatial_dims=2)
    loss = DiceCESkeletonRecallLoss(sigmoid=True, include_background=False, lambda_dice=0, lambda_ce=0)
    recall = SkeletonRecallLoss(sigmoid=True, include_background=False)
    torch.testing.assert_close(loss(logits, target), recall(logits, target))
    torch.testing.assert_close(loss(logits, (target, tubes)), recall(logits, (target, tubes)))


def test_a_forgotten_flip_of_the_skeleton_is_named():
    logits, label = make_case(2, 3, "cpu")
    label = torch.zeros_like(label)
    label[..., 2:6] = 1
    skeleton = tubed_skeleton(label, spatial_dims=2)
    for make in (SkeletonRecallLoss, DiceCESkeletonRecallLoss):
        loss = make(softmax=True, to_onehot_y=True)
        loss(logits, (label, skeleton))
        with pytest.raises(ValueError, match=r"`skeleton` to lie in the classes of `target`, got .* 0% of its voxels"):
            loss(logits, (label.flip(-1), skeleton))


def shift(skeleton, share):
    """A skeleton of a label with columns 2 to 5 set, of which that share is moved out of it."""
    moved = skeleton.clone()
    rows = round(share * skeleton.shape[-2])
    moved[..., :rows, :] = skeleton[..., :rows, :].roll(10, dims=-1)
    return moved


@pytest.mark.parametrize(("share", "warns"), [(0.0, False), (0.04, False), (0.2, True), (0.45, True)])
def test_a_skeleton_that_is_partly_elsewhere_is_said_once(share, warns, monkeypatch):
    monkeypatch.setattr(checks, "_has_warned", [])
    label = torch.zeros(1, 1, 100, 24, dtype=torch.uint8)
    label[..., 2:6] = 1
    skeleton = shift(label, share)
    loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True)
    logits = torch.zeros(1, 2, 100, 24)
    if warns:
        with pytest.warns(UserWarning, match=f"lies in the classes of the label at {1 - share:.0%} of its voxels only"):
            loss(logits, (label, skeleton))
    loss(logits, (label, skeleton))  # warnings are errors


def test_what_is_ignored_in_one_channel_may_be_nan_where_another_has_its_skeleton(device):
    target = torch.ones(1, 2, 6, 6, device=device)
    target[:, 1, 2] = 255
    logits = torch.zeros(1, 2, 6, 6, device=device)
    expected = SkeletonRecallLoss(sigmoid=True, ignore_index=255)(logits, (target, torch.ones_like(target)))
    logits[:, 1, 2] = torch.nan
    logits.requires_grad_()
    loss = SkeletonRecallLoss(sigmoid=True, ignore_index=255)(logits, (target, torch.ones_like(target)))
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert not gradient[:, 0].isnan().any()


def test_a_voxel_is_invalid_for_cross_entropy_if_it_is_ignored_in_any_channel(device):
    """Classes that exclude each other, one-hot, of which a channel was not annotated everywhere."""
    logits, label = make_case(2, 3, device)
    target = label_channels(label, 3)
    target[:, 2, :4] = 255
    loss = DiceCESkeletonRecallLoss(softmax=True, ignore_index=255, lambda_dice=0, lambda_recall=0)
    expected = F.cross_entropy(logits[:, :, 4:], target[:, :, 4:])
    torch.testing.assert_close(loss(logits, target), expected)


def test_background_channels_of_skeletons_that_come_are_left_out(device):
    """A one-hot skeleton has a background channel of 1, which is no class that counts."""
    logits, label = make_case(2, 3, device)
    target = label_channels(label, 3)
    skeleton = one_hot(tubed_skeleton(label, spatial_dims=2), 3)
    assert skeleton[:, 0].any()
    loss = SkeletonRecallLoss(softmax=True)
    torch.testing.assert_close(loss(logits, (target, skeleton)), loss(logits, target))
    made = loss.tubed_skeleton(target, 3)
    assert made.shape == target.shape
    assert not made[:, 0].any()
    assert torch.equal(made[:, 1:], tubed_skeleton(target[:, 1:], spatial_dims=2))


def test_a_class_id_of_zero_is_no_skeleton(device):
    """Ids in one channel: 0 is background, and not class 0, even if class 1 alone has a skeleton at the voxel."""
    logits, label = make_case(2, 3, device)
    loss = SkeletonRecallLoss(sigmoid=True, include_background=True)
    target = label_channels(label, 3)
    skeleton = torch.zeros_like(target)
    skeleton[:, 1] = target[:, 1]
    expected = 1 - (logits[:, 1].sigmoid() * target[:, 1]).sum((1, 2)) / target[:, 1].sum((1, 2))
    torch.testing.assert_close(loss(logits, (target, skeleton)), expected.mean() / 3, rtol=1e-4, atol=1e-5)


class OperationLister(torch.utils._python_dispatch.TorchDispatchMode):
    """Lists the operations that return a tensor of that many elements."""

    def __init__(self, numel):
        super().__init__()
        self.numel, self.names = numel, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.numel() == self.numel:
            self.names.append(func.overloadpacket.__name__)
        return out


@pytest.mark.parametrize("act", [{"softmax": True}, {"sigmoid": True}, {"other_act": torch.sigmoid}])
def test_the_sum_makes_no_gradient_of_its_own_for_the_recall(act, device):
    logits, label = make_case(3, 4, device)
    logits.requires_grad_()
    names = []
    for lambda_recall in (0, 1):
        value = DiceCESkeletonRecallLoss(**act, to_onehot_y=True, lambda_recall=lambda_recall)(logits, label)
        with OperationLister(logits.numel()) as lister:
            torch.autograd.grad(value, logits)
        names.append(lister.names)
    without, with_recall = names
    added = list(with_recall)
    for name in without:
        added.remove(name)
    made = [name for name in added if name not in ("detach", "view", "transpose", "permute", "index_put_")]
    assert made == (["clone"] if "other_act" in act else [])  # who knows what that does with its gradient


def test_the_forward_pass_makes_no_tensor_of_the_size_of_the_logits(device):
    _, label = make_case(3, 3, device)
    skeleton = tubed_skeleton(label, spatial_dims=3)
    logits = torch.randn(2, 3, *SHAPES[3], device=device, requires_grad=True)
    loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True)
    with AllocationCounter(logits.numel() * logits.element_size()) as counter:
        loss(logits, (label, skeleton))
    assert not counter.names, counter.names


@pytest.mark.parametrize("label_dtype", [torch.uint8, torch.int64, torch.float32, torch.float16, torch.int8])
def test_label_types_and_metatensors(label_dtype, device):
    logits, label = make_case(2, 3, device)
    for make in (SkeletonRecallLoss, DiceCESkeletonRecallLoss):
        loss = make(softmax=True, to_onehot_y=True)
        expected = loss(logits, label)
        torch.testing.assert_close(loss(logits, label.to(label_dtype)), expected)
        out = loss(MetaTensor(logits), MetaTensor(label.to(label_dtype).float()).requires_grad_())
        assert type(out) is torch.Tensor
        torch.testing.assert_close(out, expected)


# --- ignore_index


@pytest.mark.parametrize("ignore_index", [255, -1, 2])
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("precomputed", [False, True])
def test_ignored_voxels_change_nothing(ignore_index, ndim, precomputed, device):
    logits, label = make_case(ndim, 3, device)
    label = label.int()
    label[label == 2] = ignore_index
    tubes = tubed_skeleton(label.masked_fill(label == ignore_index, 3), spatial_dims=ndim)  # knows nothing of ignoring
    if precomputed:
        target = (label, tubes.masked_fill(tubes == 3, ignore_index))
        skeleton = tubes.masked_fill(tubes == 3, 0)
    else:
        target = label
        skeleton = tubed_skeleton(label.masked_fill(label == ignore_index, 0), spatial_dims=ndim)
    loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True, ignore_index=ignore_index)
    expected = 1 - oracle.recall(logits.softmax(1), one_hot(skeleton, 3), SMOOTH, SMOOTH)[:, 1:]
    torch.testing.assert_close(loss(logits, target), expected.mean())
    for make in (SkeletonRecallLoss, DiceCESkeletonRecallLoss):
        loss = make(softmax=True, to_onehot_y=True, ignore_index=ignore_index)
        before = loss(logits, target)
        logits.requires_grad_()
        (gradient,) = torch.autograd.grad(loss(logits, target), logits)
        logits = logits.detach()
        changed = torch.where(label == ignore_index, 10 * torch.randn_like(logits), logits)
        assert not gradient[(label == ignore_index).expand_as(gradient)].any()
        torch.testing.assert_close(loss(changed, target), before)


@pytest.mark.parametrize("options", [{}, {"weight": torch.tensor([0.2, 1.0, 3.0])}, {"label_smoothing": 0.2}])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_ignoring_equals_cropping(options, reduction, device):
    logits, label = make_case(2, 3, device)
    padded_logits = F.pad(logits, (3, 2, 0, 4), value=0.7)
    padded_label = F.pad(label.int(), (3, 2, 0, 4), value=255)
    shared = {"softmax": True, "to_onehot_y": True, "reduction": reduction, **options}
    ignoring = DiceCESkeletonRecallLoss(**shared, ignore_index=255).to(device)
    cropped = DiceCESkeletonRecallLoss(**shared).to(device)
    torch.testing.assert_close(ignoring(padded_logits, padded_label), cropped(logits, label))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ignore_index", [255, -1])
def test_ignoring_equals_cropping_for_independent_channels(channels, ignore_index, device):
    logits, label = make_case(2, channels, device)
    target = label_channels(label, channels)
    padded = F.pad(target, (3, 2, 0, 4), value=ignore_index)
    ignoring = DiceCESkeletonRecallLoss(sigmoid=True, ignore_index=ignore_index)
    cropped = DiceCESkeletonRecallLoss(sigmoid=True)
    torch.testing.assert_close(ignoring(F.pad(logits, (3, 2, 0, 4)), padded), cropped(logits, target))


def test_channels_may_be_ignored_on_their_own(device):
    logits, label = make_case(2, 2, device)
    target = label_channels(label, 2)
    target[:, 1] = 255  # class 1 was not annotated
    loss = DiceCESkeletonRecallLoss(sigmoid=True, ignore_index=255)
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)
    assert gradient[:, 0].any()
    assert not gradient[:, 1].any()


def test_a_map_of_skeletons_loses_what_is_ignored_in_all_channels(device):
    logits = torch.randn(1, 3, 6, 6, generator=torch.Generator().manual_seed(0)).to(device)
    skeleton = torch.zeros(1, 1, 6, 6, dtype=torch.uint8, device=device)
    skeleton[..., 2, :] = 2
    label = torch.cat([(skeleton == k).to(torch.uint8) for k in range(3)], dim=1)
    loss = SkeletonRecallLoss(softmax=True, ignore_index=255)
    expected = loss(logits, (label, skeleton))
    label[:, 1, 2, :3] = 255
    torch.testing.assert_close(loss(logits, (label, skeleton)), expected)
    label[..., 2, :3] = 255
    shorter = skeleton.clone()
    shorter[..., 2, :3] = 0
    torch.testing.assert_close(loss(logits, (label, skeleton)), loss(logits, (label, shorter)))
    assert not torch.isclose(loss(logits, (label, skeleton)), expected)


@pytest.mark.parametrize("options", [{"softmax": True, "to_onehot_y": True}, {"sigmoid": True, "to_onehot_y": True}])
def test_with_everything_ignored_the_loss_is_zero_but_for_the_constant_of_dice(options, device):
    logits = torch.randn(2, 3, 6, 6, device=device, requires_grad=True)
    label = torch.full((2, 1, 6, 6), 255, device=device)
    loss = DiceCESkeletonRecallLoss(**options, ignore_index=255)
    value = loss(logits, label)
    assert value.item() == pytest.approx(0, abs=1e-6)
    value.backward()
    assert not logits.grad.any()


def test_uint8_labels_are_not_taken_for_minus_one(device):
    label = torch.full((1, 1, 6, 6), 255, dtype=torch.uint8, device=device)
    with pytest.raises(ValueError, match="class ids below 3, the number of classes, got 255"):
        SkeletonRecallLoss(softmax=True, to_onehot_y=True, ignore_index=-1)(
            torch.zeros(1, 3, 6, 6, device=device), label
        )


# --- together with Dice and cross entropy


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"include_background": False},
        {"batch": True, "squared_pred": True},
        {"jaccard": True, "reduction": "sum"},
        {"weight": torch.tensor([0.2, 1.0, 3.0])},
        {"weight": torch.tensor([0.2, 1.0, 3.0]), "include_background": False},
        {"label_smoothing": 0.1, "lambda_dice": 0.3, "lambda_ce": 0.6},
    ],
)
def test_sum_of_monais_dice_ce_and_ours(ndim, options, device):
    logits, label = make_case(ndim, 3, device)
    shared = {"softmax": True, "to_onehot_y": True}
    both = DiceCESkeletonRecallLoss(**shared, **options, lambda_recall=0.7).to(device)
    monai = DiceCELoss(**shared, **options).to(device)
    weight = options["weight"][1:] if "weight" in options else None  # the recall leaves the background out
    kept = {key: options[key] for key in ("batch", "reduction") if key in options}
    recall = SkeletonRecallLoss(**shared, **kept, weight=weight).to(device)
    torch.testing.assert_close(both(logits, label), monai(logits, label) + 0.7 * recall(logits, label))
    without = DiceCESkeletonRecallLoss(**shared, **options, lambda_recall=0).to(device)
    torch.testing.assert_close(without(logits, label), monai(logits, label))


def test_binary_sum(device):
    logits, label = make_case(2, 1, device)
    options = {"sigmoid": True, "weight": torch.tensor([3.0])}
    both = DiceCESkeletonRecallLoss(**options).to(device)(logits, label)
    monai = DiceCELoss(**options).to(device)(logits, label)
    torch.testing.assert_close(both, monai + SkeletonRecallLoss(sigmoid=True)(logits, label))


def test_multi_label_uses_binary_cross_entropy(device):
    logits, label = make_case(2, 3, device)
    target = label_channels(label, 3)
    weight = torch.tensor([1.0, 2.0, 3.0], device=device)
    both = DiceCESkeletonRecallLoss(sigmoid=True, weight=weight).to(device)(logits, target)
    expected = DiceLoss(sigmoid=True, weight=weight)(logits, target)
    expected = expected + F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight.reshape(3, 1, 1))
    torch.testing.assert_close(both, expected + SkeletonRecallLoss(sigmoid=True, weight=weight)(logits, target))
    mapped = DiceCESkeletonRecallLoss(sigmoid=True, to_onehot_y=True, lambda_recall=0)(logits, label)
    torch.testing.assert_close(mapped, DiceCESkeletonRecallLoss(sigmoid=True, lambda_recall=0)(logits, target))


@pytest.mark.parametrize("lambdas", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 0, 0)])
def test_terms_can_be_left_out(lambdas, device):
    logits, label = make_case(2, 3, device)
    terms = []
    for single in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        names = dict(zip(("lambda_dice", "lambda_ce", "lambda_recall"), single, strict=True))
        terms.append(DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=True, **names)(logits, label))
    names = dict(zip(("lambda_dice", "lambda_ce", "lambda_recall"), lambdas, strict=True))
    value = DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=True, **names)(logits, label)
    torch.testing.assert_close(value, sum(w * term for w, term in zip(lambdas, terms, strict=True)))


def test_gradcheck_of_the_sum(device):
    logits, label = make_case(2, 3, device, dtype=torch.float64)
    logits = logits[..., :5, :5].contiguous().requires_grad_()
    label = label[..., :5, :5].int().contiguous()
    label[..., 0] = 255
    loss = DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=True, ignore_index=255)
    assert torch.autograd.gradcheck(lambda x: loss(x, label), logits, fast_mode=True)


# --- in company


@pytest.mark.parametrize("make", [SkeletonRecallLoss, DiceCESkeletonRecallLoss])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_in_monais_deep_supervision(make, dtype, device):
    logits, label = make_case(3, 3, device)
    loss = make(softmax=True, to_onehot_y=True)
    heads = [logits, logits[..., ::2, ::2, ::2].contiguous(), logits[..., ::4, ::4, ::4].contiguous()]
    value = DeepSupervisionLoss(loss)(heads, label.to(dtype))
    expected = 0
    for weight, head in zip((1, 0.5, 0.25), heads, strict=True):
        low = F.interpolate(label.float(), size=head.shape[2:], mode="nearest-exact")
        expected = expected + weight * loss(head, low)  # the skeleton is made anew at each resolution
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("make", [SkeletonRecallLoss, DiceCESkeletonRecallLoss])
def test_pickle_and_deepcopy(make):
    logits, label = make_case(2, 3, "cpu")
    loss = make(softmax=True, to_onehot_y=True, weight=[1.0, 2.0] if make is SkeletonRecallLoss else [1.0, 2.0, 3.0])
    for copied in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert torch.equal(copied(logits, label), loss(logits, label))


def test_torch_compile_breaks_the_graph_once():
    logits, label = make_case(2, 3, "cpu")
    skeleton = tubed_skeleton(label, spatial_dims=2)
    options = {"softmax": True, "to_onehot_y": True}
    assert graphs_compiled(SkeletonRecallLoss(**options), logits, (label, skeleton)) == 2
    monai = graphs_compiled(DiceCELoss(**options), logits, label)  # MONAI's Dice breaks it by itself
    assert graphs_compiled(DiceCESkeletonRecallLoss(**options), logits, (label, skeleton)) == monai + 1


BAD_TARGETS = [
    (
        {},
        (2, 3, 8, 8),
        torch.zeros(2, 1, 8, 8),
        ValueError,
        r"`target` of shape \(2, 3, 8, 8\).*pass `to_onehot_y=True`",
    ),
    ({"to_onehot_y": True}, (2, 3, 8, 8), torch.zeros(2, 3, 8, 8), ValueError, "it is one-hot already"),
    (
        {"to_onehot_y": True},
        (2, 3, 8, 8),
        torch.zeros(2, 8, 8),
        ValueError,
        r"\(2, 1, 8, 8\) to match .* got \(2, 8, 8\)",
    ),
    ({"to_onehot_y": True}, (2, 3, 8, 8), torch.zeros(2, 1, 8, 9), ValueError, r"got \(2, 1, 8, 9\)\."),
    (
        {"to_onehot_y": True},
        (2, 1, 8, 8),
        torch.zeros(2, 1, 8, 8),
        ValueError,
        "`input` with several channels.*`sigmoid=True`",
    ),
    ({"softmax": True}, (2, 1, 8, 8), torch.zeros(2, 1, 8, 8), ValueError, "one channel needs `sigmoid=True`"),
    (
        {"to_onehot_y": True},
        (2, 3, 8),
        torch.zeros(2, 1, 8),
        ValueError,
        r"`input` of shape \(B, C, \*spatial\).*got \(2, 3, 8\)",
    ),
    (
        {"to_onehot_y": True},
        (1, 3, 2, 2),
        torch.full((1, 1, 2, 2), 3),
        ValueError,
        "`target` to hold class ids below 3.*got 3",
    ),
    ({"to_onehot_y": True}, (1, 3, 2, 2), torch.full((1, 1, 2, 2), -1), ValueError, "no negative class ids, got -1"),
    ({"to_onehot_y": True}, (1, 3, 2, 2), torch.full((1, 1, 2, 2), 0.5), ValueError, "whole numbers"),
    ({"sigmoid": True}, (1, 1, 2, 2), torch.full((1, 1, 2, 2), 2), ValueError, "class ids below 2.*got 2"),
    (
        {"sigmoid": True},
        (1, 1, 2, 2),
        torch.full((1, 1, 2, 2), 255),
        ValueError,
        "to leave an id out pass `ignore_index`",
    ),
    ({"sigmoid": True}, (1, 1, 2, 2), np.zeros((1, 1, 2, 2)), TypeError, r"label tensor or a pair .* got \(ndarray\)"),
    ({"sigmoid": True}, (1, 1, 2, 2), (torch.zeros(1, 1, 2, 2),) * 3, TypeError, r"got \(Tensor, Tensor, Tensor\)"),
    ({"sigmoid": True}, (1, 1, 2, 2), {"label": 1}, TypeError, r"got \(dict\)"),
    (
        {"softmax": True, "to_onehot_y": True},
        (2, 3, 8, 8),
        (torch.zeros(2, 1, 8, 8), torch.zeros(2, 8, 8)),
        ValueError,
        r"`skeleton` of shape \(B, 1 or C, \*spatial\) matching `input` \(2, 3, 8, 8\), got \(2, 8, 8\)",
    ),
    (
        {"softmax": True, "to_onehot_y": True},
        (1, 3, 2, 2),
        (torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 7)),
        ValueError,
        "`skeleton` to hold class ids below 3.*got 7",
    ),
    (
        {"softmax": True, "to_onehot_y": True},
        (1, 3, 2, 2),
        (torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5)),
        ValueError,
        "`skeleton` to hold class ids, which are whole numbers",
    ),
    (
        {"sigmoid": True},
        (1, 3, 2, 2),
        (torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2)),
        ValueError,
        "`skeleton` with 3 channels, as channel 0 counts.*`include_background=False`",
    ),
]


@pytest.mark.parametrize(("options", "shape", "target", "error", "message"), BAD_TARGETS)
def test_bad_targets_are_named(options, shape, target, error, message):
    with pytest.raises(error, match=message):
        SkeletonRecallLoss(**options)(torch.zeros(shape), target)
    with pytest.raises(error, match=message):
        DiceCESkeletonRecallLoss(**options)(torch.zeros(shape), target)


@pytest.mark.parametrize(
    ("input", "error", "message"),
    [
        (
            torch.zeros(1, 1, 2, 2, dtype=torch.int),
            TypeError,
            "`input` to be a floating-point torch.Tensor, got torch.int32",
        ),
        (np.zeros((1, 1, 2, 2)), TypeError, "`input` to be a floating-point torch.Tensor, got ndarray"),
        (
            torch.full((1, 1, 2, 2), 3.0),
            ValueError,
            r"`input` to hold probabilities in \[0, 1\], got values from 3 to 3; for logits pass",
        ),
        (torch.zeros(1, 0, 2, 2), ValueError, r"Expected `input` with channels, got \(1, 0, 2, 2\)"),
        (torch.zeros(0, 0, 2, 2), ValueError, r"Expected `input` with channels, got \(0, 0, 2, 2\)"),
        (torch.zeros(1, 1, 2, 2).to_sparse(), TypeError, "`input` to be a dense tensor .* layout torch.sparse_coo"),
        (torch.zeros(1, 1, 2, 2, device="meta"), ValueError, "`input` to have values, got a tensor on the device 'me"),
    ],
)
def test_bad_predictions_are_named(input, error, message):
    with pytest.raises(error, match=message):
        SkeletonRecallLoss()(input, torch.ones(1, 1, 2, 2))
    with pytest.raises(error, match=message):
        DiceCESkeletonRecallLoss()(input, torch.ones(1, 1, 2, 2))


@pytest.mark.gpu
def test_a_target_on_another_device_is_named():
    with pytest.raises(ValueError, match="`target` on the device of `input`, cuda:0, got cpu"):
        SkeletonRecallLoss(sigmoid=True)(torch.zeros(1, 1, 4, 4, device="cuda"), torch.zeros(1, 1, 4, 4))


def test_a_target_on_the_meta_device_is_named():
    with pytest.raises(ValueError, match="`target` on the device of `input`, cpu, got meta"):
        SkeletonRecallLoss(sigmoid=True)(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4, device="meta"))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sigmoid": True, "softmax": True}, ValueError, "at most one of `sigmoid`, `softmax` and `other_act`"),
        ({"other_act": "relu"}, TypeError, "`other_act` to be None or callable, got str"),
        ({"radius": -1}, ValueError, "`radius` to be at least 0"),
        ({"smooth_dr": 0.0}, ValueError, "`smooth_dr` > 0"),
        ({"smooth_nr": 1.0}, ValueError, "0 <= `smooth_nr` <= `smooth_dr`"),
        ({"ignore_index": 0}, ValueError, "than 0, which is the background"),
        ({"ignore_index": 2.5}, TypeError, "`ignore_index` to be None or an int|`ignore_index` to be an int"),
        ({"backend": "tpu"}, ValueError, "`backend` to be one of"),
        ({"reduction": "median"}, ValueError, "Expected `reduction` to be one of .* got 'median'"),
        ({"smooth_nr": "x"}, TypeError, "`smooth_nr` to be a number, got str"),
        ({"smooth_nr": 10**400}, ValueError, "`smooth_nr` to be a number that a float can hold"),
        (
            {"weight": np.ones(1, complex)},
            TypeError,
            "`weight` to be a dense tensor of real numbers, got torch.complex",
        ),
        ({"weight": [10**400, 1]}, TypeError, "`weight` to be .*a sequence of numbers, got "),
        ({"smooth_dr": float("inf")}, ValueError, "`smooth_dr` to be finite, got inf"),
        ({"weight": [np.ones(2)]}, ValueError, r"`weight` to be .*a sequence of numbers, got shape \(1, 2\)"),
        ({"weight": "x"}, TypeError, "`weight` to be .*a sequence of numbers, got 'x'"),
        ({"weight": [[1.0], [1.0, 2.0]]}, TypeError, "`weight` to be .*a sequence of numbers, got "),
        ({"weight": [-1.0, 1.0]}, ValueError, "`weight` to be finite and at least 0"),
        ({"weight": [float("nan")]}, ValueError, "`weight` to be finite and at least 0"),
        ({"weight": [[1.0]]}, ValueError, r"`weight` to be .*a sequence of numbers, got shape \(1, 1\)"),
    ],
)
@pytest.mark.parametrize("make", [SkeletonRecallLoss, DiceCESkeletonRecallLoss])
def test_bad_options_are_named(make, options, error, message):
    with pytest.raises(error, match=message):
        make(**options)


@pytest.mark.parametrize("name", ["lambda_dice", "lambda_ce", "lambda_recall"])
def test_negative_weights_are_named(name):
    with pytest.raises(ValueError, match=f"`{name}` to be at least 0, got -1"):
        DiceCESkeletonRecallLoss(**{name: -1})
    with pytest.raises(ValueError, match=f"`{name}` to be finite, got inf"):
        DiceCESkeletonRecallLoss(**{name: float("inf")})


def test_label_smoothing_is_a_share():
    with pytest.raises(ValueError, match="`label_smoothing` from 0 to 1, got 2"):
        DiceCESkeletonRecallLoss(softmax=True, label_smoothing=2)


def test_the_sum_has_no_voxelwise_result():
    with pytest.raises(ValueError, match="`reduction` to be one of 'mean', 'sum', got 'none'"):
        DiceCESkeletonRecallLoss(reduction="none")


def test_weights_that_do_not_fit_are_named():
    loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True, weight=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="`weight` to have 2 numbers, one for each class, got 3"):
        loss(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))


def test_weights_of_the_sum_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"`weight` to be a sequence of numbers, got shape \(\)"):
        DiceCESkeletonRecallLoss(weight=2.0)
    loss = DiceCESkeletonRecallLoss(sigmoid=True, weight=[1.0, 2.0])
    with pytest.raises(ValueError, match="`weight` to have 1 numbers, one for each class, got 2"):
        loss(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))


def test_a_label_map_has_no_skeleton_of_the_background():
    with pytest.raises(ValueError, match="`include_background` to be None or False with `to_onehot_y`, got True"):
        SkeletonRecallLoss(include_background=True, softmax=True, to_onehot_y=True)


def test_activations_that_give_no_probabilities_are_named():
    loss = SkeletonRecallLoss(other_act=torch.tanh)
    with pytest.raises(ValueError, match=r"`other_act` to return probabilities in \[0, 1\], got values from -0.964"):
        loss(torch.full((1, 1, 4, 4), -2.0), torch.ones(1, 1, 4, 4))


def test_activations_that_change_the_shape_are_named():
    loss = SkeletonRecallLoss(other_act=lambda x: x[:, :1], to_onehot_y=True)
    with pytest.raises(ValueError, match="`other_act` to keep the shape"):
        loss(torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 4, 4))
