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

from monai_topoloss.losses import (
    DiceCESkeletonRecallLoss,
    SkeletonDeepSupervisionLoss,
    SkeletonPrecisionLoss,
    SkeletonRecallLoss,
    SoftCenterlineDiceLoss,
    SumLoss,
)
from monai_topoloss.losses.deep_supervision import downsample_skeleton, downsample_target
from monai_topoloss.topology import tubed_skeleton
from tests.images import random_label
from tests.losses.cases import label_channels, make_case

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
    low, skeleton = downsample_target(label, tubed_skeleton(label, spatial_dims=ndim), size, exclusive=True)
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
    for size in ([10] * ndim, [7] * ndim, [20] * ndim):
        low, skeleton = downsample_target(label, torch.zeros_like(label), size, exclusive=True)
        assert torch.equal(low, F.interpolate(label.float(), size=size, mode="nearest-exact").to(dtype))
        assert low.dtype == skeleton.dtype == dtype


@pytest.mark.parametrize(
    "loss",
    [
        SkeletonPrecisionLoss(**OPTIONS),
        DiceCESkeletonRecallLoss(**OPTIONS, lambda_cldice=1, lambda_precision=1),
        SumLoss([SoftCenterlineDiceLoss(**OPTIONS), SkeletonRecallLoss(**OPTIONS)]),
    ],
    ids=["precision", "all terms", "sum"],
)
@pytest.mark.parametrize("ndim", [2, 3])
def test_losses_that_mind_inventions_see_connected_labels(loss, ndim, device):
    logits, label = make_case(ndim, 3, device)
    low = logits[(slice(None), slice(None), *[slice(None, None, 2)] * ndim)]
    skeleton = loss.tubed_skeleton(label, 3)
    expected = loss(logits, (label, skeleton))
    expected = expected + 0.5 * loss(low, downsample_target(label, skeleton, low.shape[2:], exclusive=True))
    torch.testing.assert_close(SkeletonDeepSupervisionLoss(loss)([logits, low], label), expected)


def test_large_class_ids_survive(device):
    label = torch.full((1, 1, 8, 8), 2**53 + 1, device=device)
    low, skeleton = downsample_target(label, label, (4, 4), exclusive=True)
    assert (low == 2**53 + 1).all()
    assert (skeleton == 2**53 + 1).all()


def test_the_smallest_skeleton_of_the_sample_wins(device):
    first = torch.tensor([[0, 3, 0, 0], [3, 1, 0, 0], [2, 0, 1, 0], [1, 0, 0, 0]], device=device)
    second = torch.tensor([[1, 3, 0, 0], [3, 3, 0, 0], [2, 0, 1, 0], [2, 2, 0, 0]], device=device)
    low = downsample_skeleton(torch.stack([first, second])[:, None], (2, 2))
    assert low[:, 0].tolist() == [[[3, 0], [2, 1]], [[1, 0], [2, 1]]]


def test_negative_ids_are_background(device):
    ids = torch.tensor([[-1, -1, 2, 0], [-1, -7, 0, 0], [1, -1, 0, -1], [-2, 2, 0, 0]], device=device)
    assert downsample_skeleton(ids.expand(2, 1, 4, 4), (2, 2)).tolist() == [[[[0, 2], [1, 0]]]] * 2


@pytest.mark.parametrize("shape", [(12, 16), (13, 7), (8, 12, 6), (5, 9, 7)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64, torch.float32])
def test_classes_pooled_one_by_one_give_the_same(shape, dtype, device):
    generator = torch.Generator().manual_seed(len(shape))
    pool = (F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[len(shape) - 2]
    for classes, density in ((1, 0.1), (4, 0.02), (4, 0.3), (40, 0.3)):
        skeleton = torch.randint(1, classes + 1, (3, 1, *shape), generator=generator)
        skeleton *= torch.rand(skeleton.shape, generator=generator) < density
        for size in ([length // 2 for length in shape], [3] * len(shape), [1] * len(shape), shape):
            expected = torch.zeros(3, 1, *size, dtype=torch.int64)
            for sample, low in zip(skeleton, expected, strict=True):
                volumes = {int(k): int((sample == k).sum()) for k in sample.unique() if k}
                for k in sorted(volumes, key=lambda k: (-volumes[k], -k)):  # smaller ones paint over larger ones
                    low[pool((sample == k).float(), size) > 0] = k
            found = downsample_skeleton(skeleton.to(device, dtype), size)
            assert found.dtype == dtype
            assert torch.equal(found.cpu().long(), expected)


def test_a_thin_class_beside_a_thick_one_stays_in_one_piece(device):
    label = torch.zeros(1, 1, 16, 16, dtype=torch.uint8, device=device)
    label[..., 8, :] = 1
    label[..., 9:11, 4:12] = 2
    label[..., 11:14, 4:12] = 2
    skeleton = downsample_skeleton(label, (4, 4))
    assert count_components(skeleton[0, 0] == 1) == 1
    assert count_components(skeleton[0, 0]) == 1


@pytest.mark.parametrize("ndim", [2, 3])
def test_labels_agree_with_the_skeleton(ndim, device):
    size = [6] * ndim
    label = torch.from_numpy(np.resize(random_label("tubes", ndim, 2), (1, 1, *[24] * ndim))).to(device)
    skeleton = tubed_skeleton(label, spatial_dims=ndim)
    low, thin = downsample_target(label, skeleton, size, exclusive=True)
    assert (thin > 0).any()
    assert torch.equal(low[thin > 0], thin[thin > 0])
    # The same in channels, from a map of class ids or from channels: one-hot stays one-hot.
    channels = label_channels(label, 4)
    for same in (skeleton, label_channels(skeleton, 4) * (skeleton > 0)):
        low_channels, low_thin = downsample_target(channels, same, size, exclusive=True)
        assert torch.equal(low_channels, label_channels(low, 4))
        assert torch.equal(low_thin, thin.to(low_thin.dtype))
        assert (low_channels.sum(dim=1) == 1).all()
        plain, _ = downsample_target(label, same, size, exclusive=True)
        assert torch.equal(plain, low)


def test_one_hot_targets_give_what_their_label_map_gives(device):
    logits, label = make_case(2, 3, device)
    heads = [logits, F.avg_pool2d(logits, 2), F.avg_pool2d(logits, 4)]
    for make in (SkeletonRecallLoss, DiceCESkeletonRecallLoss):
        expected = SkeletonDeepSupervisionLoss(make(**OPTIONS))(heads, label)
        one_hot = SkeletonDeepSupervisionLoss(make(softmax=True))
        skeleton = tubed_skeleton(label, spatial_dims=2)
        torch.testing.assert_close(one_hot(heads, (label_channels(label, 3), skeleton)), expected)


@pytest.mark.parametrize("kind", ["label map", "one-hot"])
def test_a_perfect_prediction_gives_zero_at_every_resolution(kind, device):
    label = make_case(2, 3, device)[1]
    skeleton = tubed_skeleton(label, spatial_dims=2)
    pairs = [downsample_target(label, skeleton, [s // k for s in label.shape[2:]], exclusive=True) for k in (1, 2, 4)]
    heads = [100 * label_channels(low, 3) for low, _ in pairs]
    target = (label if kind == "label map" else label_channels(label, 3), skeleton)
    loss = DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=kind == "label map")
    assert SkeletonDeepSupervisionLoss(loss)(heads, target).item() == pytest.approx(0, abs=1e-4)


def test_overlapping_channels_are_pooled_one_by_one(device):
    target = (torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.9).to(device)
    low, thin = downsample_target(target.float(), target.float(), (4, 4), exclusive=False)
    expected = F.adaptive_max_pool2d(target.float(), 4)
    assert torch.equal(thin, expected)
    assert torch.equal(low, expected)
    logits = torch.randn(2, 3, 16, 16, device=device)
    loss = SkeletonRecallLoss(sigmoid=True)
    deep = SkeletonDeepSupervisionLoss(loss)([logits, logits[..., ::4, ::4]], (target, target))
    torch.testing.assert_close(deep, loss(logits, (target, target)) + 0.5 * loss(logits[..., ::4, ::4], (low, thin)))


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
        expected = expected + weight * loss(head, downsample_target(label, skeleton, head.shape[2:], exclusive=True))
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


def test_an_ignored_skeleton_takes_no_low_voxel_from_a_class(device):
    logits, _ = make_case(2, 3, device)
    label = torch.ones(2, 1, *logits.shape[2:], dtype=torch.uint8, device=device)
    label[..., :5] = 255
    skeleton = torch.zeros_like(label)
    skeleton[..., 4:8] = 1
    skeleton[..., 3:5, 4] = 255  # of the smaller of the two, beside class 1 beneath a low voxel
    heads = [logits, F.avg_pool2d(logits, 2)]
    deep = SkeletonDeepSupervisionLoss(SkeletonRecallLoss(**OPTIONS, ignore_index=255))
    expected = deep(heads, (label, skeleton.masked_fill(label == 255, 0)))
    torch.testing.assert_close(deep(heads, (label, skeleton)), expected)


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
HALF = HEAD[..., ::2, ::2]
LABEL = torch.zeros(1, 1, 4, 4)


@pytest.mark.parametrize(
    ("loss", "input", "target", "error", "message"),
    [
        (
            SkeletonRecallLoss(**OPTIONS),
            [HEAD],
            LABEL - 1,
            ValueError,
            "Expected `target` to hold no negative class ids",
        ),
        (SkeletonRecallLoss(**OPTIONS), [], LABEL, ValueError, "a sequence of at least one, got list"),
        (SkeletonRecallLoss(**OPTIONS), {"a": HEAD}, LABEL, ValueError, "to be a tensor or a sequence .* got dict"),
        (SkeletonRecallLoss(**OPTIONS), [HEAD, None], LABEL, TypeError, "`input` to be a floating-point torch.Tensor"),
        (SkeletonRecallLoss(**OPTIONS), [HEAD], "label", TypeError, "`target` to be a label tensor or a pair"),
        (DiceCELoss(**OPTIONS), [HEAD], LABEL, TypeError, "DiceCELoss has no method `tubed_skeleton` to make"),
        (
            SkeletonRecallLoss(sigmoid=True),
            HEAD[..., None],
            LABEL[:, 0],
            ValueError,
            r"`target` of shape .*\(1, 4, 4\)",
        ),
        (SkeletonRecallLoss(**OPTIONS), [HEAD], LABEL[..., :2], ValueError, "no larger than `target`"),
        (SkeletonRecallLoss(**OPTIONS), [HEAD], (LABEL, LABEL[..., :2]), ValueError, "`skeleton` of the size of `targ"),
        (
            SkeletonRecallLoss(**OPTIONS),
            [HEAD[..., :0]],
            LABEL,
            ValueError,
            r"output of `input` to have voxels, got \(",
        ),
        (
            SkeletonRecallLoss(**OPTIONS),
            [HALF],
            (LABEL, LABEL.expand(3, -1, -1, -1)),
            ValueError,
            "`skeleton` of the si",
        ),
        (
            SkeletonRecallLoss(**OPTIONS),
            [HALF],
            (LABEL, LABEL.expand(-1, 3, -1, -1)),
            ValueError,
            "`skeleton` of the si",
        ),
        (
            SkeletonRecallLoss(**OPTIONS),
            [HALF],
            LABEL.expand(2, -1, -1, -1),
            ValueError,
            r"`target` of shape \(B, 1 or",
        ),
        (SkeletonRecallLoss(**OPTIONS), [HALF], LABEL.to("meta"), ValueError, "`target` on the device of `input`, cpu"),
    ],
)
def test_bad_inputs_are_named(loss, input, target, error, message):
    with pytest.raises(error, match=message):
        SkeletonDeepSupervisionLoss(loss)(input, target)


def test_unknown_modes_are_named():
    with pytest.raises(ValueError, match="`weight_mode` to be one of 'exp', 'two', 'same', got 'expo'"):
        SkeletonDeepSupervisionLoss(SkeletonRecallLoss(**OPTIONS), "expo")


@pytest.mark.parametrize("weights", [3, b"auto", ["x"], [1.0, float("nan")], [-1.0]])
def test_bad_weights_are_named(weights):
    with pytest.raises((TypeError, ValueError), match="Expected `weights` to be"):
        SkeletonDeepSupervisionLoss(SkeletonRecallLoss(**OPTIONS), weights=weights)


@pytest.mark.parametrize(("shape", "size"), [((4, 0), (2, 0)), ((0, 6), (0, 4))])
def test_labels_without_voxels_give_zero(shape, size):
    heads = [torch.zeros(1, 2, *shape, requires_grad=True), torch.zeros(1, 2, *size, requires_grad=True)]
    loss = SkeletonDeepSupervisionLoss(SkeletonRecallLoss(**OPTIONS))(heads, torch.zeros(1, 1, *shape))
    loss.backward()
    assert loss == 0
