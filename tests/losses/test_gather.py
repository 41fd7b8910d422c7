from __future__ import annotations

import pytest
import torch

from monai_topoloss.losses._gather import gather_beside, gather_voxels


def channels_last(input):
    return input.contiguous(memory_format=torch.channels_last if input.ndim == 4 else torch.channels_last_3d)


def with_gaps(input):
    return torch.stack([input, input], dim=-1)[..., 0]


def turned(input):
    return input.transpose(-1, -2).contiguous().transpose(-1, -2)


@pytest.mark.parametrize("layout", [torch.Tensor.contiguous, channels_last, with_gaps, turned])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("spatial", [(5, 7), (3, 4, 5)])
def test_equals_plain_indexing(spatial, channels, layout, device):
    input = layout(torch.randn(2, channels, *spatial, dtype=torch.float64, device=device)).requires_grad_()
    index = torch.randperm(input[:, 0].numel())[:11].to(device)
    expected = input.movedim(1, -1).reshape(-1, channels)[index]
    values = gather_voxels(input, index)
    assert torch.equal(values, expected)
    upstream = torch.randn_like(values)
    ours, theirs = (torch.autograd.grad(v, input, upstream)[0] for v in (values, expected))
    assert torch.equal(ours, theirs)
    assert torch.autograd.gradcheck(lambda x: gather_voxels(x, index), input)
    assert torch.autograd.gradgradcheck(lambda x: gather_voxels(x, index), input)


def test_no_voxels(device):
    input = torch.randn(2, 3, 4, 4, device=device, requires_grad=True)
    values = gather_voxels(input, torch.zeros(0, dtype=torch.int64, device=device))
    assert values.shape == (0, 3)
    values.sum().backward()
    assert not input.grad.any()


@pytest.mark.parametrize("layout", [torch.Tensor.contiguous, channels_last, with_gaps, turned])
@pytest.mark.parametrize("rest", [torch.exp, torch.sum, lambda x: x.movedim(1, -1), torch.relu])
def test_the_gradient_of_the_rest_is_shared(rest, layout, device):
    input = layout(torch.randn(2, 3, 5, 7, dtype=torch.float64, device=device)).requires_grad_()
    index = torch.randperm(70)[:11].to(device)

    def apart(input):
        return (rest(input) * 3).sum() + gather_voxels(input, index).square().sum()

    def beside(input):
        whole, values = gather_beside(input, index)
        return (rest(whole) * 3).sum() + values.square().sum()

    assert torch.equal(beside(input), apart(input))
    gradient, expected = (torch.autograd.grad(f(input), input)[0] for f in (beside, apart))
    torch.testing.assert_close(gradient, expected, rtol=1e-14, atol=1e-14)
    assert torch.autograd.gradcheck(beside, input)
    assert torch.autograd.gradgradcheck(beside, input)


def test_gradients_of_others_are_left_alone(device):
    """An addition hands the same tensor to both its terms."""
    input = torch.randn(2, 3, 5, 7, device=device, requires_grad=True)
    other = torch.randn_like(input).requires_grad_()
    whole, values = gather_beside(input, torch.arange(9, device=device))
    seen = []
    doubled = 2 * other
    doubled.register_hook(seen.append)
    ((whole + doubled).square().sum() + 100 * values.sum()).backward()
    expected = 2 * (input + 2 * other).detach()
    torch.testing.assert_close(seen[0], expected)
    torch.testing.assert_close(other.grad, 2 * expected)
    expected.flatten(2)[0, :, :9] += 100
    torch.testing.assert_close(input.grad, expected)
