"""The metrics of one case, or of one of its classes, from what is counted of prediction and label."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.topology._matching import Matches, score_matches
from monai_topoloss.topology.skeleton_scores import SkeletonScores

__all__ = ["METRICS", "OF_NEURONS", "OF_OBJECTS", "Counts", "compute_scores"]


class Counts(Protocol):
    """What is counted of a prediction and a label: in memory, or in chunks."""

    @property
    def sizes(self) -> tuple[int, int]:
        """How many voxels are foreground in each."""

    def shared(self) -> int:
        """Return in how many voxels both are."""

    def centerlines(self) -> tuple[float, float, float, float]:
        """Return how much of the prediction's skeleton is in the label, and how much there is; vice versa."""

    def betti_differences(self) -> NDArray[np.int64]:
        """Return Betti numbers of the prediction less those of the label, (patches, axes)."""

    def critical(self) -> tuple[int, int]:
        """Return how many mistakes split and merge objects."""

    def information(self) -> tuple[float, float]:
        """Return the parts of the variation of information, of splits and of merges."""

    def rand_error(self) -> float:
        """Return the adapted Rand error."""

    def matches(self) -> Matches:
        """Return how many objects match."""

    def neurons(self) -> SkeletonScores:
        """Return the scores of skeletons."""


def compute_scores(metrics: Collection[str], counts: Counts) -> list[float]:
    """Return the metrics of those names; NaN where there is nothing to measure."""
    values: dict[str, float] = {}
    for group in _GROUPS:
        if not set(group.names).isdisjoint(metrics):
            measurable = counts.sizes[1] > 0 or not group.needs_label
            found = group.compute(counts) if measurable else [math.nan] * len(group.names)
            values.update(zip(group.names, map(float, found), strict=True))
    return [values[metric] for metric in metrics]


def _overlap(counts: Counts) -> list[float]:
    return [2 * counts.shared() / sum(counts.sizes)]


def _centerlines(counts: Counts) -> list[float]:
    inside, total, inside_label, total_label = counts.centerlines()
    precision, sensitivity = inside / (total or 1), inside_label / (total_label or 1)
    return [2 * precision * sensitivity / max(precision + sensitivity, 1e-8), precision, sensitivity]


def _betti(counts: Counts) -> list[float]:
    differences = counts.betti_differences()
    errors = np.abs(differences)
    cavities: Any = errors[:, 2].mean() if errors.shape[1] == 3 else math.nan  # images have none
    euler = np.abs(np.dot(differences, [1, -1, 1][: errors.shape[1]]))
    return [errors.sum(axis=1).mean(), errors[:, 0].mean(), errors[:, 1].mean(), cavities, euler.mean()]


def _critical(counts: Counts) -> list[float]:
    return list(map(float, counts.critical()))


def _information(counts: Counts) -> list[float]:
    splits, merges = counts.information()
    return [splits + merges, splits, merges]


def _rand(counts: Counts) -> list[float]:
    return [counts.rand_error()]


def _instances(counts: Counts) -> list[float]:
    matches = counts.matches()
    return [score_matches(matches, score) for score in ("f1", "pq")]


def _neurons(counts: Counts) -> list[float]:
    total = counts.neurons()
    shares = (total.correct, total.split, total.omitted, total.merged)
    return [total.normalized_erl, total.erl, *shares, total.n_splits, total.n_merges]


class _Group(NamedTuple):
    """Metrics that are computed together."""

    names: tuple[str, ...]
    compute: Callable[[Counts], Sequence[float]]
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
