"""Branches of skeletons as a table, and skeletons as SWC files, for the command ``skeletonize``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx
import numpy as np

from monai_topoloss.cli.files import UsageError
from monai_topoloss.cli.placement import spacing_of
from monai_topoloss.cli.table import CsvTable
from monai_topoloss.datasets.swc import write_each_swc, write_swc
from monai_topoloss.topology._each_object import Objects
from monai_topoloss.topology.skeleton_graph import MEASURES, to_graph
from monai_topoloss.topology.skeleton_trees import to_trees

_PLACES = tuple(f"{end}_{axis}" for end in ("from", "to") for axis in "xyz")
_COLUMNS = ("case", "object", "branch", "from", "to", *MEASURES, *_PLACES)


class GraphWriter(NamedTuple):
    """Where graphs go, if anywhere."""

    table: CsvTable
    swc: Path | None  # folder

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to write."""
        return self.table.file is not None or self.swc is not None

    def write(self, name: str, label: Any, *, each: bool, thinning: dict[str, Any]) -> None:
        """Write the graph of a label, x first, in the units of its affine, or in voxels if it has none.

        Args:
            name: of the case.
            label: a MetaTensor, see `monai_topoloss.cli.files.read_label`.
            each: whether each value is an object; else all together are one.
            thinning: options of `monai_topoloss.topology.skeletonize`.
        """
        objects = Objects(
            label.numpy() if each else (label.numpy() != 0).astype(np.uint8),
            spacing_of(label.meta.get("original_affine"), label.ndim),
            method=thinning["method"],
            prune=thinning["prune"],
            prune_factor=thinning["prune_factor"],
            prune_spacing=thinning["spacing"] or 1,
        )
        if self.table.file is not None:
            self.table.write_cells(name, list(_describe(to_graph(objects), label.ndim)))
        if self.swc is not None:
            self._write_swc(self.swc / name, to_trees(objects), each=each)

    @staticmethod
    def _write_swc(place: Path, trees: nx.Graph, *, each: bool) -> None:
        if any(math.isinf(radius) for _, radius in trees.nodes(data="radius")):
            raise ValueError("--swc needs radii, which there are none of without background")
        place.parent.mkdir(parents=True, exist_ok=True)
        if each and len(trees):
            write_each_swc(trees, place, order="xyz")
        else:
            write_swc(trees, place.with_name(f"{place.name}.swc"), order="xyz")


@contextmanager
def writing_graphs(table: Path | None, swc: Path | None) -> Iterator[GraphWriter]:
    """Open what graphs are written to.

    Raises:
        UsageError: if it cannot be written to.
    """
    if swc is not None and swc.exists() and not swc.is_dir():
        raise UsageError(f"--swc must be a folder, got {swc}")
    try:
        opened = CsvTable(table, _COLUMNS)
    except OSError as error:
        raise UsageError(f"--graph cannot be written: {error}") from error
    with opened:
        yield GraphWriter(opened, swc)


def _describe(graph: nx.MultiGraph, ndim: int) -> Iterator[Sequence[object]]:
    """Yield the row of each branch."""
    for number, (*ends, branch) in enumerate(graph.edges(data=True), 1):
        nodes = [graph.nodes[end] for end in ends]
        places = [cell for node in nodes for cell in _at(node, ndim)]
        yield branch["object"], number, *(node["kind"] for node in nodes), *(branch[name] for name in MEASURES), *places


def _at(node: dict[str, Any], ndim: int) -> list[object]:
    return [*node["position"], *[""] * (3 - ndim)]
