from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from monai.losses import DiceLoss
from torch import nn

from monai_topoloss.losses import DiceCESkeletonRecallLoss, SkeletonRecallLoss, SumLoss, SupervoxelLoss


def test_adds_up_with_weights():
    input, target = torch.randn(2, 1, 8, 8, requires_grad=True), torch.rand(2, 1, 8, 8).round()
    dice, supervoxel = DiceLoss(sigmoid=True), SupervoxelLoss()
    loss = SumLoss([dice, supervoxel], weights=[0.5, 2])
    expected = 0.5 * dice(input, target) + 2 * supervoxel(input, target)
    torch.testing.assert_close(loss(input, target), expected)
    for copied in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        torch.testing.assert_close(copied(input, target), expected)
    loss.weights = (0.5, 0)
    torch.testing.assert_close(loss(input, target), 0.5 * dice(input, target))
    loss.weights = [0, 0]
    loss(input, target).backward()
    assert not input.grad.any()


def test_stands_for_its_losses_in_deep_supervision():
    options = {"to_onehot_y": True, "softmax": True}
    loss = SumLoss([SupervoxelLoss(**options), DiceCESkeletonRecallLoss(**options)])
    assert loss.softmax is True
    assert loss.ignore_index is None
    assert loss.tubed_skeleton(torch.ones(1, 1, 9, 9), 2).any()
    recall = DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=True, ignore_index=255)
    assert SumLoss([nn.CrossEntropyLoss(), SupervoxelLoss(to_onehot_y=True, softmax=True), recall]).ignore_index == 255
    plain = SumLoss([nn.L1Loss()])
    assert not hasattr(plain, "tubed_skeleton")
    assert not hasattr(plain, "softmax")


def test_moves_its_losses():
    loss = SumLoss([SkeletonRecallLoss(weight=[1.0])]).double()
    assert loss.losses[0].class_weight.dtype == torch.float64


@pytest.mark.parametrize(
    ("losses", "weights", "error", "message"),
    [
        ([], None, ValueError, "Expected at least one of `losses` and as many `weights`, got 0, 0"),
        ([nn.L1Loss()], [1, 2], ValueError, "got 1, 2"),
        ([abs], None, TypeError, "Expected `losses` to be modules, got builtin_function_or_method"),
        (nn.L1Loss(), None, TypeError, "Expected `losses` to be a sequence of modules, got L1Loss"),
        ([nn.L1Loss()], ["a"], TypeError, "Expected `weights` to be a number, got str"),
        ([nn.L1Loss()], [-1], ValueError, "Expected `weights` to be at least 0, got -1"),
    ],
)
def test_bad_arguments(losses, weights, error, message):
    with pytest.raises(error, match=message):
        SumLoss(losses, weights)


def test_weights_are_checked_when_they_are_set():
    loss = SumLoss([nn.L1Loss()])
    for weights in ([-1], [1, 2]):
        with pytest.raises(ValueError, match="weights"):
            loss.weights = weights
    loss.weights = [0]
    huge = torch.full((1, 1, 400, 400), 6e4, dtype=torch.half)
    assert loss(huge, huge) == 0


@pytest.mark.parametrize("weights", [5, "1", [float("inf")]])
def test_weights_that_are_no_numbers(weights):
    with pytest.raises((TypeError, ValueError), match="Expected `weights` to be"):
        SumLoss([SupervoxelLoss()], weights)


def test_weights_from_arrays_and_large_ones():
    input = torch.zeros(1, 1, 4, 4)
    assert SumLoss([SupervoxelLoss(threshold=10**30)], [10**30])(input, input).isfinite()  # ints that torch has not
    assert SumLoss([SupervoxelLoss(), SupervoxelLoss()], np.array([1.0, 0.5])).weights == (1.0, 0.5)


def test_nothing_but_weights_of_0_takes_what_its_losses_take():
    input = torch.zeros(1, 1, 4, 4)
    assert SumLoss([SupervoxelLoss()], [0])([input, input], input) == 0
    assert SumLoss([SupervoxelLoss()], [0])(input.double(), input).dtype == torch.float64
    with pytest.raises(TypeError, match=r"`input` to be a floating-point torch.Tensor, got str"):
        SumLoss([SupervoxelLoss()], [0])("input", input)
