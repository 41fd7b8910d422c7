"""Label maps of skeletons with radii, as neurons are traced in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.graphs import check_radii, check_skeletons
from monai_topoloss._checks.options import check_int, check_spacing

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["rasterize_swc"]

_HIGHEST = np.iinfo(np.uint32).max


def rasterize_swc(
    graph: nx.Graph, shape: Sequence[int], *, spacing: float | Sequence[float] | None = None
) -> NDArray[np.uint16 | np.uint32]:
    """Draw skeletons with radii as a label map.

    The centre of a voxel is at its index times ``spacing``. A voxel belongs to an edge if the point of the segment
    between both nodes that is nearest to its centre is no further away than the radius there. Radii between nodes are
    interpolated linearly. A node without edges is a ball.

    However thin it is, an edge has the voxels that its segment runs through: those of both nodes, and in each plane of
    voxels across the axis along which it spans most voxels, the one that holds its point there. So edges stay in one
    piece, across corners, and so do objects that are one. A point is in the voxel whose centre is nearest along each
    axis, halves round up, as for `monai_topoloss.topology.score_skeletons`.

    Where objects overlap, of the edges that a voxel belongs to the nearest decides, the distance being that to the
    segment. Between equally near ones it is the lower id. Distances are compared in 32 bits: those within a thousandth
    of a voxel's shortest side may count as equal. So an object that another one crosses may be cut there. The order of
    nodes and edges changes nothing.

    Args:
        graph: from `read_swc`: nodes have a ``position``, an ``object``, the id from 1 on, and a ``radius`` in the
            units of the positions. It may have loops.
        shape: of the label map, ``(*spatial)`` in 2-D or 3-D. What is outside is cut off.
        spacing: size of a voxel along each axis in the units of the positions, or one number for all. Default: 1.

    Returns:
        The ids of objects, ``(*spatial)``, uint16, or uint32 if an id of the graph needs it; 0 is background.

    Raises:
        TypeError: if ``graph`` is no graph of such nodes, or ``shape`` or ``spacing`` hold no numbers.
        ValueError: if a radius is missing, negative or not finite, an id is below 1 or above 2^32 - 1, an edge joins
            two objects, or positions have another number of coordinates than ``shape`` has axes.

    Example:
        >>> import networkx as nx
        >>> graph = nx.Graph()
        >>> graph.add_node(0, position=(2.0, 1.0), object=3, radius=0.0)
        >>> graph.add_node(1, position=(2.0, 6.0), object=3, radius=2.0)
        >>> graph.add_edge(0, 1)
        >>> rasterize_swc(graph, (5, 9))
        array([[0, 0, 0, 0, 0, 0, 3, 0, 0],
               [0, 0, 0, 0, 3, 3, 3, 3, 0],
               [0, 3, 3, 3, 3, 3, 3, 3, 3],
               [0, 0, 0, 0, 3, 3, 3, 3, 0],
               [0, 0, 0, 0, 0, 0, 3, 0, 0]], dtype=uint16)
    """
    from monai_topoloss.backends.cpu import cones

    if not isinstance(shape, Sequence | np.ndarray):
        raise TypeError(f"Expected `shape` to be a sequence, got {type(shape).__name__}.")
    if len(shape) not in (2, 3):
        raise ValueError(f"Expected `shape` to be 2 or 3 numbers, got {tuple(shape)}.")
    for size in shape:
        check_int("shape", size, minimum=0)
    sizes = check_spacing(spacing, len(shape))
    positions, objects, edges, _ = check_skeletons(graph, len(shape), name="graph", image="shape")
    radii = check_radii("graph", graph)
    lowest, highest = objects.min(initial=1), objects.max(initial=0)
    if lowest < 1 or highest > _HIGHEST:
        raise ValueError(
            f"Expected each `object` in `graph` from 1 to {_HIGHEST}, got {lowest if lowest < 1 else highest}."
        )
    dtype: type[np.uint16 | np.uint32] = np.uint16 if highest <= np.iinfo(np.uint16).max else np.uint32
    out = np.zeros([int(size) for size in shape], dtype)
    alone = np.setdiff1d(np.arange(len(objects)), edges)
    segments = np.concatenate([edges, np.stack([alone, alone], axis=1)])
    ends = _sort_ends(np.concatenate([positions, radii[:, None]], axis=1)[segments])
    cones.draw(out, ends[..., :-1], ends[..., -1], objects[segments[:, 0]].astype(out.dtype), sizes)
    return out


def _sort_ends(ends: NDArray[Any]) -> NDArray[Any]:
    """Sort both ends of each segment, (segments, 2, numbers), by the first number in which they differ."""
    column = (ends[:, 0] != ends[:, 1]).argmax(axis=1)
    first, second = np.take_along_axis(ends, column[:, None, None], axis=2)[..., 0].T
    return np.where((first > second)[:, None, None], ends[:, ::-1], ends)
