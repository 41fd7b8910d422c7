from __future__ import annotations

import pytest
import torch

from monai_topoloss.losses._gather import gather_voxels


@pytest.mark.parametrize("spatial", [(5, 7), (3, 4, 5)])
def test_equals_plain_indexing(spatial, device):
    input = torch.randn(2, 3, *spatial, dtype=torch.float64, device=device, requires_grad=True)
    index = torch.randperm(input[:, 0].numel())[:11].to(device)
    expected = input.movedim(1, -1).reshape(-1, 3)[index]
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
