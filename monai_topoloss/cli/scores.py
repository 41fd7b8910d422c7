"""The metrics of one case, or of one of its classes; what several are made of is computed once."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from monai_topoloss._checks.options import check_patches
from monai_topoloss.backends import backend_for
from monai_topoloss.topology import betti_numbers, critical_components, label_components, skeletonize
from monai_topoloss.topology._matching import LOWEST_IOU, match_instances, score_matches
from monai_topoloss.topology.skeleton_graph import Skeletons, trace_skeletons
from monai_topoloss.topology.skeleton_scores import MIN_NODES, score_traced

__all__ = ["METRICS", "OF_NEURONS", "OF_OBJECTS", "Pair", "compute_scores"]

Mask = NDArray[np.bool_]


class Pair:
    """Masks of a prediction and a label, in C order, and what to make of them.

    Args:
        prediction: bool ``(*spatial)``.
        label: likewise; both are background where voxels count for nothing.
        counts: where voxels count, likewise; None: everywhere.
        instances: ids of the objects of prediction and label; None: their components.
        connectivity: of components.
        patch_size: of the patches on which Betti numbers are compared.
        skeletons: of the true objects; None: those of the label.
        spacing: size of a voxel along each axis; None: 1.
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
    ) -> None:
        self.prediction, self.label, self.counts = prediction, label, counts
        self.instances = instances
        self.connectivity, self.patch_size = connectivity, patch_size
        self.skeletons, self.spacing = skeletons, spacing
        self.sizes = np.count_nonzero(prediction), np.count_nonzero(label)

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


def compute_scores(metrics: Collection[str], pair: Pair) -> list[float]:
    """Return the metrics of those names; NaN where there is nothing to measure."""
    values: dict[str, float] = {}
    for group in _GROUPS:
        if not set(group.names).isdisjoint(metrics):
            measurable = pair.sizes[1] > 0 or not group.needs_label
            found = group.compute(pair) if measurable else [math.nan] * len(group.names)
            values.update(zip(group.names, map(float, found), strict=True))
    return [values[metric] for metric in metrics]


def _overlap(pair: Pair) -> list[float]:
    return [2 * _count_both(pair.prediction, pair.label) / sum(pair.sizes)]


def _centerlines(pair: Pair) -> list[float]:
    precision = _share_within(skeletonize(pair.prediction, spatial_dims=pair.label.ndim), pair.label)
    sensitivity = _share_within(skeletonize(pair.label, spatial_dims=pair.label.ndim), pair.prediction)
    return [2 * precision * sensitivity / max(precision + sensitivity, 1e-8), precision, sensitivity]


def _betti(pair: Pair) -> list[float]:
    shape = pair.label.shape
    size, step = check_patches(pair.patch_size, None, shape)
    starts = [sorted({*range(0, n - p, s), n - p}) for n, p, s in zip(shape, size, step, strict=True)]
    differences = []
    for corner in product(*starts):
        where = tuple(slice(start, start + length) for start, length in zip(corner, size, strict=True))
        found, true = (
            np.asarray(betti_numbers(mask[where], connectivity=pair.connectivity, spatial_dims=len(shape)))
            for mask in (pair.prediction, pair.label)
        )
        differences.append(found - true)
    errors = np.abs(differences)
    cavities = errors[:, 2].mean() if len(shape) == 3 else math.nan  # images have none
    euler = np.abs(np.dot(differences, [1, -1, 1][: len(shape)]))
    return [errors.sum(axis=1).mean(), errors[:, 0].mean(), errors[:, 1].mean(), cavities, euler.mean()]


def _critical(pair: Pair) -> list[float]:
    found = critical_components(
        pair.prediction, pair.label, connectivity=pair.connectivity, spatial_dims=pair.label.ndim
    )
    return [float(found.n_splits), float(found.n_merges)]


def _information(pair: Pair) -> list[float]:
    errors = backend_for(pair.objects[0]).compare_partitions(*pair.objects, foreground_only=False)
    return [(errors.splits + errors.merges).item(), errors.splits.item(), errors.merges.item()]


def _rand(pair: Pair) -> list[float]:
    return [backend_for(pair.objects[0]).compare_partitions(*pair.objects, foreground_only=True).rand_error.item()]


def _instances(pair: Pair) -> list[float]:
    prediction, label = (torch.from_numpy(ids) for ids in pair.ids)
    matches = match_instances(prediction, label, LOWEST_IOU)
    return [score_matches(matches, score) for score in ("f1", "pq")]


def _neurons(pair: Pair) -> list[float]:
    prediction, label = pair.ids
    skeletons = pair.skeletons or trace_skeletons(label, spacing=pair.spacing)
    sizes = np.array(pair.spacing or (1.0,) * label.ndim)
    total, _ = score_traced(prediction, skeletons, sizes, MIN_NODES)
    shares = (total.correct, total.split, total.omitted, total.merged)
    return [total.normalized_erl, total.erl, *shares, total.n_splits, total.n_merges]


def _share_within(skeleton: Mask, mask: Mask) -> float:
    return _count_both(skeleton, mask) / max(1, int(np.count_nonzero(skeleton)))


def _count_both(a: Mask, b: Mask) -> int:
    """Count where both are, plane by plane, which takes no memory."""
    return sum(int(np.count_nonzero(x & y)) for x, y in zip(a, b, strict=True))


class _Group(NamedTuple):
    """Metrics that are computed together."""

    names: tuple[str, ...]
    compute: Callable[[Pair], list[float]]
    needs_label: bool  # an empty one has none


OF_NEURONS = (
    "nerl", "erl", "correct_edges", "split_edges", "omitted_edges", "merged_edges", "neuron_splits", "neuron_merges",
)  # fmt: skip
_GROUPS = (
    _Group(("dice",), _overlap, needs_label=True),
    _Group(("cldice", "tprec", "tsens"), _centerlines, needs_label=True),
    _Group(("betti", "betti0", "betti1", "betti2", "euler"), _betti, needs_label=False),
    _Group(("splits", "merges"), _critical, needs_label=False),
    _Group(("voi", "voi_split", "voi_merge"), _information, needs_label=True),
    _Group(("are",), _rand, needs_label=True),
    _Group(("f1", "pq"), _instances, needs_label=True),
    _Group(OF_NEURONS, _neurons, needs_label=True),
)
OF_OBJECTS = ("voi", "voi_split", "voi_merge", "are", "f1", "pq", *OF_NEURONS)
METRICS = tuple(name for group in _GROUPS for name in group.names)
