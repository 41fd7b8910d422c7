"""Neuron scores: how much of the skeletons of true objects a segmentation has in one piece."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.graphs import check_skeletons
from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_int, check_spacing
from monai_topoloss._checks.tensors import IDS, check_rank, check_tensor
from monai_topoloss.topology._items import as_ids
from monai_topoloss.topology.skeleton_trees import Skeletons

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["MIN_NODES", "SkeletonScores", "score_skeletons"]

MIN_NODES = 10  # of another skeleton, for a segment to count as merged


class SkeletonScores(NamedTuple):
    """What `score_skeletons` returns: arrays with a value for each object, or numbers for all together.

    Shares are of the number of edges, lengths in the units of the skeletons' positions.
    """

    correct: Any  # share of edges within one segment, which holds no other object: the edge accuracy
    split: Any  # share of edges between two segments
    omitted: Any  # share of edges with an end in no segment
    merged: Any  # share of edges within a segment that holds another object
    erl: Any  # expected run length
    normalized_erl: Any  # 1 is perfect
    n_splits: Any  # pieces within segments, less those that there are anyway
    n_merges: Any  # segments that hold an object and another one, counted for each object
    split_rate: Any  # length for each split
    merge_rate: Any  # length for each merge
    length: Any


def score_skeletons(
    segmentation: Tensor | NDArray[np.generic],
    skeletons: nx.Graph,
    *,
    spacing: float | Sequence[float] | None = None,
    min_nodes: int = MIN_NODES,
) -> tuple[SkeletonScores, dict[int, SkeletonScores]]:
    r"""Score a segmentation by the skeletons of the true objects, as neuron reconstructions are scored.

    A node of a skeleton lies in the segment of the voxel around it. Each edge is *omitted* if an end lies in no
    segment, *split* if its ends lie in two, *merged* if its segment holds another object too, by at least ``min_nodes``
    nodes of that one's skeleton, and *correct* otherwise. Runs are the pieces that correct edges of one segment make:

    .. math::

        \mathrm{ERL} = \frac{1}{L} \sum_r \ell_r^2

    with the length :math:`\ell_r` of each run and :math:`L` of all skeletons: for a random point on a skeleton, the
    expected length of the correct run that holds it, which is 0 where there is none. The normalised ERL divides that of
    each object by what a perfect segmentation has, its length if it is in one piece; for all objects together it is
    their mean, weighed by length. Splits are the pieces that a skeleton lies in within segments, less one for each of
    its own; merges are the segments that hold an object and another one too, each by at least ``min_nodes`` nodes.

    A run ends at each mistake, also where the segment beyond a gap is the same; that is stricter than to add up all
    that an object has in one segment, and published figures by such a rule are higher.

    Args:
        segmentation: ids of segments, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        skeletons: of the true objects, from `monai_topoloss.topology.skeleton_trees` or
            `monai_topoloss.datasets.read_swc`: nodes have a ``position`` and an ``object``. Edges without ``length``
            are as long as their ends are apart.
        spacing: size of a voxel along each axis in the units of the positions, or one number for all. Default: 1.
        min_nodes: how many nodes of another object make a segment a merged one, and how many of its own an object has
            there for a merge to count: a few may lie there by the noise of borders.

    Returns:
        The scores of all objects together, and those of each by its id. Without a split or merge, the rates are
        infinite; without an edge, shares and run lengths are NaN. Nodes outside of the image lie in no segment.

    Raises:
        TypeError: if ``segmentation`` is no tensor or array of real numbers, or ``skeletons`` is no graph of such.
        ValueError: if the rank is not 2-D or 3-D or that of the positions, or ids are negative or no whole numbers.

    Example:
        >>> import numpy as np
        >>> from monai_topoloss.topology import skeleton_trees
        >>> neurite = np.zeros((3, 13), int)
        >>> neurite[1, 1:12] = 1
        >>> halves = neurite.copy()
        >>> halves[1, 7:] *= 2
        >>> total, each = score_skeletons(halves, skeleton_trees(neurite))
        >>> total.n_splits, total.correct, total.erl, total.length
        (1, 0.9, 4.1, 10.0)

    References:
        M. Januszewski et al., High-precision automated reconstruction of neurons with flood-filling networks, Nature
        Methods 15, 2018.
    """
    ids = check_tensor("segmentation", segmentation, keep=IDS)
    spatial_dims = check_rank("segmentation", ids)
    check_class_ids("segmentation", ids)
    check_int("min_nodes", min_nodes, minimum=1)
    sizes = check_spacing(spacing, spatial_dims)
    traced = Skeletons(*check_skeletons(skeletons, spatial_dims))
    return score_nodes(look_up(as_ids(ids).numpy(force=True), traced, sizes), traced, min_nodes)


def score_nodes(
    segment: NDArray[np.int64], skeletons: Skeletons, min_nodes: int
) -> tuple[SkeletonScores, dict[int, SkeletonScores]]:
    """Do what `score_skeletons` does, given the segment at each node, 0 for background."""
    ids, owner = np.unique(skeletons.objects, return_inverse=True)
    is_merged = _find_merged(owner, segment, min_nodes)
    ends, lengths = skeletons.edges, skeletons.lengths
    here, there = segment[ends[:, 0]], segment[ends[:, 1]]
    omitted = (here == 0) | (there == 0)
    split = ~omitted & (here != there)
    merged = ~omitted & ~split & is_merged[ends[:, 0]]
    correct = ~(omitted | split | merged)
    # Of each object: numbers of edges of each kind, length, squared lengths of runs and of its own pieces, and so on.
    of_edge = owner[ends[:, 0]]
    kinds = [_add_up(kind, of_edge, len(ids)) for kind in (correct, split, omitted, merged)]
    length = _add_up(lengths, of_edge, len(ids))
    squares = _add_up(*_square_runs(ends[correct], lengths[correct], owner), len(ids))
    of_whole = _add_up(*_square_runs(ends, lengths, owner), len(ids))
    is_found = segment != 0
    pieces = _count_pieces(ends[correct | merged], owner, is_found, len(ids))
    n_splits = pieces - _count_pieces(ends, owner, is_found, len(ids))
    shared, count = np.unique(np.stack([owner, segment])[:, is_merged], axis=1, return_counts=True)
    shared = shared[:, count >= min_nodes]
    numbers = [*kinds, length, squares, n_splits, np.bincount(shared[0], minlength=len(ids))]
    normalized = _divide(squares, of_whole)
    each = _as_scores(*numbers, normalized_erl=normalized)
    mean = _divide(np.nansum(length * normalized), length.sum())
    total = _as_scores(*(number.sum() for number in numbers), normalized_erl=mean)
    by_object = {int(value): SkeletonScores(*(score[k].item() for score in each)) for k, value in enumerate(ids)}
    return SkeletonScores(*(score.item() for score in total)), by_object


def leave_out(skeletons: Skeletons, ignored: NDArray[np.bool_]) -> Skeletons:
    """Return skeletons without the nodes that are ignored."""
    stays = ~ignored
    of_edge = stays[skeletons.edges].all(axis=1)
    number = np.cumsum(stays) - 1
    edges, lengths = number[skeletons.edges[of_edge]], skeletons.lengths[of_edge]
    return Skeletons(skeletons.positions[stays], skeletons.objects[stays], edges, lengths)


def _as_scores(
    correct: Any, split: Any, omitted: Any, merged: Any, length: Any, squares: Any, n_splits: Any, n_merges: Any, *,
    normalized_erl: Any,
) -> SkeletonScores:  # fmt: skip
    """Make scores of numbers of edges, lengths, squared lengths of runs, and numbers of splits and merges."""
    edges = correct + split + omitted + merged
    return SkeletonScores(
        correct=_divide(correct, edges),
        split=_divide(split, edges),
        omitted=_divide(omitted, edges),
        merged=_divide(merged, edges),
        erl=_divide(squares, length),
        normalized_erl=normalized_erl,
        n_splits=n_splits,
        n_merges=n_merges,
        split_rate=np.where(n_splits > 0, _divide(length, n_splits), np.inf),
        merge_rate=np.where(n_merges > 0, _divide(length, n_merges), np.inf),
        length=length,
    )


def _divide(a: Any, b: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.float64(1) * a / b


def _add_up(values: NDArray[Any], of: NDArray[np.int64], n_objects: int) -> NDArray[np.float64]:
    return np.bincount(of, weights=values, minlength=n_objects).astype(np.float64)


def look_up(
    segmentation: Any,
    skeletons: Skeletons,
    spacing: Sequence[float] | None,
    take: Callable[[Any, tuple[NDArray[np.int64], ...]], NDArray[Any]] = operator.getitem,
) -> NDArray[np.int64]:
    """Return the segment of the voxel around each node, 0 outside of the image.

    Args:
        segmentation: array of ids.
        skeletons: whose nodes are meant.
        spacing: size of a voxel along each axis; None: 1.
        take: returns the values of the array at indices along each axis.
    """
    sizes = np.array(spacing or (1.0,) * segmentation.ndim)
    voxels = np.floor(skeletons.positions / sizes + 0.5).astype(np.int64)
    inside = ((voxels >= 0) & (voxels < segmentation.shape)).all(axis=1)
    found = np.zeros(len(voxels), np.int64)
    found[inside] = take(segmentation, tuple(voxels[inside].T))
    return found


def _find_merged(owner: NDArray[np.int64], segment: NDArray[np.int64], min_nodes: int) -> NDArray[np.bool_]:
    """Say of each node whether its segment holds that many nodes of another object."""
    pairs, of_node, counts = np.unique(np.stack([segment, owner]), axis=1, return_inverse=True, return_counts=True)
    holds = (counts >= min_nodes) & (pairs[0] != 0)
    segments, of_pair = np.unique(pairs[0], return_inverse=True)
    holders = np.bincount(of_pair, weights=holds, minlength=len(segments))
    return cast("NDArray[np.bool_]", (holders[of_pair] - holds > 0)[of_node.reshape(-1)])


def _square_runs(
    edges: NDArray[np.int64], lengths: NDArray[np.float64], owner: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the squared length of each run that edges make, and whose it is."""
    count, run = _find_pieces(edges, len(owner))
    of_run = np.zeros(count, np.int64)
    of_run[run] = owner
    return _add_up(lengths, run[edges[:, 0]], count) ** 2, of_run


def _count_pieces(
    edges: NDArray[np.int64], owner: NDArray[np.int64], counts: NDArray[np.bool_], n_objects: int
) -> NDArray[np.int64]:
    """Count the pieces that edges make of the nodes of each object that count."""
    _, piece = _find_pieces(edges, len(owner))
    _, first = np.unique(piece[counts], return_index=True)
    return np.bincount(owner[counts][first], minlength=n_objects)


def _find_pieces(edges: NDArray[np.int64], n_nodes: int) -> tuple[int, NDArray[np.int64]]:
    """Return how many components nodes fall into, and which each is of."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges), np.int8), tuple(edges.T)), shape=(n_nodes, n_nodes))
    count, labels = connected_components(graph, directed=False)
    return int(count), labels.astype(np.int64)
