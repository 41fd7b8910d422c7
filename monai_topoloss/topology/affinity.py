"""Instances as graphs of voxels: affinities of ids, components of affinities, and the mistakes that split or merge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.affinities import check_affinity, check_edges, check_ids_of_edges
from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_ignore_index, check_int
from monai_topoloss._checks.tensors import IDS, check_same_device, check_tensor, like
from monai_topoloss._edges import Edges, at_edges, join_equal
from monai_topoloss._labels import has_id
from monai_topoloss.backends import backend_for
from monai_topoloss.topology._items import as_ids, as_items

__all__ = ["CriticalAffinitiesResult", "affinities", "critical_affinities", "label_affinities"]


class CriticalAffinitiesResult(NamedTuple):
    """What `critical_affinities` returns."""

    splits: Tensor | NDArray[np.bool_]
    merges: Tensor | NDArray[np.bool_]
    n_splits: Tensor | NDArray[np.int64]
    n_merges: Tensor | NDArray[np.int64]


def affinities(
    instances: Tensor | NDArray[np.generic], edges: Sequence[Sequence[int]], *, ignore_index: int | None = None
) -> Tensor | NDArray[np.bool_]:
    """Say which voxels belong to the same instance as the ones an edge further.

    Args:
        instances: ids from 0 on, ``(..., *spatial)`` with as many spatial axes as an edge has steps; 0 is background.
        edges: steps from a voxel to another one: ``[(1, 0), (0, 1)]`` for the nearest neighbours in 2-D. They may be
            longer, and negative.
        ignore_index: an id that is background here.

    Returns:
        Bool, ``(..., edges, *spatial)``: whether a voxel and the one an edge further have the same id other than 0;
        False where that one is outside. Of the kind of ``instances`` and on its device.

    Raises:
        TypeError: if ``instances`` is no tensor or array of real numbers, or ``edges`` are no sequences of ints.
        ValueError: if ``edges`` are empty, of different length or zero, ``instances`` has fewer axes, or ids are
            negative or no whole numbers.

    Example:
        >>> import numpy as np
        >>> affinities(np.array([[1, 1, 2], [0, 1, 2]]), [(1, 0), (0, 1)]).astype(int)
        array([[[0, 1, 1],
                [0, 0, 0]],
        <BLANKLINE>
               [[1, 0, 0],
                [0, 0, 0]]])
    """
    edges = check_edges(edges)
    ids = clean_ids("instances", instances, edges, ignore_index)
    return cast("Tensor | NDArray[np.bool_]", like(join_equal(ids, edges), instances, is_image=False))


def label_affinities(
    affinity: Tensor | NDArray[np.generic], edges: Sequence[Sequence[int]], *, backend: str = "auto"
) -> Tensor | NDArray[np.int32 | np.int64]:
    """Number the instances that affinities make: the components of the graph of voxels that they join.

    Args:
        affinity: bool or 0 and 1, ``(..., edges, *spatial)``: whether a voxel belongs to the one an edge further.
            Where that one is outside, it does not matter.
        edges: steps from a voxel to another one, see `affinities`. Each joins: leave out those that only part.
        backend: ``"auto"`` computes on the affinities' device where that is possible; ``"cpu"`` or ``"cuda"`` force
            one.

    Returns:
        Int32, ``(..., *spatial)``, or int64 for images of 2^31 voxels or more: instances count from 1 on in raster
        order, in each image. Voxels that are joined to no other one are 0. Of the kind of ``affinity`` and on its
        device.

    Raises:
        TypeError: if ``affinity`` is no tensor or array of real numbers, or ``edges`` are no sequences of ints.
        ValueError: if ``edges`` are empty, of different length or zero, or ``affinity`` has another shape or other
            values than 0 and 1.
        ImportError: if ``backend="cuda"`` cannot be had.

    Example:
        >>> import numpy as np
        >>> label_affinities(np.array([[[1, 0, 0, 1, 1]]]), [(0, 1)])
        array([[1, 1, 0, 2, 2]], dtype=int32)
    """
    edges = check_edges(edges)
    joined = check_affinity("affinity", affinity, edges)
    labels = backend_for(joined, backend).label_affinities(as_items(joined, len(edges[0]) + 1), edges=edges)
    lead, spatial = _split(joined, edges)
    return cast(
        "Tensor | NDArray[np.int32 | np.int64]", like(labels.reshape(*lead, *spatial), affinity, is_image=False)
    )


def critical_affinities(
    input: Tensor | NDArray[np.generic],
    target: Tensor | NDArray[np.generic],
    edges: Sequence[Sequence[int]],
    *,
    ignore_index: int | None = None,
    tolerance: int = 0,
    backend: str = "auto",
) -> CriticalAffinitiesResult:
    """Find the mistakes among affinities that split or merge instances.

    Instances that touch are told apart by affinities alone: if two are predicted as one, no voxel is wrong, but the
    affinities between them are. The true ones are those of `affinities`; objects are components of the graph that
    affinities make.

    The affinities that both sides have make the *remainder*: its voxels are their ends, its components the voxels that
    they join. Missed affinities make a component where they share a voxel without remainder, and so do invented ones.
    A component is critical if it touches several components of the remainder, which it parts or joins, or none: then it
    drops an object, or makes up one. A component that touches one only makes an object thinner or thicker. The cost is
    linear in the number of affinities.

    Counts say what the mistakes do to the number of objects. A cut through a hundred parallel affinities is one split:
    one object became two. One affinity that joins two objects is one merge. Voxels that are joined to no other are no
    objects.

    Where a border between two instances is a voxel off, a layer of the one is joined to the other. That layer is a
    component of the remainder, and by the definition it was split from the one and merged with the other. In images
    full of instances such borders can outnumber what breaks. With a ``tolerance``, layers that are no thicker than
    twice as many voxels are *slivers*: components without a voxel whose affinities within ``tolerance`` steps are all
    right, while another component of the same object has one. Slivers are no part of the remainder. Mistakes hang
    together by them, and what touches nothing but slivers is not critical.

    Args:
        input: predicted affinities, bool or 0 and 1, ``(..., edges, *spatial)``.
        target: ids of true instances, ``(..., *spatial)``; 0 is background.
        edges: steps from a voxel to another one, see `affinities`. Long ones join as short ones do: an object that is
            broken beside a right long affinity is in one piece. Leave out those that do not join where you make
            instances.
        ignore_index: a value of ``target`` where nothing counts, nor affinities with an end there.
        tolerance: how many steps deep a fragment has to be to count as an object; 0: all do.
        backend: ``"auto"`` computes on the input's device where that is possible; ``"cpu"`` or ``"cuda"`` force one.

    Returns:
        ``splits`` and ``merges``: bool, of the shape and kind of ``input`` and on its device: the affinities of
        critical components, missed and invented ones. ``n_splits`` and ``n_merges``: int64, in the shape of the axes
        before.

    Raises:
        TypeError: if ``input`` or ``target`` is no tensor or array of real numbers, ``edges`` are no sequences of ints,
            or ``ignore_index`` or ``tolerance`` is no int.
        ValueError: if ``edges`` are empty, of different length or zero, shapes or devices do not fit, ``input`` holds
            other values than 0 and 1, ids are negative or no whole numbers, or ``tolerance`` is negative.
        ImportError: if ``backend="cuda"`` cannot be had.

    Example:
        >>> import numpy as np
        >>> target = np.array([[1, 1, 1, 2, 2]])
        >>> found = critical_affinities(np.array([[[1, 1, 1, 1, 0]]]), target, [(0, 1)])
        >>> found.merges.astype(int), int(found.n_merges)
        (array([[[0, 0, 1, 0, 0]]]), 1)

    References:
        A. Grim, J. Chandrashekar and U. Sümbül, Efficient Connectivity-Preserving Instance Segmentation with
        Supervoxel-Based Loss Function, AAAI 2025, for components of voxels. That edges decide about pairs of objects
        is the idea of MALIS: S. C. Turaga, K. Briggman et al., Maximin affinity learning of image segmentation, NeurIPS
        2009.
    """
    edges = check_edges(edges)
    check_int("tolerance", tolerance, minimum=0)
    joined = check_affinity("input", input, edges)
    ids = clean_ids("target", target, edges, ignore_index)
    check_same_device("target", ids, joined)
    lead, spatial = _split(joined, edges)
    if tuple(ids.shape) != (*lead, *spatial):
        raise ValueError(f"Expected `target` of shape {(*lead, *spatial)}, got {tuple(ids.shape)}.")
    if ignore_index is not None:
        counts = ~has_id(check_tensor("target", target), ignore_index)
        joined = joined & at_edges(counts, edges, torch.logical_and)
    found = backend_for(joined, backend).critical_affinities(
        as_items(joined, len(edges[0]) + 1), as_items(ids, len(edges[0])), edges=edges, tolerance=tolerance
    )
    return CriticalAffinitiesResult(
        *(like(mask.reshape(joined.shape), input, is_image=False) for mask in (found.splits, found.merges)),
        *(like(count.reshape(lead), input, is_image=False) for count in (found.n_splits, found.n_merges)),
    )


def clean_ids(name: str, value: Tensor | NDArray[np.generic], edges: Edges, ignore: int | None) -> Tensor:
    """Check ids; return them, 0 where they are ignored, as a plain tensor."""
    check_ignore_index(ignore)
    ids = check_tensor(name, value, keep=IDS if ignore is None else ())
    check_ids_of_edges(name, ids, edges)
    if ignore is not None:
        ids = ids.masked_fill(has_id(ids, ignore), 0)
    check_class_ids(name, ids)
    return as_ids(ids)


def _split(affinity: Tensor, edges: Edges) -> tuple[torch.Size, torch.Size]:
    """Return the sizes before the axis of edges, and those after it."""
    axis = affinity.ndim - len(edges[0]) - 1
    return affinity.shape[:axis], affinity.shape[axis + 1 :]
