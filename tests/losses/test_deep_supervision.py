from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.losses import DeepSupervisionLoss, DiceCELoss
from monai.networks.nets import DynUNet
from skimage.measure import label as label_components

from monai_topoloss.losses import DiceCESkeletonRecallLoss, SkeletonDeepSupervisionLoss, SkeletonRecallLoss
from monai_topoloss.losses.deep_supervision import downsample_label, downsample_skeleton, downsample_target
from monai_topoloss.topology import tubed_skeleton
from tests.images import random_label
from tests.losses.test_skeleton_recall import label_channels, make_case

OPTIONS = {"softmax": True, "to_onehot_y": True}


def diagonal(ndim, size=64, dtype=torch.uint8):
    line = torch.zeros(1, 1, *[size] * ndim, dtype=dtype)
    line[(0, 0, *[torch.arange(size)] * ndim)] = 1
    return line


def count_components(mask):
    return label_components(np.asarray(mask.cpu()) > 0, connectivity=mask.ndim).max()


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("shift", [0, 3])
def test_a_thin_diagonal_stays_in_one_piece(ndim, factor, shift, device):
    label = diagonal(ndim, 64).roll(shift, dims=2).to(device)
    pieces = count_components(label[0, 0])
    size = [64 // factor] * ndim
    low, skeleton = downsample_target(label, tubed_skeleton(label, spatial_dims=ndim), size)
    assert low.shape[2:] == skeleton.shape[2:] == tuple(size)
    assert count_components(low[0, 0]) == count_components(skeleton[0, 0]) == pieces
    nearest = F.interpolate(label.float(), size=size, mode="nearest-exact")
    assert ndim * shift == 0 or count_components(nearest[0, 0]) != pieces


@pytest.mark.parametrize("size", [(9, 7), (31, 5), (64, 48)])
@pytest.mark.parametrize("seed", range(5))
def test_random_skeletons_are_never_broken(size, seed, device):
    rng = np.random.default_rng(seed)
    steps = rng.integers(-1, 2, (200, 2)).cumsum(axis=0)  # a connected walk
    steps -= steps.min(axis=0)
    label = torch.zeros(1, 1, *(steps.max(axis=0) + 70), dtype=torch.int64, device=device)
    label[(0, 0, *steps.T)] = 1
    assert count_components(downsample_skeleton(label, size)[0, 0]) == 1


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float32])
@pytest.mark.parametrize("ndim", [2, 3])
def test_labels_are_resampled_as_monai_does_where_there_is_no_skeleton(dtype, ndim, device):
    label = torch.from_numpy(np.resize(random_label("noise", ndim, 1), (1, 1, *[20] * ndim))).to(device, dtype)
    for size in ([10] * ndim, [7] * ndim, [20] * ndim, [33] * ndim):
        empty = torch.zeros(1, 1, *size, dtype=dtype, device=device)
        expected = F.interpolate(label.float(), size=size, mode="nearest-exact").to(dtype)
        assert torch.equal(downsample_label(label, empty), expected)


def test_large_class_ids_survive(device):
    label = torch.full((1, 1, 8, 8), 2**53 + 1, device=device)
    low, skeleton = downsample_target(label, label, (4, 4))
    assert (low == 2**53 + 1).all()
    assert (skeleton == 2**53 + 1).all()


def test_the_class_with_the_largest_share_wins(device):
    skeleton = torch.tensor([[0, 3, 0, 0], [3, 1, 0, 0], [2, 0, 0, 0], [1, 0, 0, 0]], device=device)[None, None]
    assert downsample_skeleton(skeleton, (2, 2)).tolist() == [[[[3, 0], [1, 0]]]]


def test_labels_agree_with_the_skeleton(device):
    label = torch.from_numpy(np.resize(random_label("tubes", 3, 2), (1, 1, 24, 24, 24))).to(device)
    skeleton = tubed_skeleton(label, spatial_dims=3)
    low, thin = downsample_target(label, skeleton, (6, 6, 6))
    assert (thin > 0).any()
    assert torch.equal(low[thin > 0], thin[thin > 0])
    # The same as channels, from a map of class ids.
    low_channels, thin = downsample_target(label_channels(label, 4), skeleton, (6, 6, 6))
    assert torch.equal(low_channels, label_channels(low, 4))


def test_channels_are_pooled_one_by_one(device):
    target = (torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.9).to(device)
    low, thin = downsample_target(target.float(), target.float(), (4, 4))
    expected = F.adaptive_max_pool2d(target.float(), 4)
    assert torch.equal(thin, expected)
    assert torch.equal(low, expected)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("make", [SkeletonRecallLoss, DiceCESkeletonRecallLoss])
@pytest.mark.parametrize("weights", [{}, {"weight_mode": "two"}, {"weights": [0.5, 0.25, 0.0]}])
def test_sums_the_loss_of_each_output(ndim, make, weights, device):
    logits, label = make_case(ndim, 3, device)
    heads = [logits, *(F.avg_pool2d(logits, k) if ndim == 2 else F.avg_pool3d(logits, k) for k in (2, 4))]
    loss = make(**OPTIONS)
    deep = SkeletonDeepSupervisionLoss(loss, **weights)
    skeleton = tubed_skeleton(label, spatial_dims=ndim)
    expected = 0
    for weight, head in zip(deep.get_weights(3), heads, strict=True):
        expected = expected + weight * loss(head, downsample_target(label, skeleton, head.shape[2:]))
    for dtype in (torch.uint8, torch.int64, torch.float32):
        torch.testing.assert_close(deep(heads, label.to(dtype)), expected)
    torch.testing.assert_close(deep(heads, (label, skeleton)), expected)
    torch.testing.assert_close(deep(tuple(heads), [label, skeleton]), expected)
    torch.testing.assert_close(deep(logits, label), deep.get_weights(1)[0] * loss(logits, label))
    assert deep.get_weights(3) == DeepSupervisionLoss(loss, **weights).get_weights(3)


def test_the_skeleton_is_made_once(device, monkeypatch):
    logits, label = make_case(2, 3, device)
    loss = SkeletonRecallLoss(**OPTIONS)
    make_skeleton, calls = loss.tubed_skeleton, []
    monkeypatch.setattr(loss, "tubed_skeleton", lambda *args: calls.append(args) or make_skeleton(*args))
    SkeletonDeepSupervisionLoss(loss)([logits, F.avg_pool2d(logits, 2)], label)
    assert len(calls) == 1


@pytest.mark.parametrize("ndim", [2, 3])
def test_dynunet(ndim, device):
    """DynUNet stacks its outputs, all at full size, in training, and returns one in evaluation."""
    shape = {"kernel_size": [3] * 3, "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [4, 8, 8]}
    network = DynUNet(ndim, 1, 3, **shape, deep_supervision=True, deep_supr_num=1).to(device)
    label = make_case(ndim, 3, device)[1][..., :8, :8]
    label = label[..., :8, :] if ndim == 2 else label[:, :, :8]
    loss = DiceCESkeletonRecallLoss(**OPTIONS)
    deep = SkeletonDeepSupervisionLoss(loss)
    output = network(torch.randn(label.shape, device=device))
    assert output.ndim == label.ndim + 1
    value = deep(output, label)
    torch.testing.assert_close(value, loss(output[:, 0], label) + 0.5 * loss(output[:, 1], label))
    value.backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)
    network.eval()
    with torch.no_grad():
        assert deep(network(torch.randn(label.shape, device=device)), label).ndim == 0


@pytest.mark.parametrize("precomputed", [False, True])
def test_ignored_voxels_reach_no_output(precomputed, device):
    logits, label = make_case(2, 3, device)
    label = label.int()
    label[..., :12] = 255
    ignored_tubes = tubed_skeleton(label, spatial_dims=2)  # takes 255 for a class
    target = (label, ignored_tubes) if precomputed else label
    head = F.avg_pool2d(logits, 2).requires_grad_()
    for make in (SkeletonRecallLoss, DiceCESkeletonRecallLoss):
        deep = SkeletonDeepSupervisionLoss(make(**OPTIONS, ignore_index=255))
        (gradient,) = torch.autograd.grad(deep([logits, head], target), head)
        assert not gradient[..., :6].any()
        assert gradient[..., 6:].any()


def test_a_reduced_resolution_does_not_mix_samples(device):
    logits, label = make_case(2, 3, device)
    label = label.int()
    label[0, ..., :5] = 255
    heads = [logits, F.avg_pool2d(logits, 2)]
    deep = SkeletonDeepSupervisionLoss(SkeletonRecallLoss(**OPTIONS, ignore_index=255))
    single = [deep([head[i : i + 1] for head in heads], label[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(deep(heads, label), sum(single) / 2)


def test_pickle_and_deepcopy():
    logits, label = make_case(2, 3, "cpu")
    deep = SkeletonDeepSupervisionLoss(SkeletonRecallLoss(**OPTIONS), weights=(1, 0.5))
    for copied in (pickle.loads(pickle.dumps(deep)), copy.deepcopy(deep)):
        assert torch.equal(copied([logits, logits], label), deep([logits, logits], label))


HEAD = torch.zeros(1, 2, 4, 4)
LABEL = torch.zeros(1, 1, 4, 4)


@pytest.mark.parametrize(
    ("loss", "input", "target", "error", "message"),
    [
        (SkeletonRecallLoss(**OPTIONS), [], LABEL, ValueError, r"a sequence of at least one, got \[\]"),
        (SkeletonRecallLoss(**OPTIONS), None, LABEL, ValueError, "to be a tensor or a sequence .* got None"),
        (SkeletonRecallLoss(**OPTIONS), [HEAD], "label", TypeError, "`target` to be a label tensor or a pair"),
        (DiceCELoss(**OPTIONS), [HEAD], LABEL, TypeError, "DiceCELoss has no method `tubed_skeleton` to make"),
        (
            SkeletonRecallLoss(**OPTIONS),
            [HEAD, HEAD[..., :2, :2]],
            (LABEL, HEAD),
            ValueError,
            "`skeleton` with one channel of class ids like `target`, got 2 channels",
        ),
    ],
)
def test_bad_inputs_are_named(loss, input, target, error, message):
    with pytest.raises(error, match=message):
        SkeletonDeepSupervisionLoss(loss)(input, target)
