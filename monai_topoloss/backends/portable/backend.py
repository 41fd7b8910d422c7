"""Computes on any device, by pooling."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from monai_topoloss._checks.sizes import check_size

__all__ = ["BACKEND", "PortableBackend"]


class PortableBackend:
    """Implements `monai_topoloss.backends.SoftBackend` with PyTorch's operations.

    An automatic gradient would hold the positions of the minima and maxima of all iterations. Here the eroded images
    and the skeletons of one item are computed again in the backward pass, and the positions of one iteration at a time.
    """

    @torch.no_grad()
    def soft_skeleton(self, image: Tensor, *, iterations: int) -> Tensor:
        """See `SoftBackend.soft_skeleton`."""
        check_size("image", image.shape)  # for PyTorch's pooling
        if not image.numel():
            return image.clone()
        dtype = image.dtype
        image = image if image.is_floating_point() else image.float()  # which can be pooled
        skeleton = torch.zeros_like(image)
        for _ in range(iterations + 1):
            eroded = _erode(image)
            skeleton = _add(skeleton, image, eroded)
            image = eroded
        return skeleton.to(dtype)

    def soft_skeleton_backward(self, image: Tensor, grad: Tensor, *, iterations: int) -> Tensor:
        """See `SoftBackend.soft_skeleton_backward`."""
        if not image.numel():
            return image.clone()
        return torch.cat([_backward(*item, iterations) for item in zip(image.split(1), grad.split(1), strict=True)])


def _backward(image: Tensor, grad: Tensor, iterations: int) -> Tensor:
    images, skeletons = [image.detach()], [torch.zeros_like(image)]
    with torch.no_grad():
        for _ in range(iterations):
            eroded = _erode(images[-1])
            skeletons.append(_add(skeletons[-1], images[-1], eroded))
            images.append(eroded)
    at_eroded = torch.zeros_like(image)
    while images:
        with torch.enable_grad():
            before, skeleton = images.pop().requires_grad_(), skeletons.pop().requires_grad_()
            eroded = _erode(before)
            after = _add(skeleton, before, eroded)
        at_eroded, grad = torch.autograd.grad([eroded, after], [before, skeleton], [at_eroded, grad])
    return at_eroded


def _erode(image: Tensor) -> Tensor:
    """Return the lowest of each voxel of items ``(N, *spatial)`` and its neighbours along the axes."""
    # One channel, as a batch: pooling of images takes (N, C, H, W), of volumes (N, C, D, H, W).
    negative, ndim = -image.unsqueeze(1), image.ndim - 1
    pool = F.max_pool2d if ndim == 2 else F.max_pool3d
    lowest: Tensor | None = None
    for axis in range(ndim):
        size = [3 if axis == k else 1 for k in range(ndim)]
        along = -pool(negative, size, stride=1, padding=[length // 2 for length in size])
        lowest = along if lowest is None else torch.minimum(lowest, along)
    assert lowest is not None
    return lowest.squeeze(1)


def _add(skeleton: Tensor, image: Tensor, eroded: Tensor) -> Tensor:
    """Add to a skeleton what opening takes away."""
    pool = F.max_pool2d if image.ndim == 3 else F.max_pool3d
    removed = (image - pool(eroded.unsqueeze(1), 3, stride=1, padding=1).squeeze(1)).relu()
    return skeleton + (removed - skeleton * removed).relu()


BACKEND = PortableBackend()
