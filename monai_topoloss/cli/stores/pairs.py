"""What is counted of a prediction and a label in chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monai_topoloss import chunked
from monai_topoloss._checks.options import check_patches, check_spacing
from monai_topoloss.chunked._lengths import count_steps_within
from monai_topoloss.chunked._pairs import Pair
from monai_topoloss.chunked._partitions import compare_partitions, tabulate
from monai_topoloss.chunked._patches import betti_differences
from monai_topoloss.chunked._tasks import Tasks
from monai_topoloss.chunked._volumes import as_volume, for_each
from monai_topoloss.cli.stores.scheduling import compute
from monai_topoloss.topology._lengths import sum_lengths
from monai_topoloss.topology._matching import LOWEST_IOU, Matches, match_pairs
from monai_topoloss.topology.skeleton_scores import MIN_NODES, SkeletonScores, look_up, score_nodes
from monai_topoloss.topology.skeleton_trees import Skeletons

__all__ = ["PairInChunks", "count", "take"]


class PairInChunks:
    """Masks of a prediction and a label, and what to make of them: `monai_topoloss.cli.scores.Counts`.

    Args:
        prediction: dask array of bool, ``(*spatial)``.
        label: likewise; both are background where voxels count for nothing.
        counts: where voxels count, likewise; None: everywhere.
        instances: ids of the objects of prediction and label, likewise; None: their components.
        connectivity: of components.
        patch_size: of the patches on which Betti numbers are compared.
        skeletons: of the true objects.
        spacing: size of a voxel along each axis; None: 1.
        in_units: measure centrelines in the units of the spacing, instead of counting voxels.
    """

    def __init__(
        self,
        prediction: Any,
        label: Any,
        *,
        counts: Any = None,
        instances: tuple[Any, Any] | None = None,
        connectivity: int | None = None,
        patch_size: int | None = None,
        skeletons: Skeletons | None = None,
        spacing: tuple[float, ...] | None = None,
        in_units: bool = False,
    ) -> None:
        self.prediction, self.label, self.counts = prediction, label, counts
        self.instances = instances
        self.connectivity, self.patch_size = connectivity, patch_size
        self.skeletons, self.spacing, self.in_units = skeletons, spacing, in_units
        found, true, self._shared = count(_count_both, prediction, label).tolist()
        self.sizes = found, true

    def shared(self) -> int:
        """Return in how many voxels both are."""
        return int(self._shared)

    def centerlines(self) -> tuple[float, float, float, float]:
        """Return how much of the prediction's skeleton is in the label, and how much there is; vice versa."""
        masks = self.prediction, self.label
        skeletons = [chunked.skeletonize(mask) for mask in masks]
        if self.in_units:
            sizes = check_spacing(self.spacing, self.label.ndim)
            pairs = zip(skeletons, masks[::-1], strict=True)
            (inside, total), (inside_label, total_label) = (
                sum_lengths(steps, sizes) for steps in compute(*(count_steps_within(*pair) for pair in pairs))
            )
            return inside, total, inside_label, total_label
        inside, total, inside_label, total_label = count(_count_within, *skeletons, *masks).tolist()
        return inside, total, inside_label, total_label

    def betti_differences(self) -> NDArray[np.int64]:
        """Return Betti numbers of the prediction less those of the label, (patches, axes)."""
        masks = self.prediction, self.label
        if self.patch_size is None:
            found, true = compute(*(chunked.betti_numbers(mask, connectivity=self.connectivity) for mask in masks))
            return np.array([found - true])
        size, step = check_patches(self.patch_size, None, self.label.shape)
        differences: NDArray[np.int64] = compute(betti_differences(*masks, size, step, self.connectivity))[0]
        return differences

    def critical(self) -> tuple[int, int]:
        """Return how many mistakes split and merge objects."""
        found = chunked.critical_components(self.prediction, self.label, connectivity=self.connectivity)
        n_splits, n_merges = compute(found.n_splits, found.n_merges)
        return int(n_splits), int(n_merges)

    def information(self) -> tuple[float, float]:
        """Return the parts of the variation of information, of splits and of merges."""
        splits, merges, *_ = self._compare(foreground_only=False)
        return float(splits), float(merges)

    def rand_error(self) -> float:
        """Return the adapted Rand error."""
        return float(self._compare(foreground_only=True)[2])

    def _compare(self, *, foreground_only: bool) -> NDArray[np.float64]:
        options = {"instances": self.instances is not None, "foreground_only": foreground_only}
        errors: NDArray[np.float64] = compute(compare_partitions(self._ids(), self.connectivity, **options))[0]
        return errors

    def matches(self) -> Matches:
        """Return how many objects match."""
        is_given = self.instances is not None
        tasks, table = tabulate(self._ids(), self.connectivity, instances=is_given, foreground_only=False)
        found, true, shared = (torch.from_numpy(column) for column in compute(tasks.collection(table))[0])
        return match_pairs(found, true, shared, LOWEST_IOU)

    def neurons(self) -> SkeletonScores:
        """Return the scores of skeletons."""
        if self.skeletons is None:
            raise ValueError("expected --swc, as skeletons of the label's objects are not traced in chunks")
        ids = self.prediction if self.instances is None else self.instances[0]
        if self.instances is None:
            ids = chunked.label_components(ids, connectivity=self.connectivity).labels
        return score_nodes(look_up(ids, self.skeletons, self.spacing, take), self.skeletons, MIN_NODES)[0]

    def _ids(self) -> Pair:
        """Return the masks, or the ids that are given, and where voxels do not count."""
        prediction, label = self.instances or (self.prediction, self.label)
        ignored = None if self.counts is None else as_volume("counts", ~self.counts, shape_of=("label", label))
        return Pair(as_volume("prediction", prediction, shape_of=("label", label)), as_volume("label", label), ignored)


def take(array: Any, where: tuple[NDArray[np.int64], ...]) -> NDArray[Any]:
    """Return the values of a dask array at indices along each axis."""
    values: NDArray[Any] = compute(array.vindex[where])[0] if len(where[0]) else np.zeros(0, array.dtype)
    return values


def count(function: Callable[..., Any], *arrays: Any) -> NDArray[np.int64]:
    """Add up what a function counts in each block of arrays."""
    volumes = [as_volume("array", each, shape_of=("array", arrays[0])) for each in arrays]
    tasks = Tasks(*(each.array for each in volumes))
    blocks = for_each(tasks, function, *volumes, keep=True)
    sums: NDArray[np.int64] = compute(tasks.collection(tasks.add(_add_up, list(blocks.values()))))[0]
    return sums


def _add_up(counts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    total: NDArray[np.int64] = np.array(counts, np.int64).sum(axis=0)
    return total


def _count_both(prediction: NDArray[np.bool_], label: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.array([np.count_nonzero(mask) for mask in (prediction, label, prediction & label)], np.int64)


def _count_within(
    skeleton: NDArray[np.bool_], true_skeleton: NDArray[np.bool_], prediction: NDArray[np.bool_],
    label: NDArray[np.bool_],
) -> NDArray[np.int64]:  # fmt: skip
    masks = skeleton & label, skeleton, true_skeleton & prediction, true_skeleton
    return np.array([np.count_nonzero(mask) for mask in masks], np.int64)
