"""Neuron scores by the book: edge by edge, with networkx."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import networkx as nx
import numpy as np


def skeleton_pieces(instances):
    """Voxels of each object's neighbours: {object: graph of voxels with all edges, lengths in voxels}."""
    graphs = defaultdict(nx.Graph)
    for voxel in map(tuple, np.argwhere(instances)):
        graphs[instances[voxel]].add_node(voxel)
    for graph in graphs.values():
        nodes = list(graph)
        for k, a in enumerate(nodes):
            for b in nodes[:k]:
                if max(abs(x - y) for x, y in zip(a, b, strict=True)) == 1:
                    graph.add_edge(a, b, length=math.dist(a, b))
    return graphs


def score(segmentation, graph, spacing, min_nodes):
    """All scores of all objects together, and of each."""

    def segment(node):
        voxel = tuple(math.floor(p / s + 0.5) for p, s in zip(graph.nodes[node]["position"], spacing, strict=True))
        inside = all(0 <= v < n for v, n in zip(voxel, segmentation.shape, strict=True))
        return int(segmentation[voxel]) if inside else 0

    held = Counter((segment(node), graph.nodes[node]["object"]) for node in graph)

    def is_merged(node):
        own = graph.nodes[node]["object"]
        others = [count for (where, other), count in held.items() if where == segment(node) and other != own]
        return segment(node) != 0 and any(count >= min_nodes for count in others)

    each = {}
    for value in sorted({data["object"] for _, data in graph.nodes(data=True)}):
        nodes = [node for node, data in graph.nodes(data=True) if data["object"] == value]
        part = graph.subgraph(nodes)
        kinds, correct, within = Counter(), nx.Graph(), nx.Graph()
        within.add_nodes_from(node for node in nodes if segment(node))
        for a, b, data in part.edges(data=True):
            if not segment(a) or not segment(b):
                kind = "omitted"
            elif segment(a) != segment(b):
                kind = "split"
            else:
                kind = "merged" if is_merged(a) else "correct"
                within.add_edge(a, b)
                if kind == "correct":
                    correct.add_edge(a, b, length=data["length"])
            kinds[kind] += 1
        runs = [correct.subgraph(c).size(weight="length") for c in nx.connected_components(correct)]
        each[value] = {
            "kinds": kinds,
            "length": part.size(weight="length"),
            "squares": sum(run**2 for run in runs),
            "n_splits": sum(
                max(nx.number_connected_components(within.subgraph(c)) - 1, 0) for c in nx.connected_components(part)
            ),
            "whole": sum(part.subgraph(c).size(weight="length") ** 2 for c in nx.connected_components(part)),
            "n_merges": len(
                {segment(node) for node in nodes if is_merged(node) and held[segment(node), value] >= min_nodes}
            ),
        }
    return _finish(each.values()), {value: _finish([one]) for value, one in each.items()}


def _finish(parts):
    kinds = sum((part["kinds"] for part in parts), Counter())
    length = sum(part["length"] for part in parts)
    normalized = sum(part["length"] * part["squares"] / part["whole"] for part in parts if part["length"])
    n_splits, n_merges = (sum(part[name] for part in parts) for name in ("n_splits", "n_merges"))
    return {
        **{name: kinds[name] / kinds.total() for name in ("correct", "split", "omitted", "merged") if kinds},
        "erl": sum(part["squares"] for part in parts) / length if length else math.nan,
        "normalized_erl": normalized / length if length else math.nan,
        "n_splits": n_splits,
        "n_merges": n_merges,
        "split_rate": length / n_splits if n_splits else math.inf,
        "merge_rate": length / n_merges if n_merges else math.inf,
        "length": length,
    }
