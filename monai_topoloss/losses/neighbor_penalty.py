"""Same-class neighbour penalty: each voxel is judged by the worst of its class around it.

J. M. Valverde, D. P. Papadopoulos, R. Larsen and A. B. Dahl, Towards High-Quality Image Segmentation: Improving
Topology Accuracy by Penalizing Neighbor Pixels, CVPR 2026, arXiv 2603.18671, where it is called SCNP.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.losses import check_module
from monai_topoloss._checks.options import check_ignore_index, check_kernel_size
from monai_topoloss._checks.sizes import check_size_off_cpu
from monai_topoloss._checks.targets import check_label, check_logits, split_target
from monai_topoloss.losses._common import Target, at_least_float32, class_masks, valid_voxels

__all__ = ["NeighborPenalty"]


class NeighborPenalty(nn.Module):
    r"""Let any loss of logits see the worst logit of each voxel's class around it.

    .. math::

        L(z, y) = \ell(z', y), \qquad
        z'_c(v) = \begin{cases}
            \min \{z_c(u) : u \in N(v),\, y_c(u) = 1\} & \text{if } y_c(v) = 1 \\
            \max \{z_c(u) : u \in N(v),\, y_c(u) = 0\} & \text{if } y_c(v) = 0
        \end{cases}

    with the wrapped loss :math:`\ell`, the label :math:`y` one-hot, and the cube :math:`N(v)` around a voxel. One wrong
    voxel makes all of its class around it look wrong, and gets their gradients: mistakes weigh several times as much,
    those alone among right voxels most.

    For the logits as they are besides, ``SumLoss([NeighborPenalty(loss), loss])``.

    Args:
        loss: takes logits and a target, ``loss(input, target)``, such as `DiceCESkeletonRecallLoss`, MONAI's
            ``DiceCELoss`` or a `SumLoss`. A pair of label and skeleton is handed on as it is.
        kernel_size: width of the cube in voxels, odd.
        ignore_index: a label of voxels that are nobody's neighbours, and keep their logits. Default: that of ``loss``,
            if it has one.

    Raises:
        TypeError: if ``loss`` is no module, or ``kernel_size`` or ``ignore_index`` no int.
        ValueError: if ``kernel_size`` is even or below 1.

    Example:
        >>> import torch
        >>> from monai.losses import DiceCELoss
        >>> loss = NeighborPenalty(DiceCELoss(softmax=True, to_onehot_y=True))
        >>> loss(torch.zeros(1, 2, 8, 8), torch.ones(1, 1, 8, 8)).ndim
        0
    """

    def __init__(self, loss: nn.Module, kernel_size: int = 3, ignore_index: int | None = None) -> None:
        super().__init__()
        check_module("loss", loss)
        check_kernel_size(kernel_size)
        check_ignore_index(ignore_index)
        self.loss = loss
        self.kernel_size = kernel_size
        self.ignore_index = getattr(loss, "ignore_index", None) if ignore_index is None else ignore_index

    def forward(self, input: Tensor, target: Target) -> Tensor:
        """Compute the loss.

        Args:
            input: logits, ``(B, C, *spatial)`` in 2-D or 3-D.
            target: the label, with a channel of 0 and 1 for each channel of ``input``, or for several one of class ids;
                or a pair of that and what else ``loss`` takes.

        Returns:
            What ``loss`` returns.

        Raises:
            TypeError: if ``input`` is no floating-point tensor or ``target`` neither a tensor nor a pair of tensors.
            ValueError: if shapes, devices or class ids do not fit.
        """
        input, channels = at_least_float32(check_logits(input)), input.shape[1]
        label, _ = split_target(target)
        is_map = label.ndim > 1 and label.shape[1] < channels
        check_label(label, input, to_onehot_y=is_map)
        check_class_ids("target", label, num_classes=channels if is_map else 2, ignore_index=self.ignore_index)
        y = class_masks(label, channels)
        worst = _worst_neighbors(input, y, valid_voxels(label, self.ignore_index), self.kernel_size)
        loss: Tensor = self.loss(worst, target)
        return loss

    def __getattr__(self, name: str) -> Any:
        """Take what deep supervision asks of a loss from the one that is wrapped."""
        if name in ("softmax", "tubed_skeleton"):
            return getattr(self.loss, name)
        return super().__getattr__(name)


def _worst_neighbors(z: Tensor, y: Tensor, valid: Tensor | None, kernel_size: int) -> Tensor:
    """Return the lowest logit around of those that ought to be high, and the highest of those that ought to be low."""
    if not z.numel():
        return z
    check_size_off_cpu("input", z)
    pool = F.max_pool2d if z.ndim == 4 else F.max_pool3d
    in_class, outside = (y, ~y) if valid is None else (y & valid, ~y & valid)
    lowest, highest = (
        pool(values.masked_fill(~mask, -torch.inf), kernel_size, stride=1, padding=kernel_size // 2)
        for values, mask in ((-z, in_class), (z, outside))
    )
    worst = torch.where(y, -lowest, highest)
    return worst if valid is None else torch.where(valid, worst, z)
