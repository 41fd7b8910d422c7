"""Skeletons as graphs of branches between ends and junctions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss.backends import graph_backend
from monai_topoloss.backends.base import Branches
from monai_topoloss.topology._each_object import Objects

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["skeleton_graph"]

MEASURES = ("length", "tortuosity", "mean_radius", "min_radius")  # of branches
_KINDS = ("point", "end", "ring", "junction")  # of nodes, by their number of links


def skeleton_graph(
    instances: Tensor | NDArray[np.generic],
    *,
    spacing: float | Sequence[float] | None = None,
    prune: float | None = None,
    prune_factor: float | None = None,
    method: str | None = None,
    backend: str = "auto",
) -> nx.MultiGraph:
    r"""Make a graph of the skeleton of a mask, or of each instance: ends and junctions, and the branches between them.

    Voxels of the skeleton are linked to their neighbours, across diagonals too, but not past a third voxel that is
    nearer to both. Those with one link are ends, and those with three or more junctions; junctions that are linked to
    each other are one, at their mean position. A ring without a junction has one node, at its first voxel, and a
    skeleton of a single voxel is a node alone. Instances are thinned one by one, so that those that touch have graphs
    apart. Components of the graph are those of the mask, and so are its loops, but for those around cavities and within
    a junction, as around a hole of one voxel.

    Args:
        instances: ids from 0 on, or a mask, ``(*spatial)`` in 2-D or 3-D; 0 is background.
        spacing: size of a voxel along each axis, or one number for all, by which lengths are measured. Default: 1.
        prune: how long end branches must be to stay, see `skeletonize`. Default: none goes.
        prune_factor: how long they must be, times the radius there, see `skeletonize`. Default: none goes.
        method: of thinning, see `skeletonize`.
        backend: where to thin, ``"auto"`` follows ``instances``.

    Returns:
        A `networkx.MultiGraph`. Nodes are numbers from 0 on, object by object in raster order, with

        - ``position``: index times ``spacing``, a tuple;
        - ``object``: the id;
        - ``kind``: ``"end"``, ``"junction"``, ``"ring"`` or ``"point"``;
        - ``radius``: the distance to the nearest voxel that is not of the object, from centre to centre, the largest
          at a junction. What is beyond the image does not count; infinity if the object is all there is.

        Edges are branches with

        - ``object``: the id;
        - ``length``: from the position of one node to that of the other, along the voxels;
        - ``tortuosity``: the length divided by the distance of the nodes; infinity for closed ones;
        - ``mean_radius``, ``min_radius``: over the voxels between the nodes, or those of the nodes if there are none;
        - ``path``: positions along it, nodes included, float64 ``(points, axes)``.

    Raises:
        TypeError: if ``instances`` is no tensor or array of real numbers, or a length or ``spacing`` no number.
        ValueError: if the rank is not 2-D or 3-D, ids are negative or no whole numbers, a length is negative, or
            ``spacing`` is not above 0 or has another length.

    Example:
        >>> import numpy as np
        >>> cross = np.zeros((9, 9), bool)
        >>> cross[4], cross[:, 4] = True, True
        >>> graph = skeleton_graph(cross, spacing=0.5)
        >>> sorted(kind for _, kind in graph.nodes(data="kind"))
        ['end', 'end', 'end', 'end', 'junction']
        >>> graph.size(weight="length")
        8.0
    """
    return to_graph(Objects(instances, spacing, method=method, backend=backend, prune=prune, prune_factor=prune_factor))


def to_graph(objects: Objects) -> nx.MultiGraph:
    """Return what `skeleton_graph` does of objects."""
    import networkx as nx

    arrays, graph = graph_backend(), nx.MultiGraph()
    for each in objects:
        branches = arrays.trace_branches(each.skeleton, objects.sizes)
        radii = arrays.radii_at(each.mask, branches.places, objects.sizes)
        corner = each.corner * objects.sizes
        branches = branches._replace(positions=branches.positions + corner)
        _add(graph, branches, branches.places * objects.sizes + corner, radii, each.number)
    return graph


def _add(
    graph: nx.MultiGraph, branches: Branches, places: NDArray[np.float64], radii: NDArray[np.float64], number: int
) -> None:
    """Add the branches of an object, whose voxels have places and radii."""
    first = len(graph)
    of_nodes = np.flatnonzero(branches.node_of >= 0)
    counts, largest = (branches.largest(of_nodes, values[of_nodes]) for values in (branches.links, radii))
    for node, position in enumerate(branches.positions.tolist()):
        kind = _KINDS[min(int(counts[node]), len(_KINDS) - 1)]
        graph.add_node(first + node, position=tuple(position), object=number, kind=kind, radius=float(largest[node]))
    ends = branches.ends()
    chords = np.linalg.norm(np.diff(branches.positions[ends], axis=1)[:, 0], axis=1)
    with np.errstate(divide="ignore"):
        tortuosity = np.where(ends[:, 0] == ends[:, 1], np.inf, branches.lengths / chords)
    columns = [column.tolist() for column in (branches.lengths, tortuosity, *_radii_of(branches, radii))]
    rows = zip((first + ends).tolist(), *columns, _paths_of(branches, places), strict=True)
    for (one, other), *values, path in rows:
        graph.add_edge(one, other, object=number, **dict(zip(MEASURES, values, strict=True)), path=path)


def _radii_of(branches: Branches, radii: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the least radius of each branch, without its nodes if there is something between."""
    begins, ends = branches.limits[:-1], branches.limits[1:]
    if not len(begins):
        return np.zeros(0), np.zeros(0)
    counts = np.ones(len(branches.path), np.bool_)
    for ends_of_longer in (begins[ends - begins > 2], ends[ends - begins > 2] - 1):
        counts[ends_of_longer] = False
    own = radii[branches.path]
    means = np.add.reduceat(np.where(counts, own, 0), begins) / np.add.reduceat(counts, begins, dtype=np.int64)
    return means, np.minimum.reduceat(np.where(counts, own, np.inf), begins)


def _paths_of(branches: Branches, places: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the positions along each branch, from node to node, each once."""
    begins, ends = branches.limits[:-1], branches.limits[1:]
    if not len(begins):
        return []
    nodes = branches.positions[branches.ends()]
    points = np.insert(places[branches.path], begins, nodes[:, 0], axis=0)
    points = np.insert(points, ends + np.arange(1, len(ends) + 1), nodes[:, 1], axis=0)
    limits = begins + 2 * np.arange(len(begins))
    is_new = np.ones(len(points), np.bool_)
    is_new[1:] = np.any(np.diff(points, axis=0), axis=1)
    is_new[limits] = True
    return np.split(points[is_new], np.cumsum(is_new)[limits[1:] - 1])
