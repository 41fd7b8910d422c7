"""Soft skeletons of probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from monai_topoloss._checks.options import check_int
from monai_topoloss._checks.targets import check_probabilities
from monai_topoloss._checks.tensors import check_spatial_dims, check_tensor, like, plain
from monai_topoloss.backends import soft_backend_for
from monai_topoloss.topology._items import as_items, from_items

if TYPE_CHECKING:
    from monai.config import NdarrayTensor

__all__ = ["ITERATIONS", "soft_skeleton"]

ITERATIONS = 3  # as in MONAI


def soft_skeleton(
    image: NdarrayTensor, *, iterations: int = ITERATIONS, spatial_dims: int | None = None
) -> NdarrayTensor:
    r"""Compute the soft skeleton of probabilities, as soft clDice does; gradients flow through tensors.

    With the erosion :math:`\epsilon(x)`, the lowest of a voxel and its 4 (in 3-D 6) neighbours, and the opening
    :math:`\gamma(x)`, the highest of :math:`\epsilon(x)` at a voxel and its 8 (26) neighbours,

    .. math::

        x_{k+1} = \epsilon(x_k), \qquad \delta_k = \max(x_k - \gamma(x_k), 0), \qquad
        s_{k+1} = s_k + (1 - s_k) \delta_k

    from :math:`x_0` = ``image`` and :math:`s_0 = 0` on, and the result is the last of ``iterations + 1`` steps. Of a
    mask that is one of the oldest skeletons of morphology (Lantuéjoul's): it holds something of each structure, but
    does not keep it connected, for which there is `skeletonize`.

    Values are those of MONAI's ``soft_skel``, bit for bit, and gradients to rounding, also where values are equal. It
    takes a small part of its time and memory: only ``image`` is kept for the backward pass, which erodes once more.

    Args:
        image: probabilities, ``(*spatial)`` in 2-D or 3-D, or ``(..., *spatial)`` with ``spatial_dims``; masks of bool
            and of 0 and 1 are faster.
        iterations: how often to erode; half the width of the thickest structures in voxels, or more.
        spatial_dims: how many of the last axes are spatial, 2 or 3. The others count independent images. Default: all
            axes are spatial.

    Returns:
        The soft skeleton, in float32, or float64 for an image of that type, or in the dtype of a mask of integers or
        bool; of the shape and kind of ``image`` and on its device.

    Raises:
        TypeError: if ``image`` is no tensor or array of real numbers, or ``iterations`` no int.
        ValueError: if values are outside of [0, 1], the rank is not 2-D or 3-D, or ``iterations`` is negative.

    Example:
        >>> import numpy as np
        >>> bar = np.zeros((5, 9), dtype=np.uint8)
        >>> bar[1:4, 1:8] = 1
        >>> soft_skeleton(bar, iterations=1)
        array([[0, 0, 0, 0, 0, 0, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 0, 0, 0],
               [0, 0, 1, 1, 1, 1, 1, 0, 0],
               [0, 0, 0, 0, 0, 0, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 0, 0, 0]], dtype=uint8)

    References:
        S. Shit, J. C. Paetzold et al., clDice - a Novel Topology-Preserving Loss Function for Tubular Structure
        Segmentation, CVPR 2021.
    """
    check_int("iterations", iterations, minimum=0)
    tensor = check_tensor("image", image)
    if isinstance(image, Tensor) and image.requires_grad:
        tensor = plain(image)
    spatial_dims = check_spatial_dims("image", tensor, spatial_dims)
    check_probabilities(tensor.detach(), name="image")
    items = as_items(tensor, spatial_dims)
    if not items.is_floating_point():
        items = items.to(torch.uint8)
    elif items.dtype != torch.float64:
        items = items.float()
    skeleton = from_items(cast(Tensor, _SoftSkeleton.apply(items, iterations)), tensor)  # type: ignore[no-untyped-call]
    return cast("NdarrayTensor", like(skeleton, image, same_dtype=not skeleton.is_floating_point()))


class _SoftSkeleton(torch.autograd.Function):
    """The soft skeleton of items ``(N, *spatial)``; nothing but the image is kept for the gradient."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, iterations: int) -> Tensor:
        ctx.save_for_backward(image)
        ctx.iterations = iterations
        return soft_backend_for(image).soft_skeleton(image, iterations=iterations)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (image,) = ctx.saved_tensors
        return soft_backend_for(image).soft_skeleton_backward(image, grad, iterations=ctx.iterations), None
