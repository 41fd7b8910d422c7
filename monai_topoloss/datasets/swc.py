"""Skeletons in SWC files, as neurons are traced in."""

from __future__ import annotations

import heapq
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.graphs import check_radii
from monai_topoloss._checks.options import check_int, check_option

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["read_swc", "write_swc"]

_UNSEEN = -2  # parent of a node that has not been looked at
_ORDERS = ("zyx", "xyz")


def read_swc(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, order: str = "zyx", spatial_dims: int = 3
) -> nx.Graph:
    r"""Read skeletons of neurons, one from each SWC file, as `monai_topoloss.topology.skeleton_trees` makes them.

    A line of a file is a node: its number, type, x, y, z, radius, and the number of the node that it is joined to, or
    -1 for none. A comment ``# OFFSET x y z`` is added to all positions of its file.

    Args:
        paths: a file, a folder of files that end in ``.swc``, or several files.
        order: of the axes in the positions: that of the volume. ``"zyx"`` for arrays with planes first, as TIFF files
            and most of microscopy have them; ``"xyz"`` for NIfTI files.
        spatial_dims: how many coordinates positions have: 2 leaves z out, which has to be 0, as `write_swc` writes it.

    Returns:
        A `networkx.Graph`: nodes have a ``position`` in the units of the file, an ``object``, which counts files from 1
        on in the order of their names or as given, a ``radius`` and a ``type``; edges have a ``length``.

    Raises:
        FileNotFoundError: if there is no such file, or none at all.
        ValueError: if a line is none of a node, a number comes twice or is missing, a node is joined to itself, z is
            not 0 in 2-D, or ``order`` or ``spatial_dims`` is unknown.

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
    check_option("spatial_dims", spatial_dims, (2, 3))
    graph = nx.Graph()
    for owner, path in enumerate(_list_files(paths), 1):
        first = graph.number_of_nodes()
        nodes, offset = _read(path)
        for number, node in enumerate(nodes.values(), first):
            place = tuple(a + b for a, b in zip(node.place, offset, strict=True))
            if any(place[spatial_dims:]):
                raise ValueError(f"Expected z to be 0 with spatial_dims=2, got {place[2]} in {path}.")
            place = place[:spatial_dims]
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


def write_swc(graph: nx.Graph, path: str | os.PathLike[str], *, order: str = "zyx") -> None:
    """Write skeletons of neurons as SWC files, which `read_swc` reads.

    Parents come before children; beyond that, nodes keep their order, and the first one of each component is its root.
    What is read from the files has exactly the same positions, radii and types, and the same edges; lengths are those
    between positions. Nodes are numbered anew, and objects by `read_swc`, from 1 on in the order of their ids. Files
    are written aside and then put in their place: what is there is whole.

    Args:
        graph: trees, from `read_swc` or `monai_topoloss.topology.skeleton_trees`: nodes have a ``position`` in 2-D or
            3-D, and may have an ``object``, the id from 1 on (default: 1), a ``radius`` (default: 0, which some
            programs refuse) and a ``type``, an int (default: 0, undefined). In 2-D, z is 0.
        path: a file that ends in ``.swc`` gets all objects. Anything else is a folder, made where there is none, and
            gets a file for each object, named by its id, with zeros in front so that names sort by number.
        order: of the axes in the positions, see `read_swc`.

    Raises:
        TypeError: if ``graph`` is no `networkx.Graph`, or directed or a multigraph, or attributes are not as above.
        ValueError: if ``graph`` has a loop, an edge joins two objects, an id is below 1, a radius is negative or a
            number not finite, or ``order`` is unknown.
        FileExistsError: if there are SWC files in the folder that would not be overwritten: `read_swc` would read them
            too.

    Example:
        >>> import networkx as nx
        >>> graph = nx.Graph()
        >>> graph.add_node("tip", position=(0.0, 4.0, 3.0), object=7, radius=0.5)
        >>> graph.add_node("base", position=(0.0, 0.0, 0.0), object=7, radius=1.5)
        >>> graph.add_edge("tip", "base")
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "neuron.swc")
        >>> write_swc(graph, path)
        >>> print(path.read_text())
        # number type x y z radius parent
        1 0 3.0 4.0 0.0 0.5 -1
        2 0 0.0 0.0 0.0 1.5 1
        <BLANKLINE>
    """
    check_option("order", order, _ORDERS)
    if Path(path).suffix.lower() != ".swc":
        write_each_swc(graph, Path(path), order=order)
        return
    trees = _check_trees(graph, order)
    place = Path(path).resolve()  # a link stays one
    _write(place.parent, {place.name: _sort(trees.parents)}, trees)


def write_each_swc(graph: nx.Graph, path: Path, *, order: str) -> None:
    """Write a file for each object into a folder, whatever its name; see `write_swc`."""
    trees = _check_trees(graph, order)
    sequence = _sort(trees.parents)
    digits = len(str(max(trees.objects, default=0)))
    files: dict[str, list[int]] = {}
    for k in sequence:
        files.setdefault(f"{trees.objects[k]:0{digits}}.swc", []).append(k)
    path.mkdir(parents=True, exist_ok=True)
    if others := sorted(each.name for each in path.iterdir() if _is_swc(each) and each.name not in files):
        raise FileExistsError(f"Expected no SWC files of other objects in {path}, got {others[0]}.")
    _write(path, files, trees)


class _Node(NamedTuple):
    kind: int
    place: tuple[float, ...]  # x, y, z
    radius: float
    parent: int


class _Trees(NamedTuple):
    """Nodes in the order of the graph."""

    places: NDArray[np.float64]  # x, y, z
    radii: NDArray[np.float64]
    kinds: list[int]
    objects: list[int]
    parents: list[int]  # -1 for roots


def _check_trees(graph: Any, order: str) -> _Trees:
    """Return the nodes of a graph, and to which others they are joined."""
    import networkx as nx

    if not isinstance(graph, nx.Graph) or graph.is_directed() or graph.is_multigraph():
        raise TypeError(
            f"Expected `graph` to be a networkx.Graph, neither directed nor multi, got {type(graph).__name__}."
        )
    given: dict[str, list[Any]] = {"object": [], "type": []}
    for name, default in (("object", 1), ("type", 0)):
        for _, value in graph.nodes(data=name, default=default):
            check_int(name, value, minimum=1 if name == "object" else None)
            given[name].append(int(value))
    radii = check_radii("graph", graph, default=0.0)
    return _Trees(_check_places(graph, order), radii, given["type"], given["object"], _root(graph, given["object"]))


def _check_places(graph: nx.Graph, order: str) -> NDArray[np.float64]:
    """Return x, y and z of each node."""
    if not len(graph):
        return np.zeros((0, 3))
    try:
        positions = np.array([position for _, position in graph.nodes(data="position")], np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError("Expected the nodes of `graph` to have a `position`, each of as many numbers.") from error
    if positions.ndim != 2 or positions.shape[1] not in (2, 3) or not np.isfinite(positions).all():
        raise ValueError("Expected each `position` in `graph` to have 2 or 3 finite coordinates.")
    places = positions if order == "xyz" else positions[:, ::-1]
    return np.pad(places, ((0, 0), (0, 3 - places.shape[1])))


def _root(graph: nx.Graph, objects: Sequence[int]) -> list[int]:
    """Return the parent of each node, in trees whose roots are the first ones."""
    numbers = {node: k for k, node in enumerate(graph)}
    nodes = list(graph)
    parents = [_UNSEEN] * len(nodes)
    for root in range(len(nodes)):
        if parents[root] != _UNSEEN:
            continue
        parents[root] = -1
        front = [root]
        while front:
            k = front.pop()
            for node in graph.adj[nodes[k]]:
                other = numbers[node]
                if other == parents[k]:
                    continue
                if parents[other] != _UNSEEN:
                    raise ValueError(f"Expected `graph` without loops, got one at {node!r}.")
                if objects[other] != objects[k]:
                    raise ValueError("Expected each edge of `graph` between nodes of one `object`.")
                parents[other] = k
                front.append(other)
    return parents


def _sort(parents: Sequence[int]) -> list[int]:
    """Return all nodes, always the first one whose parent is there already."""
    children: dict[int, list[int]] = {}
    for k, parent in enumerate(parents):
        children.setdefault(parent, []).append(k)
    ready, sequence = children.get(-1, []), []
    while ready:
        k = heapq.heappop(ready)
        sequence.append(k)
        for child in children.get(k, ()):
            heapq.heappush(ready, child)
    return sequence


def _write(folder: Path, files: Mapping[str, Sequence[int]], trees: _Trees) -> None:
    """Write files of some nodes each, all of it or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as aside:
        for name, nodes in files.items():
            with Path(aside, name).open("w", encoding="ascii", newline="\n") as file:
                file.writelines(_lines(nodes, trees))
        for name in files:
            Path(aside, name).replace(folder / name)


def _lines(nodes: Sequence[int], trees: _Trees) -> Iterator[str]:
    yield "# number type x y z radius parent\n"
    numbers = {-1: -1}
    for number, k in enumerate(nodes, 1):
        numbers[k] = number
        x, y, z = trees.places[k].tolist()
        radius, parent = float(trees.radii[k]), numbers[trees.parents[k]]
        yield f"{number} {trees.kinds[k]} {x!r} {y!r} {z!r} {radius!r} {parent}\n"


def _is_swc(path: Path) -> bool:
    return path.suffix.lower() == ".swc" and path.name[0] != "."  # hidden files are those of an operating system


def _list_files(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    if not isinstance(paths, str | os.PathLike):
        files = list(map(Path, paths))
    elif not Path(paths).is_dir():
        files = [Path(paths)]
    else:
        files = sorted(filter(_is_swc, Path(paths).iterdir()))
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
