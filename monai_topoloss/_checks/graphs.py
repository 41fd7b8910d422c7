"""Graphs of skeletons."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_skeletons(
    graph: Any, spatial_dims: int, *, name: str = "skeletons", image: str = "segmentation"
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return positions and objects of a graph's nodes, and ends and lengths of its edges, as arrays.

    ``name`` and ``image`` are the arguments that the graph and the number of axes came from.
    """
    if not hasattr(graph, "nodes") or not hasattr(graph, "edges"):
        raise TypeError(f"Expected `{name}` to be a networkx.Graph, got {type(graph).__name__}.")
    numbers = {node: k for k, node in enumerate(graph.nodes)}
    try:
        positions = np.array([place for _, place in graph.nodes(data="position")], np.float64)
        objects = np.array([operator.index(owner) for _, owner in graph.nodes(data="object")], np.int64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"Expected the nodes of `{name}` to have a `position` and an `object`, an int.") from error
    if len(numbers) and (positions.ndim != 2 or positions.shape[1] != spatial_dims or not np.isfinite(positions).all()):
        raise ValueError(
            f"Expected each `position` in `{name}` to have {spatial_dims} coordinates, as `{image}` has axes."
        )
    positions = positions.reshape(-1, spatial_dims)
    edges = list(graph.edges(data="length"))
    ends = np.array([(numbers[a], numbers[b]) for a, b, _ in edges], np.int64).reshape(-1, 2)
    if (objects[ends[:, 0]] != objects[ends[:, 1]]).any():
        raise ValueError(f"Expected each edge of `{name}` between nodes of one `object`.")
    apart = np.linalg.norm(positions[ends[:, 0]] - positions[ends[:, 1]], axis=1)
    given = [gap if length is None else length for (*_, length), gap in zip(edges, apart, strict=True)]
    lengths = np.array(given, np.float64)
    if not (lengths >= 0).all():
        raise ValueError(f"Expected each `length` in `{name}` to be at least 0.")
    return positions, objects, ends, lengths


def check_radii(name: str, graph: Any, *, default: float | None = None) -> NDArray[np.float64]:
    """Return the radii of a graph's nodes, which are finite and not negative; without a default none may be missing."""
    given = [radius for _, radius in graph.nodes(data="radius", default=default)]
    for node, radius in zip(graph.nodes, given, strict=True):
        if radius is None:
            raise ValueError(f"Expected each node of `{name}` to have a `radius`, got none for {node!r}.")
    try:
        radii = np.array(given, np.float64).reshape(len(given))
    except (TypeError, ValueError) as error:
        raise TypeError(f"Expected each `radius` in `{name}` to be a number.") from error
    wrong = radii[~((radii >= 0) & (radii < np.inf))]
    if len(wrong):
        raise ValueError(f"Expected each `radius` in `{name}` to be finite and at least 0, got {wrong[0]}.")
    return radii
