"""Graphs of skeletons."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_skeletons(
    graph: Any, spatial_dims: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return positions and objects of a graph's nodes, and ends and lengths of its edges, as arrays."""
    if not hasattr(graph, "nodes") or not hasattr(graph, "edges"):
        raise TypeError(f"Expected `skeletons` to be a networkx.Graph, got {type(graph).__name__}.")
    numbers = {node: k for k, node in enumerate(graph.nodes)}
    try:
        positions = np.array([place for _, place in graph.nodes(data="position")], np.float64)
        objects = np.array([operator.index(owner) for _, owner in graph.nodes(data="object")], np.int64)
    except (TypeError, ValueError) as error:
        raise TypeError("Expected the nodes of `skeletons` to have a `position` and an `object`, an int.") from error
    if len(numbers) and (positions.ndim != 2 or positions.shape[1] != spatial_dims or not np.isfinite(positions).all()):
        raise ValueError(
            f"Expected each `position` in `skeletons` to have {spatial_dims} coordinates, as `segmentation` has axes."
        )
    positions = positions.reshape(-1, spatial_dims)
    edges = list(graph.edges(data="length"))
    ends = np.array([(numbers[a], numbers[b]) for a, b, _ in edges], np.int64).reshape(-1, 2)
    if (objects[ends[:, 0]] != objects[ends[:, 1]]).any():
        raise ValueError("Expected each edge of `skeletons` between nodes of one `object`.")
    apart = np.linalg.norm(positions[ends[:, 0]] - positions[ends[:, 1]], axis=1)
    given = [gap if length is None else length for (*_, length), gap in zip(edges, apart, strict=True)]
    lengths = np.array(given, np.float64)
    if not (lengths >= 0).all():
        raise ValueError("Expected each `length` in `skeletons` to be at least 0.")
    return positions, objects, ends, lengths
