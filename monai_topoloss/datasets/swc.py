"""Skeletons in SWC files, as neurons are traced in."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from monai_topoloss._checks.options import check_option

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["read_swc"]

_ORDERS = ("zyx", "xyz")


def read_swc(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, order: str = "zyx") -> nx.Graph:
    r"""Read skeletons of neurons, one from each SWC file, as `monai_topoloss.topology.skeleton_graph` makes them.

    A line of a file is a node: its number, type, x, y, z, radius, and the number of the node that it is joined to, or
    -1 for none. A comment ``# OFFSET x y z`` is added to all positions of its file.

    Args:
        paths: a file, a folder of files that end in ``.swc``, or several files.
        order: of the axes in the positions: that of the volume. ``"zyx"`` for arrays with planes first, as TIFF files
            and most of microscopy have them; ``"xyz"`` for NIfTI files.

    Returns:
        A `networkx.Graph`: nodes have a ``position`` in the units of the file, an ``object``, which counts files from 1
        on in the order of their names or as given, a ``radius`` and a ``type``; edges have a ``length``.

    Raises:
        FileNotFoundError: if there is no such file, or none at all.
        ValueError: if a line is none of a node, a number comes twice or is missing, a node is joined to itself, or
            ``order`` is unknown.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "neuron.swc")
        >>> _ = path.write_text("# a comment\n1 2 0 0 0 1.5 -1\n2 2 3 4 0 1.5 1\n")
        >>> graph = read_swc(path)
        >>> graph.size(weight="length"), graph.nodes[1]["position"]
        (5.0, (0.0, 4.0, 3.0))
    """
    import networkx as nx

    check_option("order", order, _ORDERS)
    graph = nx.Graph()
    for owner, path in enumerate(_list_files(paths), 1):
        first = graph.number_of_nodes()
        nodes, offset = _read(path)
        for number, node in enumerate(nodes.values(), first):
            place = tuple(a + b for a, b in zip(node.place, offset, strict=True))
            position = place if order == "xyz" else place[::-1]
            graph.add_node(number, position=position, object=owner, radius=node.radius, type=node.kind)
        places = {name: first + index for index, name in enumerate(nodes)}
        for name, node in nodes.items():
            if node.parent < 0:
                continue
            if node.parent not in places or node.parent == name:
                raise ValueError(f"Expected another node for {name} in {path} to be joined to, got {node.parent}.")
            ends = places[name], places[node.parent]
            graph.add_edge(*ends, length=math.dist(*(graph.nodes[end]["position"] for end in ends)))
    return graph


class _Node(NamedTuple):
    kind: int
    place: tuple[float, ...]  # x, y, z
    radius: float
    parent: int


def _list_files(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    if not isinstance(paths, str | os.PathLike):
        files = list(map(Path, paths))
    elif not Path(paths).is_dir():
        files = [Path(paths)]
    else:  # hidden files are those of an operating system
        files = sorted(each for each in Path(paths).iterdir() if each.suffix.lower() == ".swc" and each.name[0] != ".")
    if not files:
        raise FileNotFoundError(f"Expected files that end in .swc in {paths}, got none.")
    return files


def _read(path: Path) -> tuple[dict[int, _Node], tuple[float, ...]]:
    """Return the nodes of a file by their numbers, and the offset of all."""
    nodes: dict[int, _Node] = {}
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    # Only comments hold letters, in whatever encoding.
    text = path.read_bytes().decode("utf-8-sig", errors="replace").replace("\r", "\n")
    for line in text.split("\n"):
        words = line.split()
        if words[:2] == ["#", "OFFSET"]:
            offset = _parse_offset(words[2:]) or offset
        if words and not words[0].startswith("#"):
            number, node = _parse_node(words, line, path)
            if number in nodes:
                raise ValueError(f"Expected each node of {path} once, got {number} again.")
            nodes[number] = node
    return nodes, offset


def _parse_offset(words: list[str]) -> tuple[float, ...] | None:
    """Return three numbers, if that is what words are."""
    try:
        numbers = tuple(map(float, words))
    except ValueError:
        return None
    return numbers if len(numbers) == 3 and all(map(math.isfinite, numbers)) else None


def _parse_node(words: list[str], line: str, path: Path) -> tuple[int, _Node]:
    """Return the number of a node, and the rest; whole numbers may be written as 1.0."""
    try:
        numbers = [float(word) for word in words[:7]]
        number, kind, parent = (int(numbers[k]) for k in (0, 1, 6))
        is_valid = all(map(math.isfinite, numbers)) and [number, kind, parent] == [numbers[k] for k in (0, 1, 6)]
    except (IndexError, ValueError, OverflowError):
        is_valid = False
    if not is_valid:
        raise ValueError(f"Expected number, type, x, y, z, radius and parent in {path}, got {line.strip()!r}.")
    return number, _Node(kind, tuple(numbers[2:5]), numbers[5], parent)
