from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from monai_topoloss.losses import SupervoxelAffinityLoss
from monai_topoloss.topology import affinities
from tests.oracles import affinities as oracle

EDGES = {2: [(1, 0), (0, 1)], 3: [(1, 0, 0), (0, 1, 0), (0, 0, 1)]}
MORE_EDGES = [(-1, 0), (0, -2), (1, 1), (9, 0), (0, 3)]
SHAPES = {2: (8, 9), 3: (4, 5, 6)}


def make_data(ndim, edges, seed=0):
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 4, (2, 1, *SHAPES[ndim]), generator=generator) * 7
    label = label.repeat_interleave(2, dim=-1)[..., : SHAPES[ndim][-1]]
    joined = affinities(label[:, 0], edges)
    return 2 * joined + torch.randn(joined.shape, generator=generator) - 1, label


def expected_loss(input, label, edges, alpha, beta):
    """The definition, edge by edge."""
    total, count = 0.0, 0
    for logits, ids in zip(input.numpy(), label[:, 0].numpy(), strict=True):
        splits, merges, _, _ = oracle.critical(logits > 0, ids, edges)
        for k, voxel, other in oracle.list_edges(ids.shape, edges):
            place = (k, *voxel)
            true = float(ids[voxel] == ids[other] != 0)
            each = np.logaddexp(0, logits[place]) - true * logits[place]
            total += ((1 - alpha) + alpha * (beta * splits[place] + (1 - beta) * merges[place])) * each
            count += 1
    return total / count


@pytest.mark.parametrize(
    ("ndim", "edges"), [(2, EDGES[2]), (3, EDGES[3]), (2, MORE_EDGES), (3, [(0, -1, 0), (1, 1, 1), (0, 0, 2)])]
)
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_definition(ndim, edges, seed, device):
    input, label = make_data(ndim, edges, seed)
    loss = SupervoxelAffinityLoss(edges, alpha=0.6, beta=0.3)
    found = loss(input.to(device), label.to(device))
    np.testing.assert_allclose(found.item(), expected_loss(input, label, edges, 0.6, 0.3), rtol=1e-5)
    output = loss.with_counts(input.to(device), label.to(device))
    torch.testing.assert_close(output.loss, found)
    assert output.n_splits.shape == output.n_merges.shape == (2, 1)


def test_a_perfect_prediction_has_nothing_critical():
    label = torch.arange(4).repeat_interleave(16).reshape(1, 1, 8, 8)
    output = SupervoxelAffinityLoss(EDGES[2]).with_counts(20.0 * affinities(label[:, 0], EDGES[2]) - 10, label)
    assert output.n_splits == output.n_merges == 0
    assert output.loss < 1e-4


def weights(input, label, **options):
    """Of each affinity in the loss."""
    each = F.binary_cross_entropy_with_logits(input, affinities(label[:, 0], EDGES[2]).float(), reduction="none")
    return SupervoxelAffinityLoss(EDGES[2], reduction="none", **options)(input, label) / each


def test_a_cut_splits():
    label = torch.zeros(1, 1, 5, 9, dtype=torch.long)
    label[..., 2, :] = 3
    joined = affinities(label[:, 0], EDGES[2])
    joined[:, 1, 2, 3:5] = False  # voxel 4 is alone
    input = 4.0 * joined - 2
    assert SupervoxelAffinityLoss(EDGES[2]).with_counts(input, label).n_splits == 1
    found = weights(input, label)[0, 1, 2]
    torch.testing.assert_close(found, torch.tensor([0.5, 0.5, 0.5, 0.75, 0.75, 0.5, 0.5, 0.5, 0]))  # 8 leaves the image


@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_the_affinity_that_joins_two_that_touch_is_dearer_with_a_larger_alpha(beta):
    label = torch.ones(1, 1, 6, 8, dtype=torch.long)
    label[..., 4:] = 2
    joined = affinities(label[:, 0], EDGES[2])
    joined[0, 1, 3, 3] = True
    input = 4.0 * joined - 2
    output = SupervoxelAffinityLoss(EDGES[2]).with_counts(input, label)
    assert (output.n_splits, output.n_merges) == (0, 1)
    alphas = [0.2, 0.5, 0.8, 1.0]
    found = [weights(input, label, alpha=alpha, beta=beta)[0, 1, 3] for alpha in alphas]
    torch.testing.assert_close(torch.stack(found)[:, 3], torch.tensor([1 - a + a * (1 - beta) for a in alphas]))
    shares = [float(each[3] / each.sum()) for each in found]
    assert shares == sorted(shares)
    assert shares[-1] == 1  # with alpha 1 nothing else is seen


@pytest.mark.parametrize("ignore_index", [255, -1])
def test_ignored_voxels_do_not_count(ignore_index):
    input, label = make_data(2, EDGES[2])
    label[:, :, 6:] = ignore_index
    loss = SupervoxelAffinityLoss(EDGES[2], ignore_index=ignore_index)
    cropped = SupervoxelAffinityLoss(EDGES[2])(input[:, :, :6], label[:, :, :6])
    torch.testing.assert_close(loss(input, label), cropped)
    assert loss(input, torch.full_like(label, ignore_index)) == 0


@pytest.mark.parametrize("ndim", [2, 3])
def test_gradcheck(ndim):
    input, label = make_data(ndim, EDGES[ndim])
    input = 3 * input[:1].double().requires_grad_()
    loss = SupervoxelAffinityLoss(EDGES[ndim], alpha=0.7)
    assert torch.autograd.gradcheck(lambda x: loss(x, label[:1]), input.detach().requires_grad_())


@pytest.mark.parametrize("shape", [(0, 8, 9), (1, 0, 9), (1, 1, 1)])
def test_nothing_to_see(shape):
    batch, *spatial = shape
    input = torch.zeros(batch, 2, *spatial, requires_grad=True)
    loss = SupervoxelAffinityLoss(np.eye(2, dtype=int))(input, torch.ones(batch, 1, *spatial))
    loss.backward()
    assert loss == 0


def test_reductions_criterion_and_copies():
    input, label = make_data(2, EDGES[2])
    map_ = SupervoxelAffinityLoss(EDGES[2], reduction="none")(input, label)
    torch.testing.assert_close(SupervoxelAffinityLoss(EDGES[2], reduction="sum")(input, label), map_.sum())
    squared = SupervoxelAffinityLoss(EDGES[2], criterion=torch.nn.MSELoss(reduction="none"), alpha=0)
    joined = affinities(label[:, 0], EDGES[2])
    inside = affinities(torch.ones_like(label[:, 0]), EDGES[2])
    expected = ((input - joined.float()) ** 2 * inside).sum() / inside.sum()
    torch.testing.assert_close(squared(input, label), expected)
    assert pickle.loads(pickle.dumps(squared))(input, label) == copy.deepcopy(squared)(input, label)


@pytest.mark.parametrize(
    ("edges", "error", "message"),
    [
        ([], ValueError, "Expected `edges` to be steps of 2 or 3 numbers"),
        ([(0, 0)], ValueError, "not all 0"),
        ([(1, 0), (1, 0, 0)], ValueError, "Expected `edges` to be steps"),
        ([(1, 0.5)], TypeError, "Expected `edges` to be an int"),
        ([1, 2], ValueError, "Expected `edges` to be steps"),
        (3, TypeError, "Expected `edges` to be a sequence of steps, got int"),
        ({(1, 0), (0, 1)}, TypeError, "Expected `edges` to be a sequence of steps, got set"),
        ("10", TypeError, "Expected `edges` to be a sequence of steps, got str"),
        ([(2**40, 0)], ValueError, "Expected `edges` of steps below"),
    ],
)
def test_bad_edges(edges, error, message):
    with pytest.raises(error, match=message):
        SupervoxelAffinityLoss(edges)


@pytest.mark.parametrize(
    ("input", "target", "message"),
    [
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4), r"`input` of shape \(B, 2, \*spatial\) in 2-D"),
        (torch.zeros(1, 2, 4, 4, 4), torch.zeros(1, 1, 4, 4, 4), r"`input` of shape \(B, 2, \*spatial\) in 2-D"),
        (torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), r"`target` of shape \(1, 1, 4, 4\)"),
        (torch.full((1, 2, 4, 4), torch.nan), torch.zeros(1, 1, 4, 4), "`input` to hold no NaN"),
        (torch.zeros(1, 2, 4, 4), torch.full((1, 1, 4, 4), -1), "no negative class ids"),
    ],
)
def test_bad_input(input, target, message):
    with pytest.raises(ValueError, match=message):
        SupervoxelAffinityLoss(EDGES[2])(input, target)


def test_a_criterion_has_to_say_what_each_edge_costs():
    """One value for all edges of a voxel will not do, and is not offered."""
    input, label = make_data(2, EDGES[2])
    loss = SupervoxelAffinityLoss(EDGES[2], criterion=lambda logits, _: logits.mean(dim=1))
    with pytest.raises(
        ValueError, match=r"for each voxel, \(2, 2, 8, 9\), as with reduction='none', got \(2, 8, 9\)\."
    ):
        loss(input, label)


def test_edges_that_do_not_join_are_not_searched():
    edges = [*EDGES[2], (0, 3)]
    label = torch.ones(1, 1, 1, 8, dtype=torch.int64)
    joined = affinities(label[:, 0], edges)
    joined[0, 1, 0, 3] = False  # a cut, over which long affinities reach
    joined[0, 2, 0, 0] = False
    input = 4.0 * joined - 2
    both = [SupervoxelAffinityLoss(edges, n_joining=n, reduction="none") for n in (None, 2)]
    assert [loss.with_counts(input, label).n_splits.item() for loss in both] == [0, 1]
    each = F.binary_cross_entropy_with_logits(input, affinities(label[:, 0], edges).float(), reduction="none")
    ratio = (both[1](input, label) / each)[0]
    torch.testing.assert_close(ratio[1, 0], torch.tensor([0.5, 0.5, 0.5, 0.75, 0.5, 0.5, 0.5, 0]))
    torch.testing.assert_close(ratio[2, 0], torch.tensor([0.5, 0.5, 0.5, 0.5, 0.5, 0, 0, 0]))
    for n, error in ((0, ValueError), (4, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="Expected `n_joining`"):
            SupervoxelAffinityLoss(edges, n_joining=n)


def test_edges_into_what_is_ignored_join_nothing():
    """Affinities that do not count must not make instances, whatever the network says there."""
    label = torch.ones(1, 1, 1, 5, dtype=torch.int64)
    label[..., 2] = 255
    input = torch.full((1, 1, 1, 5), 5.0)
    loss = SupervoxelAffinityLoss([(0, 1)], ignore_index=255)
    output = loss.with_counts(input, label)
    assert (output.n_splits, output.n_merges) == (0, 0)
    label[..., :2] = 0  # of what is invented left of the band, nothing reaches across it
    output = loss.with_counts(input, label)
    assert (output.n_splits, output.n_merges) == (0, 1)
    apart = SupervoxelAffinityLoss([(0, 1)]).with_counts(input[..., :2], label[..., :2])
    assert apart.n_merges == 1
    # Zeros are put where nothing counts, and they are above a negative threshold.
    label[..., :2] = 1
    low = SupervoxelAffinityLoss([(0, 1)], threshold=-1, ignore_index=255).with_counts(input, label)
    label[..., 3:] = 2
    lower = SupervoxelAffinityLoss([(0, 1)], threshold=-1, ignore_index=255).with_counts(input, label)
    assert (low.n_merges, lower.n_merges) == (0, 0)
    band = torch.tensor([[[[0, 255, 0]]]])
    found = SupervoxelAffinityLoss([(0, 1)], threshold=-1, ignore_index=255).with_counts(input[..., :3], band)
    assert found.n_merges == 0  # nothing is joined, so nothing is invented


def test_nan_where_nothing_counts_changes_nothing():
    edges = [(0, 1)]
    input, label = torch.zeros(1, 1, 3, 6), torch.ones(1, 1, 3, 6, dtype=torch.int64)
    label[..., 3] = 255
    loss = SupervoxelAffinityLoss(edges, ignore_index=255)
    expected = loss(input, label)
    input[..., 2:4], input[..., 5] = torch.nan, torch.inf  # with an end ignored, or outside of the image
    torch.testing.assert_close(loss(input, label), expected)


def test_the_last_counts_are_kept():
    input, label = make_data(2, EDGES[2])
    loss = SupervoxelAffinityLoss(EDGES[2])
    output = loss.with_counts(input, label)
    loss(input, label)
    assert torch.equal(loss.last_counts.n_splits, output.n_splits)
    assert torch.equal(loss.last_counts.n_merges, output.n_merges)


def test_a_border_that_is_off_is_dear_without_tolerance_only():
    edges = [(1, 0), (0, 1)]
    target = torch.zeros(1, 1, 16, 12, dtype=torch.int32)
    target[..., 1:8, :], target[..., 8:15, :] = 1, 2
    shifted = target.clone()
    shifted[..., 7, :] = 2
    logits = 6.0 * torch.as_tensor(affinities(shifted[:, 0], edges)) - 3
    plain, strict, tolerant = (
        SupervoxelAffinityLoss(edges, alpha=alpha, tolerance=tolerance)
        for alpha, tolerance in ((0, 0), (0.5, 0), (0.5, 1))
    )
    torch.testing.assert_close(tolerant(logits, target), 0.5 * plain(logits, target))
    assert strict(logits, target) > 1.2 * tolerant(logits, target)
    assert (strict.last_counts.n_splits, strict.last_counts.n_merges) == (1, 1)
    assert (tolerant.last_counts.n_splits, tolerant.last_counts.n_merges) == (0, 0)
    with pytest.raises(ValueError, match="tolerance"):
        SupervoxelAffinityLoss(edges, tolerance=-1)
    with pytest.raises(TypeError, match="tolerance"):
        SupervoxelAffinityLoss(edges, tolerance=0.5)
