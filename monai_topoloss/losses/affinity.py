"""The supervoxel loss for instances predicted as affinities between neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812
from monai.utils import LossReduction
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_edges
from monai_topoloss._checks.targets import check_instances, check_logits, split_target
from monai_topoloss._checks.tensors import check_no_nan
from monai_topoloss.backends import backend_for
from monai_topoloss.losses._common import at_least_float32, valid_voxels
from monai_topoloss.losses._critical import Case, Criterion, CriticalCounts, CriticalLoss
from monai_topoloss.topology import critical_components

__all__ = ["SupervoxelAffinityLoss", "affinities"]


def affinities(instances: Tensor, edges: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Say which neighbours are of one instance.

    Args:
        instances: ids, ``(B, 1, *spatial)``; 0 is background.
        edges: steps from a voxel to its neighbour, such as ``[(1, 0), (0, 1)]``.

    Returns:
        ``joined``, bool ``(B, edges, *spatial)``: whether a voxel and the one an edge further have the same id other
        than 0; ``inside``, bool ``(edges, *spatial)``: whether that one is in the image.
    """
    ids = instances[:, 0]
    joined = torch.zeros(len(ids), len(edges), *ids.shape[1:], dtype=torch.bool, device=ids.device)
    inside = torch.zeros(len(edges), *ids.shape[1:], dtype=torch.bool, device=ids.device)
    for k, edge in enumerate(edges):
        here, there = _ends(ids, edge)
        _ends(joined[:, k], edge)[0].copy_((here == there) & (here != 0))
        _ends(inside[k], edge)[0].fill_(value=True)
    return joined, inside


def _ends(image: Tensor, edge: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return views of ``(..., *spatial)``: the voxels that have a neighbour an edge further, and these neighbours."""
    here = there = image
    for axis, step in enumerate(edge, start=image.ndim - len(edge)):
        first, length = abs(step), max(0, image.shape[axis] - abs(step))
        first = min(first, image.shape[axis])
        here = here.narrow(axis, first if step < 0 else 0, length)
        there = there.narrow(axis, first if step > 0 else 0, length)
    return here, there


class SupervoxelAffinityLoss(CriticalLoss):
    r"""Supervoxel loss for instance segmentation from affinities.

    A network predicts, for each voxel and each of some edges, whether the voxel and its neighbour along that edge
    belong together. Predicted instances are the connected components of the voxels joined by affinities above the
    threshold; single voxels are background. Their critical components, see
    `monai_topoloss.topology.critical_components`, weigh the criterion on all edges with an end in one:

    .. math::

        L = \frac{1}{|E|} \sum_e \bigl[(1 - \alpha) + \alpha \left(\beta S_e + (1 - \beta) M_e\right)\bigr] L_{0,e}

    over the edges within the image. Two instances that touch and are joined by an affinity alone hold no wrong voxel,
    and count as no merge; the criterion sees that edge with the weight :math:`1 - \alpha`.

    Args:
        edges: steps from a voxel to its neighbour, one for each channel of ``input``: ``[(1, 0, 0), (0, 1, 0), (0, 0,
            1)]`` for the nearest neighbours in 3-D.
        criterion: the loss of each edge, called with logits and the true affinities, 0 or 1: any with
            ``reduction="none"``. Default: binary cross entropy with logits.
        alpha: how much critical components weigh, from 0 to 1. It may be set at any time; 0 skips the search.
        beta: how much of that is for splits, from 0 to 1; the rest is for merges.
        threshold: logits above join.
        connectivity: of critical components: in how many axes at once neighbours may differ. Default: all.
        ignore_index: a label of voxels that do not count, nor edges with an end there.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``, which returns the weighed map, 0 on edges that leave the image.
        backend: where components are searched, ``"auto"`` follows the input.

    Raises:
        TypeError: if ``edges`` are no sequences of ints, ``criterion`` is not callable, or a number is none.
        ValueError: if ``edges`` are empty, of different length or zero, ``criterion`` has another reduction than
            ``"none"``, or ``alpha`` or ``beta`` is out of range.

    Example:
        >>> import torch
        >>> loss = SupervoxelAffinityLoss(edges=[(1, 0), (0, 1)])
        >>> instances = torch.arange(4).repeat_interleave(16).reshape(1, 1, 8, 8)
        >>> loss(torch.zeros(1, 2, 8, 8), instances).ndim
        0
    """

    def __init__(
        self,
        edges: Sequence[Sequence[int]],
        criterion: Criterion | None = None,
        alpha: float = 0.5,
        beta: float = 0.5,
        threshold: float = 0.0,
        connectivity: int | None = None,
        ignore_index: int | None = None,
        reduction: LossReduction | str = LossReduction.MEAN,
        backend: str = "auto",
    ) -> None:
        super().__init__(criterion, alpha, beta, threshold, connectivity, ignore_index, reduction, backend)
        self.edges = check_edges(edges)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            input: logits of affinities, ``(B, edges, *spatial)`` in 2-D or 3-D: at each voxel, that it belongs to the
                voxel an edge further.
            target: ids of instances, ``(B, 1, *spatial)``; 0 is background.

        Returns:
            The loss in float32, or float64 for an ``input`` of that type: a scalar, or the weighed map.

        Raises:
            TypeError: if ``input`` is no floating-point tensor or ``target`` no tensor.
            ValueError: if shapes, devices or ids do not fit, ``criterion`` returns no map, or ``input`` holds NaN and
                critical components are searched.
        """
        return super().forward(input, target)

    def _default_criterion(self, input: Tensor, truth: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(input, truth, reduction="none")

    def _prepare(self, input: Tensor, target: Tensor, *, search: bool) -> Case:
        input = at_least_float32(check_logits(input))
        label, _ = split_target(target)
        check_instances(label, input, self.edges)
        valid = valid_voxels(label, self.ignore_index)
        if valid is not None:
            label = label.masked_fill(~valid, 0)
        check_class_ids("target", label)
        joined, inside = affinities(label, self.edges)
        counts = inside.expand_as(input)
        if valid is not None:
            counts = counts & self._of_edges(valid, torch.logical_and)
        input = input.masked_fill(~counts, 0)
        found = self._search(input.detach(), label, counts) if search else (None, None, None)
        return Case(input, joined.to(input.dtype), counts, *found)

    def _of_edges(self, mask: Tensor, combine: Any) -> Tensor:
        """Combine a mask (B, 1, *spatial) at both ends of each edge; edges that leave the image keep their one end."""
        result = mask.repeat(1, len(self.edges), *[1] * (mask.ndim - 2))
        for k, edge in enumerate(self.edges):
            _ends(result[:, k], edge)[0].copy_(combine(*_ends(mask[:, 0], edge)))
        return result

    @torch.no_grad()
    def _search(self, input: Tensor, label: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, CriticalCounts]:
        """Find the edges with an end in a critical component, (B, edges, *spatial), and count components, (B, 1)."""
        check_no_nan("input", input)
        backend = backend_for(input, self.backend)
        instances = backend.label_affinities((input > self.threshold) & counts, edges=self.edges)
        found = critical_components(
            instances.unsqueeze(1),
            label,
            connectivity=self.connectivity,
            spatial_dims=input.ndim - 2,
            backend=self.backend,
        )
        splits, merges, n_splits, n_merges = (cast(Tensor, each) for each in found)
        splits, merges = (self._of_edges(mask, torch.logical_or) for mask in (splits, merges))
        return splits, merges, CriticalCounts(n_splits, n_merges)
