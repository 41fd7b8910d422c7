"""Skeletons in SWC files, as neurons are traced in."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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
        FileNotFoundError: if there is no such file, or none in the folder.
        ValueError: if a line is none of a node, a number comes twice or is missing, or ``order`` is unknown.

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
        numbers: dict[int, int] = {}
        joined: list[tuple[int, int]] = []
        offset: tuple[float, ...] = (0.0, 0.0, 0.0)
        for index, line in enumerate(path.read_text().splitlines(), 1):
            words = line.split()
            if words[:2] == ["#", "OFFSET"] and len(words) == 5:
                offset = _floats(words[2:], path, index)
            if not words or words[0].startswith("#"):
                continue
            number, kind, parent = _node(words, path, index)
            if number in numbers:
                raise ValueError(f"Expected each node of {path} once, got {number} again in line {index}.")
            x, y, z, radius = _floats(words[2:6], path, index)
            place = (x + offset[0], y + offset[1], z + offset[2])
            numbers[number] = first + len(numbers)
            graph.add_node(
                numbers[number],
                position=place if order == "xyz" else place[::-1],
                object=owner,
                radius=radius,
                type=kind,
            )
            if parent >= 0:
                joined.append((number, parent))
        for number, parent in joined:
            if parent not in numbers:
                raise ValueError(f"Expected node {parent}, to which {number} is joined, in {path}.")
            ends = numbers[number], numbers[parent]
            graph.add_edge(*ends, length=math.dist(*(graph.nodes[end]["position"] for end in ends)))
    return graph


def _list_files(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    if not isinstance(paths, str | os.PathLike):
        return list(map(Path, paths))
    path = Path(paths)
    if not path.is_dir():
        return [path]
    files = sorted(each for each in path.iterdir() if each.suffix.lower() == ".swc")
    if not files:
        raise FileNotFoundError(f"Expected files that end in .swc in {path}, got none.")
    return files


def _node(words: list[str], path: Path, line: int) -> tuple[int, int, int]:
    """Return number, type and parent of a node."""
    try:
        return int(words[0]), int(words[1]), int(words[6])
    except (IndexError, ValueError) as error:
        raise ValueError(f"Expected number, type, x, y, z, radius and parent in line {line} of {path}.") from error


def _floats(words: list[str], path: Path, line: int) -> tuple[float, ...]:
    try:
        return tuple(map(float, words))
    except ValueError as error:
        raise ValueError(f"Expected numbers in line {line} of {path}, got {' '.join(words)}.") from error
