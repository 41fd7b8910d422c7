"""The supervoxel loss for instances predicted as affinities between neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from monai.utils import LossReduction
from torch import Tensor

from monai_topoloss._checks.affinities import check_edges, check_instances, check_n_joining
from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_int
from monai_topoloss._checks.targets import check_logits, split_target
from monai_topoloss._checks.tensors import check_no_nan
from monai_topoloss._edges import at_edges, inside, join_equal
from monai_topoloss.losses._common import as_float, at_least_float32, valid_voxels
from monai_topoloss.losses._critical import Case, Criterion, CriticalCounts, CriticalLoss
from monai_topoloss.topology import critical_affinities

__all__ = ["SupervoxelAffinityLoss"]


class SupervoxelAffinityLoss(CriticalLoss):
    r"""Supervoxel loss for instance segmentation from affinities.

    A network predicts, for each voxel and each of some edges, whether the voxel and the one an edge further belong to
    the same instance. Affinities that are wrong and split or merge instances, see
    `monai_topoloss.topology.critical_affinities`, weigh more in the criterion:

    .. math::

        L = \frac{1}{|E|} \sum_e \bigl[(1 - \alpha) + \alpha \left(\beta S_e + (1 - \beta) M_e\right)\bigr] L_{0,e}

    over the edges within the image, with the missed affinities :math:`S` that part an object or drop it, and the
    invented ones :math:`M` that join objects or make them up. Instances that touch are told apart: one wrong affinity
    that joins two is a merge.

    At the start of a training, nearly all is wrong: train a few epochs with ``alpha=0``, which skips the search, and
    then raise it, as `monai_topoloss.handlers.LossWeightSchedule` does. How many splits and merges the last call found
    is kept in ``last_counts``, see `SupervoxelLoss`.

    Args:
        edges: steps from a voxel to another one, one for each channel of ``input``: ``[(1, 0, 0), (0, 1, 0), (0, 0,
            1)]`` for the nearest neighbours in 3-D.
        n_joining: how many of them, the first ones, join voxels to instances. The others, often long ones which help to
            train or which only part, are not searched: their weight is :math:`1 - \alpha`. Default: all join.
        criterion: the loss of each edge, called with logits and the true affinities, 0 or 1: any with
            ``reduction="none"``. Default: binary cross entropy with logits.
        alpha: how much critical components weigh, from 0 to 1. It may be set at any time; 0 skips the search.
        beta: how much of that is for splits, from 0 to 1; the rest is for merges.
        threshold: logits above join.
        tolerance: how many voxels a border between instances may be off before what it cuts off counts as an object,
            see `monai_topoloss.topology.critical_affinities`.
        ignore_index: a label of voxels that do not count, nor edges with an end there.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``, which returns the weighed map, 0 on edges that leave the image.
        backend: where critical affinities are searched, ``"auto"`` follows the input.

    Raises:
        TypeError: if ``edges`` are no sequences of ints, ``criterion`` is not callable, or a number is none.
        ValueError: if ``edges`` are empty, of different length or zero, ``n_joining`` is not from 1 to their number,
            ``criterion`` has another reduction than ``"none"``, or ``alpha``, ``beta`` or ``tolerance`` is out of
            range.

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
        n_joining: int | None = None,
        tolerance: int = 0,
        ignore_index: int | None = None,
        reduction: LossReduction | str = LossReduction.MEAN,
        backend: str = "auto",
    ) -> None:
        super().__init__(criterion, alpha, beta, threshold, ignore_index, reduction, backend)
        self.edges = check_edges(edges)
        check_int("tolerance", tolerance, minimum=0)
        self.tolerance = tolerance
        self.n_joining = check_n_joining(n_joining, self.edges)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            input: logits of affinities, ``(B, edges, *spatial)`` in 2-D or 3-D: at each voxel, that it belongs to the
                voxel an edge further.
            target: ids of instances, ``(B, 1, *spatial)``; 0 is background. Of a pair of label and skeleton, the
                skeleton is left alone.

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
        counts = inside(input.shape[2:], self.edges, input.device).expand_as(input)
        if valid is not None:
            counts = counts & at_edges(valid[:, 0], self.edges, torch.logical_and)
        input = input.masked_fill(~counts, 0)
        found = self._search(input.detach(), label, counts) if search else (None, None, None)
        return Case(input, as_float(join_equal(label[:, 0], self.edges), input.dtype), counts, *found)

    @torch.no_grad()
    def _search(self, input: Tensor, label: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, CriticalCounts]:
        """Find critical affinities, (B, edges, *spatial), and count splits and merges, (B, 1)."""
        check_no_nan("input", input)
        n = self.n_joining
        found = critical_affinities(
            (input[:, :n] > self.threshold) & counts[:, :n],
            label[:, 0],
            self.edges[:n],
            tolerance=self.tolerance,
            backend=self.backend,
        )
        splits, merges, n_splits, n_merges = (cast(Tensor, each) for each in found)
        if n < len(self.edges):
            rest = (0, 0) * (input.ndim - 2) + (0, len(self.edges) - n)
            splits, merges = F.pad(splits, rest), F.pad(merges, rest)
        return splits, merges, CriticalCounts(n_splits.unsqueeze(1), n_merges.unsqueeze(1))
