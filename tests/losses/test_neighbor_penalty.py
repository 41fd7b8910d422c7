from __future__ import annotations

import itertools

import pytest
import torch
from monai.data import MetaTensor
from monai.losses import DiceCELoss, DiceLoss
from torch import nn

from monai_topoloss.losses import (
    DiceCESkeletonRecallLoss,
    NeighborPenalty,
    SkeletonDeepSupervisionLoss,
    SkeletonPrecisionLoss,
    SkeletonRecallLoss,
    SoftCenterlineDiceLoss,
    SumLoss,
    SupervoxelLoss,
)
from tests.losses.cases import label_channels, make_case

BOTH = {"softmax": True, "to_onehot_y": True}


class Logits(nn.Module):
    """A loss that returns what it is given."""

    def forward(self, input, target):  # noqa: ARG002
        return input


def worst(z, y, width, valid=None):
    """The definition, voxel by voxel, of logits and labels (B, C, *spatial)."""
    result = z.clone()
    reach = range(-(width // 2), width // 2 + 1)
    for index in itertools.product(*map(range, z.shape)):
        sample, channel, *voxel = index
        around = []
        for offset in itertools.product(reach, repeat=len(voxel)):
            near = [i + o for i, o in zip(voxel, offset, strict=True)]
            inside = all(0 <= i < n for i, n in zip(near, z.shape[2:], strict=True))
            where = (sample, channel, *near)
            if inside and y[where] == y[index] and (valid is None or valid[where]):
                around.append(z[where].item())
        if valid is None or valid[index]:
            result[index] = min(around) if y[index] else max(around)
    return result


@pytest.mark.parametrize(("ndim", "shape"), [(2, (7, 8)), (3, (5, 4, 6))])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 3, 5])
def test_logits_are_those_of_the_definition(ndim, shape, channels, width, device):
    logits, label = make_case(ndim, channels, device)
    corner = (slice(None), slice(None), *[slice(3, 3 + length) for length in shape])
    logits, label = logits[corner], label[corner]
    assert len(label.unique()) > 1
    expected = worst(logits, label_channels(label, channels), width)
    loss = NeighborPenalty(Logits(), width)
    assert torch.equal(loss(logits, label), expected)
    assert torch.equal(loss(logits, (label, label)), expected)
    assert torch.equal(loss(logits, label_channels(label, channels)), expected)


def test_a_multi_label_target(device):
    logits, label = make_case(2, 3, device)
    logits, label = logits[..., :8, :8], label[..., 3:11, 3:11]
    target = torch.cat([label > 0, label == 1, label != 2], dim=1)  # overlapping
    assert torch.equal(NeighborPenalty(Logits())(logits, target), worst(logits, target, 3))


@pytest.mark.parametrize("as_map", [True, False])
def test_what_is_ignored_is_nobodys_neighbor(as_map, device):
    logits, label = make_case(2, 3, device)
    logits, label = logits[..., :8, :8], label[..., 3:11, 3:11].int()
    ignored = torch.zeros_like(label, dtype=torch.bool)
    ignored[..., 2:5, 3:6] = True
    onehot = label_channels(label, 3)
    expected = worst(logits, onehot, 3, ~ignored.expand_as(onehot))
    target = (label if as_map else onehot).masked_fill(ignored, 255)
    assert torch.equal(NeighborPenalty(Logits(), ignore_index=255)(logits, target), expected)
    criterion = DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=as_map, ignore_index=255)
    penalty = NeighborPenalty(criterion)  # which asks the loss
    torch.testing.assert_close(penalty(logits, target), criterion(expected, target))
    torch.testing.assert_close(penalty(torch.where(ignored, 10 * logits, logits), target), criterion(expected, target))


@pytest.mark.parametrize(
    "loss",
    [
        DiceCELoss(**BOTH),
        DiceCESkeletonRecallLoss(**BOTH),
        SkeletonRecallLoss(**BOTH),
        SkeletonPrecisionLoss(**BOTH),
        SoftCenterlineDiceLoss(**BOTH),
        SupervoxelLoss(**BOTH),
        SumLoss([DiceLoss(**BOTH), SupervoxelLoss(**BOTH)]),
        NeighborPenalty(DiceCELoss(**BOTH)),
    ],
    ids=lambda loss: type(loss).__name__,
)
@pytest.mark.parametrize("ndim", [2, 3])
def test_any_loss(loss, ndim, device):
    logits, label = make_case(ndim, 3, device)
    logits.requires_grad_()
    value = NeighborPenalty(loss)(logits, label)
    torch.testing.assert_close(value, loss(NeighborPenalty(Logits())(logits, label), label))
    value.backward()
    assert logits.grad.any()
    assert logits.grad.isfinite().all()


def test_the_gradient_of_all_around_goes_to_the_worst(device):
    logits = torch.full((1, 1, 5, 5), 4.0, device=device)
    logits[..., 2, 2] = -4.0
    logits.requires_grad_()
    NeighborPenalty(Logits())(logits, torch.ones_like(logits)).sum().backward()
    assert logits.grad[0, 0, 2, 2] == 9
    assert logits.grad.sum() == 25


def test_gradcheck(device):
    logits, label = make_case(2, 3, device, dtype=torch.float64)
    logits, label = logits[..., :6, :6].contiguous().requires_grad_(), label[..., :6, :6]
    loss = NeighborPenalty(DiceCESkeletonRecallLoss(**BOTH))
    assert torch.autograd.gradcheck(lambda x: loss(x, label), logits)


def test_in_deep_supervision(device):
    logits, label = make_case(2, 3, device)
    low = logits[..., ::2, ::2]
    plain = SkeletonDeepSupervisionLoss(DiceCESkeletonRecallLoss(**BOTH))
    loss = SkeletonDeepSupervisionLoss(NeighborPenalty(DiceCESkeletonRecallLoss(**BOTH), kernel_size=1))
    torch.testing.assert_close(loss([logits, low], label), plain([logits, low], label))
    with pytest.raises(TypeError, match="no method `tubed_skeleton`"):
        SkeletonDeepSupervisionLoss(NeighborPenalty(DiceCELoss(**BOTH)))(logits, label)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types(dtype, device):
    logits, label = make_case(2, 3, device)
    logits = logits.to(dtype).requires_grad_()
    value = NeighborPenalty(DiceCELoss(**BOTH))(logits, label)
    assert value.dtype == torch.float32
    value.backward()
    assert logits.grad.dtype == dtype


def test_metatensors_and_nothing_at_all(device):
    logits, label = make_case(2, 3, device)
    loss = NeighborPenalty(DiceCESkeletonRecallLoss(**BOTH))
    torch.testing.assert_close(loss(MetaTensor(logits), MetaTensor(label)), loss(logits, label))
    assert loss(logits[:0], label[:0]).item() == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"loss": "dice"}, TypeError, "Expected `loss` to be a torch.nn.Module, got str"),
        ({"kernel_size": 2}, ValueError, "Expected `kernel_size` to be odd, got 2"),
        ({"kernel_size": 0}, ValueError, "Expected `kernel_size` to be at least 1, got 0"),
        ({"kernel_size": 3.0}, TypeError, "Expected `kernel_size` to be an int, got float"),
        ({"ignore_index": "none"}, TypeError, "Expected `ignore_index`"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        NeighborPenalty(**{"loss": DiceCELoss(**BOTH), **options})


@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 5), "Expected `target` of shape"),
        (torch.zeros(1, 3, 4, 4), torch.full((1, 1, 4, 4), 3), "class ids below 3"),
        (torch.zeros(1, 3, 4, 4), torch.zeros(4), "Expected `target` of shape"),
        (torch.zeros(3, 4, 4), torch.zeros(1, 1, 4, 4), r"Expected `input` of shape \(B, C, \*spatial\)"),
    ],
)
def test_bad_inputs_are_named(logits, target, message):
    with pytest.raises(ValueError, match=message):
        NeighborPenalty(DiceCELoss(**BOTH))(logits, target)
