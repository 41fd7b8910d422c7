from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.data import MetaTensor
from monai.losses import DeepSupervisionLoss, FocalLoss
from monai.networks import one_hot
from torch import nn

from monai_topoloss.losses import (
    DiceCESkeletonRecallLoss,
    SkeletonDeepSupervisionLoss,
    SumLoss,
    SupervoxelAffinityLoss,
    SupervoxelLoss,
)
from monai_topoloss.topology import critical_components, tubed_skeleton
from tests.losses.compiling import BrokenOnce, graphs_compiled
from tests.oracles import supervoxel

SHAPES = {2: (11, 14), 3: (6, 7, 8)}
LABEL_MAP = {"to_onehot_y": True, "softmax": True}


def make_logits(shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def make_label(shape, ids=2, seed=1):
    return torch.randint(0, ids, shape, generator=torch.Generator().manual_seed(seed))


def weights(prediction, label, alpha, beta, *, classes=False):
    """The weight of each voxel of one image, by the oracle."""
    prediction, label = prediction.numpy().astype(int), label.numpy().astype(int)
    splits, _ = supervoxel.linear(label, prediction, label.ndim, classes=classes)
    merges, _ = supervoxel.linear(prediction, label, label.ndim, classes=classes)
    return torch.from_numpy((1 - alpha) + alpha * (beta * splits + (1 - beta) * merges))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.5), (1.0, 0.2), (0.3, 1.0), (0.0, 0.5)])
@pytest.mark.parametrize("ids", [2, 40])
def test_one_channel_equals_the_definition(ndim, alpha, beta, ids, device):
    input, label = make_logits((3, 1, *SHAPES[ndim])), make_label((3, 1, *SHAPES[ndim]), ids)
    loss = SupervoxelLoss(alpha=alpha, beta=beta, threshold=0.2)(input.to(device), label.to(device))
    each = F.binary_cross_entropy_with_logits(input, (label > 0).float(), reduction="none")
    for k in range(3):
        each[k, 0] *= weights(input[k, 0] > 0.2, label[k, 0], alpha, beta)
    torch.testing.assert_close(loss.cpu(), each.mean(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ndim", [2, 3])
def test_several_channels_are_judged_one_by_one(ndim, device):
    input, label = make_logits((2, 3, *SHAPES[ndim])), make_label((2, 3, *SHAPES[ndim]))
    output = SupervoxelLoss(beta=0.7).with_counts(input.to(device), label.to(device))
    alone = [SupervoxelLoss(beta=0.7).with_counts(input[:, k : k + 1], label[:, k : k + 1]) for k in range(3)]
    torch.testing.assert_close(output.loss.cpu(), torch.stack([each.loss for each in alone]).mean())
    torch.testing.assert_close(output.n_splits.cpu(), torch.cat([each.n_splits for each in alone], dim=1))
    torch.testing.assert_close(output.n_merges.cpu(), torch.cat([each.n_merges for each in alone], dim=1))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("criterion", [None, nn.CrossEntropyLoss(reduction="none"), "focal"])
def test_softmax_equals_the_definition(ndim, criterion, device):
    input, label = make_logits((2, 4, *SHAPES[ndim])), make_label((2, 1, *SHAPES[ndim]), 4)
    if criterion == "focal":
        criterion = FocalLoss(to_onehot_y=True, use_softmax=True, reduction="none")
        each = criterion(input, label)
    else:
        each = F.cross_entropy(input, label[:, 0], reduction="none").unsqueeze(1)
    loss = SupervoxelLoss(criterion, to_onehot_y=True, softmax=True, alpha=0.8, beta=0.3)
    output = loss.with_counts(input.to(device), label.to(device))
    prediction = input.argmax(dim=1)
    for k in range(2):
        each[k] *= weights(prediction[k], label[k, 0], 0.8, 0.3, classes=True)
    torch.testing.assert_close(output.loss.cpu(), each.mean(), rtol=1e-5, atol=1e-6)
    assert output.n_splits.shape == output.n_merges.shape == (2, 3)
    found = critical_components(prediction, label[:, 0], num_classes=4, spatial_dims=ndim)
    torch.testing.assert_close(output.n_splits.cpu(), found.n_splits)
    torch.testing.assert_close(loss(input.to(device), label.to(device)), output.loss)


def test_larger_beta_makes_splits_weigh_more():
    label = torch.zeros(1, 1, 9, 9)
    label[..., 4, :] = 1
    input = 4 * label - 2
    input[..., 4, 4] = -2  # a split
    low, high = (SupervoxelLoss(beta=beta)(input, label) for beta in (0.1, 0.9))
    assert high > low
    input = 4 * label - 2
    input[..., 0, 0] = 2  # a merge
    low, high = (SupervoxelLoss(beta=beta)(input, label) for beta in (0.1, 0.9))
    assert high < low


def test_only_what_changes_the_topology_weighs_more():
    label = torch.zeros(1, 1, 9, 20)
    label[..., 3:6, :] = 1
    input = 4 * label - 2
    input[..., 3, 5:9] = -2  # thinner
    map_ = SupervoxelLoss(reduction="none")(input, label)
    each = F.binary_cross_entropy_with_logits(input, label, reduction="none")
    torch.testing.assert_close(map_, 0.5 * each)
    input[..., 4:6, 7] = -2  # broken: the whole component
    map_ = SupervoxelLoss(reduction="none")(input, label)
    each = F.binary_cross_entropy_with_logits(input, label, reduction="none")
    wrong = (input > 0) != (label > 0)
    torch.testing.assert_close(map_, torch.where(wrong, 0.75, 0.5) * each)


@pytest.mark.parametrize("kind", ["one channel", "channels", "softmax"])
@pytest.mark.parametrize("ignore_index", [255, -1])
@pytest.mark.parametrize("threshold", [0.0, -1.0])
def test_ignored_voxels_do_not_count(kind, ignore_index, threshold, device):
    softmax = kind == "softmax"
    channels = 1 if kind == "one channel" else 3
    input = make_logits((2, channels, 9, 8)).to(device).requires_grad_()
    label = make_label((2, 3 if kind == "channels" else 1, 9, 8), channels if softmax else 2).to(device)
    label[:, :, 6:] = ignore_index
    loss = SupervoxelLoss(to_onehot_y=softmax, softmax=softmax, threshold=threshold, ignore_index=ignore_index)
    output = loss.with_counts(input, label)
    cropped = SupervoxelLoss(to_onehot_y=softmax, softmax=softmax, threshold=threshold).with_counts(
        input[:, :, :6], label[:, :, :6]
    )
    torch.testing.assert_close(output, cropped)
    (gradient,) = torch.autograd.grad(output.loss, input)
    assert not gradient[:, :, 6:].any()
    for spoilt in (torch.inf, torch.nan):
        bad = input.detach().clone()
        bad[:, :, 6:] = spoilt
        torch.testing.assert_close(loss(bad, label), output.loss)
    nothing = loss(input, torch.full_like(label, ignore_index))
    assert nothing == 0
    nothing.backward()


def test_a_channel_may_be_ignored_alone():
    input, label = make_logits((1, 2, 9, 8)), make_label((1, 2, 9, 8))
    label[:, 1] = 255
    loss = SupervoxelLoss(ignore_index=255)(input, label)
    torch.testing.assert_close(loss, SupervoxelLoss()(input[:, :1], label[:, :1]))


def test_a_criterion_may_fail_where_voxels_are_ignored():
    def on_probabilities(p, t):
        return -(t * p.log() + (1 - t) * (1 - p).log())  # NaN at 0

    label = make_label((1, 1, 9, 8))
    label[..., 4] = 255
    input = make_logits((1, 1, 9, 8)).sigmoid()
    assert SupervoxelLoss(on_probabilities, threshold=0.5, ignore_index=255)(input, label).isfinite()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_reductions(reduction):
    input, label = make_logits((2, 3, 5, 6)), make_label((2, 1, 5, 6), 3)
    loss = SupervoxelLoss(nn.CrossEntropyLoss(reduction="none"), to_onehot_y=True, softmax=True, reduction=reduction)(
        input, label
    )
    map_ = F.cross_entropy(input, label[:, 0], reduction="none")
    for k in range(2):
        map_[k] *= weights(input[k].argmax(dim=0), label[k, 0], 0.5, 0.5, classes=True)
    assert loss.shape == ((2, 5, 6) if reduction == "none" else ())
    torch.testing.assert_close(loss, {"mean": map_.mean(), "sum": map_.sum(), "none": map_}[reduction])


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("ndim", [2, 3])
def test_gradcheck(softmax, ndim):
    channels = 3 if softmax else 1
    input = 3 * make_logits((1, channels, *(4,) * ndim), dtype=torch.float64)  # no step crosses the threshold
    label = make_label((1, 1, *(4,) * ndim), channels if softmax else 2)
    loss = SupervoxelLoss(to_onehot_y=softmax, softmax=softmax, alpha=0.7, beta=0.3)
    assert loss(input, label).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda x: loss(x, label), input.requires_grad_())


def test_alpha_of_0_skips_the_search(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("searched")

    monkeypatch.setattr("monai_topoloss.losses.supervoxel.critical_components", fail)
    input, label = make_logits((1, 1, 5, 5)), make_label((1, 1, 5, 5))
    loss = SupervoxelLoss(alpha=0)
    torch.testing.assert_close(loss(input, label), F.binary_cross_entropy_with_logits(input, label.float()))
    loss.alpha = 0.5
    with pytest.raises(AssertionError, match="searched"):
        loss(input, label)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_computed_in_float32(dtype, device):
    input, label = make_logits((2, 1, 64, 64)).to(device, dtype), make_label((2, 1, 64, 64)).to(device)
    loss = SupervoxelLoss()(input.requires_grad_(), label)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, SupervoxelLoss()(input.detach().float(), label))
    loss.backward()
    assert input.grad.dtype == dtype


def test_autocast(device):
    network = nn.Conv2d(1, 2, 3, padding=1).to(device)
    image, label = make_logits((2, 1, 16, 16)).to(device), make_label((2, 1, 16, 16)).to(device)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        loss = SupervoxelLoss(to_onehot_y=True, softmax=True)(network(image), label)
    assert loss.dtype == torch.float32
    loss.backward()
    assert network.weight.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.float32])
def test_labels_of_every_type(dtype):
    input, label = make_logits((2, 1, 9, 9)), make_label((2, 1, 9, 9))
    loss = SupervoxelLoss()(input, label.to(dtype))
    torch.testing.assert_close(loss, SupervoxelLoss()(input, label))
    torch.testing.assert_close(loss, SupervoxelLoss()(MetaTensor(input), MetaTensor(label.to(dtype))))
    torch.testing.assert_close(loss, SupervoxelLoss()(input.mT.contiguous().mT, label.mT.contiguous().mT.to(dtype)))


def test_a_criterion_in_half_precision():
    input, label = make_logits((1, 1, 9, 9)), make_label((1, 1, 9, 9))
    loss = SupervoxelLoss(lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none").half())
    assert loss(input, label).dtype == torch.float32


def test_deterministic_and_copied():
    input, label = make_logits((2, 1, 32, 32)), make_label((2, 1, 32, 32))
    loss = SupervoxelLoss(FocalLoss(reduction="none"), alpha=0.3)
    values = {each(input, label).item() for each in (loss, loss, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss)))}
    assert len(values) == 1


def test_in_monais_deep_supervision():
    label = make_label((2, 1, 16, 16)).float()
    outputs = [make_logits((2, 1, 16 >> k, 16 >> k), seed=k).requires_grad_() for k in range(3)]
    DeepSupervisionLoss(SupervoxelLoss())(outputs, label).backward()
    assert all(output.grad.any() for output in outputs)


def test_added_to_dice_and_skeleton_recall():
    input, label = make_logits((2, 3, 16, 16)).requires_grad_(), make_label((2, 1, 16, 16), 3)
    recall = DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=True)
    split = SupervoxelLoss(to_onehot_y=True, softmax=True)
    both = SumLoss([recall, split], weights=[1, 0.5])
    pair = (label, tubed_skeleton(label, spatial_dims=2))
    for target in (label, pair):
        torch.testing.assert_close(both(input, target), recall(input, target) + 0.5 * split(input, label))
    deep = SkeletonDeepSupervisionLoss(both)
    deep([input, input[..., ::2, ::2]], label).backward()
    assert input.grad.any()


def test_an_empty_batch():
    loss = SupervoxelLoss()(make_logits((0, 1, 5, 5)).requires_grad_(), make_label((0, 1, 5, 5)))
    loss.backward()
    assert loss == 0


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1, 1), (4, 4)])
def test_empty_and_full_masks(label, sign, shape):
    input = torch.full((1, 1, *shape), sign)
    output = SupervoxelLoss().with_counts(input, torch.full((1, 1, *shape), label))
    assert output.loss.isfinite()
    assert output.n_splits.item() == int(label == 1 and sign < 0)
    assert output.n_merges.item() == int(label == 0 and sign > 0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"criterion": 3}, TypeError, "Expected `criterion` to be None or callable, got int"),
        ({"criterion": nn.BCEWithLogitsLoss()}, ValueError, "`criterion` with reduction='none', got 'mean'"),
        ({"alpha": 1.5}, ValueError, "Expected `alpha` from 0 to 1, got 1.5"),
        ({"beta": -0.1}, ValueError, "Expected `beta` from 0 to 1, got -0.1"),
        ({"alpha": "half"}, TypeError, "Expected `alpha` to be a number, got str"),
        ({"threshold": "0"}, TypeError, "Expected `threshold` to be a number, got str"),
        ({"threshold": float("nan")}, ValueError, "Expected `threshold` to be finite, got nan"),
        ({"alpha": float("nan")}, ValueError, "Expected `alpha` from 0 to 1, got nan"),
        ({"connectivity": 0}, ValueError, "Expected `connectivity` to be at least 1"),
        ({"ignore_index": 0}, ValueError, "Expected `ignore_index` to be another value than 0"),
        ({"backend": "gpu"}, ValueError, "Expected `backend` to be one of"),
        ({"reduction": "median"}, ValueError, "median"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        SupervoxelLoss(**options)


@pytest.mark.parametrize(
    ("options", "input", "target", "error", "message"),
    [
        ({}, torch.full((1, 1, 4, 4), torch.nan), make_label((1, 1, 4, 4)), ValueError, "`input` to hold no NaN"),
        ({}, make_label((1, 1, 4, 4)), make_label((1, 1, 4, 4)), TypeError, "Expected `input` to be a floating-point"),
        (
            {},
            make_logits((1, 4, 4)),
            make_label((1, 4, 4)),
            ValueError,
            r"Expected `input` of shape \(B, C, \*spatial\)",
        ),
        ({}, make_logits((1, 1, 4, 4)), make_label((1, 1, 4, 5)), ValueError, r"`target` of shape \(1, 1, 4, 4\)"),
        ({}, make_logits((1, 1, 4, 4)), make_label((1, 1, 4, 4)) - 1, ValueError, "no negative class ids"),
        ({}, make_logits((1, 1, 4, 4)), make_logits((1, 1, 4, 4)), ValueError, "whole numbers"),
        ({}, make_logits((1, 2, 4, 4)), make_label((1, 2, 4, 4), 9), ValueError, "class ids below 2"),
        ({}, make_logits((1, 1, 4, 4)), "label", TypeError, "Expected `target` to be a label tensor or a pair"),
        (
            {"softmax": True},
            make_logits((1, 1, 4, 4)),
            make_label((1, 1, 4, 4)),
            ValueError,
            "needs leaving it out",
        ),
        (LABEL_MAP, make_logits((1, 2, 4, 4)), make_label((1, 1, 4, 4), 9), ValueError, "class ids below 2"),
        (
            LABEL_MAP,
            make_logits((1, 2, 4, 4)),
            make_label((1, 2, 4, 4)),
            ValueError,
            "one-hot already, so leave out `to_onehot_y=True`",
        ),
        (
            {"softmax": True},
            make_logits((1, 2, 4, 4)),
            torch.ones(1, 2, 4, 4),
            ValueError,
            "Expected `target` to be one-hot, got voxels of no class or of several",
        ),
        ({"softmax": True}, make_logits((1, 2, 4, 4)), torch.zeros(1, 2, 4, 4), ValueError, "to be one-hot, got"),
        ({}, make_logits((1, 3, 4, 4)), make_label((1, 1, 4, 4), 3), ValueError, "pass `to_onehot_y=True`"),
        ({}, make_logits((2, 0, 4, 4)), make_label((2, 0, 4, 4)), ValueError, "Expected `input` with channels, got"),
        (LABEL_MAP, make_logits((0, 0, 4, 4)), make_label((0, 1, 4, 4)), ValueError, "Expected `input` with channels"),
        (
            {},
            make_logits((1, 1, 4, 4)).to_sparse(),
            make_label((1, 1, 4, 4)),
            TypeError,
            "`input` to be a dense tensor",
        ),
        ({}, torch.zeros(1, 1, 4, 4, device="meta"), make_label((1, 1, 4, 4)), ValueError, "`input` to have values"),
        (
            {"ignore_index": 255},
            make_logits((1, 1, 1, 2)),
            torch.from_numpy(np.array([2**64 - 1, 255], np.uint64)).reshape(1, 1, 1, 2),
            ValueError,
            "`target` to hold numbers below 2",
        ),
        ({"criterion": torch.gt}, make_logits((1, 1, 4, 4)), make_label((1, 1, 4, 4)), TypeError, "got torch.bool"),
        ({"connectivity": 3}, make_logits((1, 1, 4, 4)), make_label((1, 1, 4, 4)), ValueError, "from 1 to 2"),
        (
            {"criterion": lambda x, y: (x - y).mean()},
            make_logits((1, 1, 4, 4)),
            make_label((1, 1, 4, 4)),
            ValueError,
            r"`criterion` to return a loss for each voxel, \(1, 1, 4, 4\) or \(1, 4, 4\), as with reduction='none'",
        ),
        (
            {"criterion": lambda x, y: 1.0},  # noqa: ARG005
            make_logits((1, 1, 4, 4)),
            make_label((1, 1, 4, 4)),
            TypeError,
            "`criterion` to return a loss for each voxel.*got float",
        ),
    ],
)
def test_bad_input(options, input, target, error, message):
    with pytest.raises(error, match=message):
        SupervoxelLoss(**options)(input, target)


@pytest.mark.parametrize(
    ("loss", "channels", "ids"),
    [
        (SupervoxelLoss(), 1, 2),
        (SupervoxelLoss(ignore_index=255), 1, 2),
        (SupervoxelLoss(**LABEL_MAP), 3, 3),
        (SupervoxelAffinityLoss(edges=[(1, 0), (0, 1)]), 2, 4),
    ],
)
def test_torch_compile_breaks_the_graph_once(loss, channels, ids):
    input, label = make_logits((2, channels, 8, 8)), make_label((2, 1, 8, 8), ids)
    assert graphs_compiled(loss, input, label) == graphs_compiled(BrokenOnce(), input, label)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # PyTorch looks at it
def test_affinities_compile_to_machine_code():
    input, label = make_logits((1, 2, 8, 8)).requires_grad_(), make_label((1, 1, 8, 8), 4)
    loss = SupervoxelAffinityLoss(edges=[(1, 0), (0, 1)])
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: loss(2 * x, label) + 1)
    gradient, expected = (torch.autograd.grad(f(input), input)[0] for f in (compiled, lambda x: loss(2 * x, label)))
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("ignore_index", [None, 255])
@pytest.mark.parametrize("criterion", [None, nn.CrossEntropyLoss(reduction="none")])
def test_one_hot_targets_give_what_their_label_map_gives(ndim, ignore_index, criterion, device):
    input, label = make_logits((2, 4, *SHAPES[ndim])).to(device), make_label((2, 1, *SHAPES[ndim]), 4).to(device)
    target = one_hot(label, 4)
    if ignore_index is not None:
        label[:, :, 3:5], target[:, :, 3:5] = ignore_index, ignore_index
    of_map = SupervoxelLoss(criterion, **LABEL_MAP, ignore_index=ignore_index).with_counts(input, label)
    of_channels = SupervoxelLoss(criterion, softmax=True, ignore_index=ignore_index).with_counts(input, target)
    torch.testing.assert_close(of_channels, of_map)
    assert of_map.n_merges.sum() != of_map.n_splits.sum()


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("ignore_index", [None, 255])
def test_independent_channels_of_a_label_map_have_a_background(ndim, ignore_index, device):
    input, label = make_logits((2, 3, *SHAPES[ndim])).to(device), make_label((2, 1, *SHAPES[ndim]), 3).to(device)
    target = one_hot(label, 3)
    if ignore_index is not None:
        label[:, :, 3:5], target[:, :, 3:5] = ignore_index, ignore_index
    output = SupervoxelLoss(to_onehot_y=True, ignore_index=ignore_index).with_counts(input, label)
    each = SupervoxelLoss(ignore_index=ignore_index, reduction="none").with_counts(input, target)
    plain = SupervoxelLoss(alpha=0, ignore_index=ignore_index, reduction="none")(input, target)
    expected = torch.cat([0.5 * plain[:, :1], each.loss[:, 1:]], dim=1)
    valid = torch.ones_like(input, dtype=torch.bool) if ignore_index is None else target != ignore_index
    torch.testing.assert_close(output.loss, expected[valid].mean())
    torch.testing.assert_close(output.n_splits, each.n_splits[:, 1:])
    torch.testing.assert_close(output.n_merges, each.n_merges[:, 1:])


def test_two_ids_are_two_objects():
    """One mask would be split where the two touch."""
    label = torch.tensor([[[[1, 1, 1, 2, 2, 2]]]])
    input = torch.tensor([[[[1.0, 1, -1, -1, 1, 1]]]])
    assert SupervoxelLoss().with_counts(input, label).n_splits == 0
    assert SupervoxelLoss().with_counts(input, label.ne(0)).n_splits == 1
    assert SupervoxelLoss().with_counts(input, label.ne(0).long()).n_splits == 1


def test_logits_at_the_threshold_are_background():
    label, input = torch.ones(1, 1, 1, 5), torch.tensor([[[[2.0, 2, 0.5, 2, 2]]]])
    assert SupervoxelLoss(threshold=0.5).with_counts(input, label).n_splits == 1
    assert SupervoxelLoss(threshold=0.25).with_counts(input, label).n_splits == 0


def test_what_is_ignored_joins_nothing():
    """Below a negative threshold, zeros are foreground: those that are put where nothing counts must not be."""
    label = torch.zeros(1, 1, 6, 5)
    label[..., 1], label[..., 3] = 1, 1
    input = 8 * label - 4
    label[..., 4:, :] = 255
    output = SupervoxelLoss(threshold=-1, ignore_index=255).with_counts(input, label)
    assert (output.n_splits, output.n_merges) == (0, 0)


def test_a_voxel_is_ignored_if_it_is_in_any_channel_of_exclusive_classes():
    input = make_logits((1, 3, 6, 5))
    target = one_hot(make_label((1, 1, 6, 5), 3), 3)
    target[:, 2, 4:] = 255
    output = SupervoxelLoss(softmax=True, ignore_index=255).with_counts(input, target)
    cropped = SupervoxelLoss(softmax=True).with_counts(input[:, :, :4], target[:, :, :4])
    torch.testing.assert_close(output, cropped)


def test_connectivity_reaches_the_search():
    label = torch.eye(4)[None, None]
    input = 2 * label - 1
    input[..., 1, 1] = -1
    for connectivity, splits in ((None, 1), (2, 1), (1, 1)):
        assert SupervoxelLoss(connectivity=connectivity).with_counts(input, label).n_splits == splits
    input[..., 1, 1], input[..., 1, 0] = 1, 1  # a corner filled in: with faces alone it joins two voxels
    merges = [SupervoxelLoss(connectivity=k).with_counts(input, label).n_merges.item() for k in (1, 2)]
    assert merges == [1, 0]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_criterion_may_have_a_map_for_each_class(reduction, device):
    input, label = make_logits((2, 3, 5, 6)).to(device), make_label((2, 1, 5, 6), 3).to(device)
    label[:, :, 3:] = 255
    criterion = FocalLoss(to_onehot_y=True, use_softmax=False, include_background=True, reduction="none")
    loss = SupervoxelLoss(criterion, **LABEL_MAP, alpha=0, ignore_index=255, reduction=reduction)(input, label)
    each = criterion(input[:, :, :3], label[:, :, :3])
    assert each.shape == (2, 3, 3, 6)
    if reduction == "none":
        torch.testing.assert_close(loss[:, :, :3], each)
        assert not loss[:, :, 3:].any()
    else:
        torch.testing.assert_close(loss, each.mean() if reduction == "mean" else each.sum())


@pytest.mark.parametrize(("options", "channels"), [({}, 2), (LABEL_MAP, 3)])
def test_the_last_counts_are_kept(options, channels, device):
    loss = SupervoxelLoss(**options)
    assert loss.last_counts is None
    input = make_logits((2, channels, 9, 8)).to(device).requires_grad_()
    label = make_label((2, 1 if options else channels, 9, 8), 3 if options else 2).to(device)
    output = loss.with_counts(input, label)
    loss.last_counts = None
    loss(input, label)
    assert torch.equal(loss.last_counts.n_splits, output.n_splits)
    assert torch.equal(loss.last_counts.n_merges, output.n_merges)
    assert not torch.equal(output.n_splits, output.n_merges)
    assert loss.last_counts.n_splits.device == input.device
    assert not loss.last_counts.n_splits.requires_grad
    assert torch.equal(copy.deepcopy(loss).last_counts.n_splits, output.n_splits)
    loss.alpha = 0
    loss(input, label)
    assert loss.last_counts is None


def test_training_closes_a_gap():
    """The loss is what it says it is for: a gap that breaks a line gets more gradient than one that does not."""
    label = torch.zeros(1, 1, 16, 16)
    label[..., 8, :] = 1
    label[..., 7, :8] = 1  # thick on the left
    input = (4 * label - 2).requires_grad_()
    with torch.no_grad():
        input[..., 8, 4] = -2
        input[..., 8, 12] = -2
    (gradient,) = torch.autograd.grad(SupervoxelLoss()(input, label), input)
    np.testing.assert_allclose(gradient[0, 0, 8, 12] / gradient[0, 0, 8, 4], 1.5, rtol=1e-5)
