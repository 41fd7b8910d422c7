"""What is counted of a prediction and a label in memory; what several metrics are made of is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monai_topoloss._checks.options import check_patches, check_spacing
from monai_topoloss.backends import backend_for, graph_backend
from monai_topoloss.backends.base import PartitionErrors
from monai_topoloss.topology import critical_components, label_components, skeletonize
from monai_topoloss.topology._lengths import sum_lengths
from monai_topoloss.topology._matching import LOWEST_IOU, Matches, match_instances
from monai_topoloss.topology._patches import betti_differences
from monai_topoloss.topology.skeleton_scores import MIN_NODES, SkeletonScores, look_up, score_nodes
from monai_topoloss.topology.skeleton_trees import Skeletons, trace_skeletons

__all__ = ["Pair"]

Mask = NDArray[np.bool_]


class Pair:
    """Masks of a prediction and a label, in C order, and what to make of them: `monai_topoloss.cli.scores.Counts`.

    Args:
        prediction: bool ``(*spatial)``.
        label: likewise; both are background where voxels count for nothing.
        counts: where voxels count, likewise; None: everywhere.
        instances: ids of the objects of prediction and label; None: their components.
        connectivity: of components.
        patch_size: of the patches on which Betti numbers are compared.
        skeletons: of the true objects; None: those of the label.
        spacing: size of a voxel along each axis; None: 1.
        in_units: measure centrelines in the units of the spacing, instead of counting voxels.
    """

    def __init__(
        self,
        prediction: Mask,
        label: Mask,
        *,
        counts: Mask | None = None,
        instances: tuple[NDArray[Any], NDArray[Any]] | None = None,
        connectivity: int | None = None,
        patch_size: int | None = None,
        skeletons: Skeletons | None = None,
        spacing: Sequence[float] | None = None,
        in_units: bool = False,
    ) -> None:
        self.prediction, self.label, self.counts = prediction, label, counts
        self.instances = instances
        self.connectivity, self.patch_size = connectivity, patch_size
        self.skeletons, self.spacing, self.in_units = skeletons, spacing, in_units
        self.sizes = int(np.count_nonzero(prediction)), int(np.count_nonzero(label))

    @cached_property
    def ids(self) -> Sequence[Any]:
        """Ids of the objects of prediction and label, ``(*spatial)``."""
        return self.instances or [
            label_components(mask, connectivity=self.connectivity, spatial_dims=mask.ndim).labels
            for mask in (self.prediction, self.label)
        ]

    @cached_property
    def objects(self) -> list[torch.Tensor]:
        """Ids of the objects of prediction and label, of each voxel that counts: ``(1, voxels)``."""
        voxels = [array.reshape(-1) if self.counts is None else array[self.counts] for array in self.ids]
        return [torch.from_numpy(array)[None] for array in voxels]

    def shared(self) -> int:
        """Return in how many voxels both are."""
        return _count_both(self.prediction, self.label)

    def centerlines(self) -> tuple[float, float, float, float]:
        """Return how much of the prediction's skeleton is in the label, and how much there is; vice versa."""
        sizes = check_spacing(self.spacing, self.label.ndim) if self.in_units else None
        pairs = (self.prediction, self.label), (self.label, self.prediction)
        inside, total, inside_label, total_label = (each for pair in pairs for each in _measure_within(*pair, sizes))
        return inside, total, inside_label, total_label

    def betti_differences(self) -> NDArray[np.int64]:
        """Return Betti numbers of the prediction less those of the label, (patches, axes)."""
        shape = self.label.shape
        size, step = check_patches(self.patch_size, None, shape)
        starts = [sorted({*range(0, n - p, s), n - p}) for n, p, s in zip(shape, size, step, strict=True)]
        return betti_differences(self.prediction, self.label, size, starts, self.connectivity)

    def critical(self) -> tuple[int, int]:
        """Return how many mistakes split and merge objects."""
        found = critical_components(
            self.prediction, self.label, connectivity=self.connectivity, spatial_dims=self.label.ndim
        )
        return int(found.n_splits), int(found.n_merges)

    def information(self) -> tuple[float, float]:
        """Return the parts of the variation of information, of splits and of merges."""
        errors = self._compare(foreground_only=False)
        return errors.splits.item(), errors.merges.item()

    def rand_error(self) -> float:
        """Return the adapted Rand error."""
        return self._compare(foreground_only=True).rand_error.item()

    def _compare(self, *, foreground_only: bool) -> PartitionErrors:
        return backend_for(self.objects[0]).compare_partitions(*self.objects, foreground_only=foreground_only)

    def matches(self) -> Matches:
        """Return how many objects match."""
        prediction, label = (torch.from_numpy(ids) for ids in self.ids)
        return match_instances(prediction, label, LOWEST_IOU)

    def neurons(self) -> SkeletonScores:
        """Return the scores of skeletons."""
        prediction, label = self.ids
        skeletons = self.skeletons or trace_skeletons(label, spacing=self.spacing)
        return score_nodes(look_up(prediction, skeletons, self.spacing), skeletons, MIN_NODES)[0]


def _measure_within(mask: Mask, other: Mask, sizes: Sequence[float] | None) -> tuple[float, float]:
    """Return how many voxels of a mask's skeleton are in another one, and how many it has; or lengths."""
    skeleton = skeletonize(mask, spatial_dims=mask.ndim)
    if sizes is not None:
        return sum_lengths(graph_backend().count_steps(skeleton, other), sizes)
    return _count_both(skeleton, other), int(np.count_nonzero(skeleton))


def _count_both(a: Mask, b: Mask) -> int:
    """Count where both are, plane by plane, which takes no memory."""
    return sum(int(np.count_nonzero(x & y)) for x, y in zip(a, b, strict=True))
