from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from monai_topoloss.datasets import read_swc, write_swc
from monai_topoloss.topology import score_skeletons

LINE = "# OFFSET 10 20 30\n1 2 0 0 0 1.5 -1\n\n2 2 3 4 0 0.5 1\n7 3 3 4 12 1 2 # more words\n"


def test_nodes_edges_and_axes(tmp_path):
    path = tmp_path / "a.swc"
    path.write_text(LINE)
    graph = read_swc(path, order="xyz")
    assert list(nx.get_node_attributes(graph, "position").values()) == [(10, 20, 30), (13, 24, 30), (13, 24, 42)]
    assert graph.nodes[2] == {"position": (13.0, 24.0, 42.0), "object": 1, "radius": 1.0, "type": 3}
    assert [graph.edges[edge]["length"] for edge in graph.edges] == [5, 12]
    assert read_swc(str(path)).nodes[1]["position"] == (30, 24, 13)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_files_as_programs_write_them(tmp_path, encoding, newline):
    """Comments of any kind and in any place, tabs, whole numbers as floats, several roots."""
    path = tmp_path / "a.swc"
    lines = ["# in µm \x1c", "1.0\t2.0 0 0 0 1.5 -1.0", "# OFFSET of the stack", "2 2 1 0 0 1 1", "5 2 9 9 9 1 -1"]
    path.write_bytes(newline.join([*lines, "# OFFSET 1 1 1"]).encode(encoding))
    graph = read_swc(path)
    assert list(nx.get_node_attributes(graph, "position").values()) == [(1, 1, 1), (1, 1, 2), (10, 10, 10)]
    assert list(graph.edges) == [(0, 1)]


def test_files_are_objects(tmp_path):
    for name in ("b.swc", "a.SWC", "notes.txt"):
        (tmp_path / name).write_text(LINE)
    folder = read_swc(tmp_path)
    assert sorted(set(nx.get_node_attributes(folder, "object").values())) == [1, 2]
    assert nx.number_connected_components(folder) == 2
    assert nx.utils.graphs_equal(folder, read_swc([tmp_path / "a.SWC", tmp_path / "b.swc"]))


def test_scores_in_physical_units(tmp_path):
    """A line of four voxels of 2 along x, of which the last is another segment."""
    path = tmp_path / "a.swc"
    path.write_text("\n".join(f"{k + 1} 0 {2 * k} 4 0 1 {k or -1}" for k in range(4)))
    segmentation = np.zeros((2, 3, 5), int)
    segmentation[0, 1, :3], segmentation[0, 1, 3] = 1, 2
    total, _ = score_skeletons(segmentation, read_swc(path), spacing=(1, 4, 2))
    assert (total.length, total.n_splits, total.erl) == (6, 1, 16 / 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 0 0 0 1", "Expected number, type, x, y, z, radius and parent in .*, got '1 2 0 0 0 1'"),
        ("# x\n1 2 0 a 0 1 -1", "got '1 2 0 a 0 1 -1'"),
        ("1 2 0 nan 0 1 -1", "got '1 2 0 nan 0 1 -1'"),
        ("1.5 2 0 0 0 1 -1", "got '1.5 2 0 0 0 1 -1'"),
        ("1 2 0 0 0 1 -1\n1 2 0 0 0 1 -1", "got 1 again"),
        ("1 2 0 0 0 1 5", "Expected another node for 1 in .* to be joined to, got 5"),
        ("1 2 0 0 0 1 1", "Expected another node for 1 in .* to be joined to, got 1"),
    ],
)
def test_broken_files(tmp_path, text, message):
    path = tmp_path / "a.swc"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_swc(path)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_swc(tmp_path / "none.swc")
    (tmp_path / "._a.swc").write_bytes(b"\x00")  # of an operating system
    for none in (tmp_path, []):
        with pytest.raises(FileNotFoundError, match=r"Expected files that end in \.swc"):
            read_swc(none)
    with pytest.raises(ValueError, match="Expected `order` to be one of 'zyx', 'xyz'"):
        read_swc(tmp_path, order="yxz")


def random_trees(seed, n_objects=3, n_nodes=40):
    """Trees whose parents come first, a few to an object, and numbers with all digits."""
    rng = np.random.default_rng(seed)
    graph, number = nx.Graph(), 0
    for owner in range(1, n_objects + 1):
        first = number
        for k in range(n_nodes):
            place = tuple((rng.normal(size=3) * 10.0 ** rng.integers(-9, 9)).tolist())
            graph.add_node(number, position=place, object=owner, radius=float(rng.random()), type=int(rng.integers(8)))
            if k and rng.random() < 0.95:
                graph.add_edge(int(rng.integers(first, number)), number)
            number += 1
    return graph


def same(one, other):
    """Say whether nodes and edges of graphs are the same, but for lengths."""
    edges = ({frozenset(edge) for edge in graph.edges} for graph in (one, other))
    return dict(one.nodes(data=True)) == dict(other.nodes(data=True)) and next(edges) == next(edges)


@pytest.mark.parametrize("order", ["zyx", "xyz"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_written_is_read(tmp_path, seed, order):
    graph = random_trees(seed)
    write_swc(graph, tmp_path / "new" / "folder", order=order)
    assert same(read_swc(tmp_path / "new" / "folder", order=order), graph)
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["1.swc", "2.swc", "3.swc"]
    write_swc(graph, str(tmp_path / "all.SWC"), order=order)
    nx.set_node_attributes(graph, 1, "object")
    assert same(read_swc(tmp_path / "all.SWC", order=order), graph)


def test_what_is_read_is_written(tmp_path):
    (tmp_path / "a.swc").write_text(LINE)
    graph = read_swc(tmp_path)
    write_swc(graph, tmp_path / "b.swc")
    assert nx.utils.graphs_equal(read_swc(tmp_path / "b.swc"), graph)


@pytest.mark.parametrize("seed", range(5))
def test_parents_come_first(tmp_path, seed):
    """Whatever the order and the names of nodes."""
    rng = np.random.default_rng(seed)
    trees = random_trees(seed, n_objects=1)
    graph = nx.Graph()
    graph.add_nodes_from((str(k), trees.nodes[k]) for k in rng.permutation(len(trees)).tolist())
    graph.add_edges_from((str(a), str(b)) for a, b in trees.edges)
    write_swc(graph, tmp_path / "a.swc")
    rows = [line.split() for line in (tmp_path / "a.swc").read_text().splitlines()[1:]]
    assert all(int(row[-1]) < int(row[0]) for row in rows)
    assert sum(row[-1] == "-1" for row in rows) == nx.number_connected_components(graph)
    place = nx.get_node_attributes(trees, "position")
    found = read_swc(tmp_path / "a.swc")
    there = nx.get_node_attributes(found, "position")
    pairs = {frozenset((there[a], there[b])) for a, b in found.edges}
    assert pairs == {frozenset((place[a], place[b])) for a, b in trees.edges}
    # The first node of each component is its root, and of nodes whose parents are there the first one comes.
    firsts = {next(node for node in graph if node in part) for part in nx.connected_components(graph)}
    names = {position: name for name, position in nx.get_node_attributes(graph, "position").items()}
    sequence = [names[there[k]] for k in found]
    assert {sequence[int(row[0]) - 1] for row in rows if row[-1] == "-1"} == firsts
    numbers = {name: k for k, name in enumerate(graph)}
    done = set()
    for name in sequence:
        ready = {each for each in graph if each not in done and (each in firsts or done & set(graph[each]))}
        assert name == min(ready, key=numbers.get)
        done.add(name)


def test_plain_graphs_in_2d(tmp_path):
    """Positions are enough, of any kind of number; others get defaults."""
    graph = nx.path_graph(2)
    nx.set_node_attributes(graph, {0: np.array([1, 2]), 1: (np.float32(0.1), 5)}, "position")
    write_swc(graph, tmp_path)
    assert (tmp_path / "1.swc").read_bytes() == (
        b"# number type x y z radius parent\n1 0 2.0 1.0 0.0 0.0 -1\n2 0 5.0 0.10000000149011612 0.0 0.0 1\n"
    )
    write_swc(graph, tmp_path, order="xyz")
    assert read_swc(tmp_path, order="xyz").nodes[0] == {"position": (1, 2, 0), "object": 1, "radius": 0, "type": 0}


def test_names_sort_by_number(tmp_path):
    graph = nx.empty_graph(3)
    nx.set_node_attributes(graph, {0: np.uint16(10), 1: 9, 2: 100}, "object")
    nx.set_node_attributes(graph, {k: (k, k, k) for k in graph}, "position")
    write_swc(graph, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["009.swc", "010.swc", "100.swc"]
    found = read_swc(tmp_path)
    assert [(found.nodes[k]["object"], found.nodes[k]["position"][0]) for k in found] == [(1, 1), (2, 0), (3, 2)]


def test_nothing_to_write(tmp_path):
    write_swc(nx.Graph(), tmp_path / "none.swc")
    assert len(read_swc(tmp_path / "none.swc")) == 0
    write_swc(nx.Graph(), tmp_path / "none")
    assert list((tmp_path / "none").iterdir()) == []


def test_long_trees_need_no_stack(tmp_path):
    graph = nx.path_graph(20_000)
    nx.set_node_attributes(graph, (0, 0), "position")
    write_swc(graph, tmp_path / "a.swc")
    assert read_swc(tmp_path / "a.swc").number_of_edges() == 19_999


def test_files_of_other_objects_are_not_mixed_with(tmp_path):
    write_swc(random_trees(0), tmp_path)
    write_swc(random_trees(1), tmp_path)
    assert same(read_swc(tmp_path), random_trees(1))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileExistsError, match=r"Expected no SWC files of other objects in .*, got 2\.swc"):
        write_swc(random_trees(0, n_objects=1), tmp_path)
    assert same(read_swc(tmp_path), random_trees(1))


def test_files_are_whole_or_not_there(tmp_path, monkeypatch):
    write_swc(random_trees(0), tmp_path)
    opened, open_file = [], Path.open

    def fail(self, *arguments, **options):
        opened.append(self)
        if len(opened) == 3:
            raise OSError("disk full")
        return open_file(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(OSError, match="disk full"):
        write_swc(random_trees(1), tmp_path)
    monkeypatch.undo()
    assert same(read_swc(tmp_path), random_trees(0))
    assert len(list(tmp_path.iterdir())) == 3


def test_links_stay(tmp_path):
    (tmp_path / "link.swc").symlink_to(tmp_path / "a.swc")
    write_swc(random_trees(0), tmp_path / "link.swc")
    assert (tmp_path / "link.swc").is_symlink()
    assert len(read_swc(tmp_path / "a.swc")) == 120


def line(**attributes):
    graph = nx.path_graph(3)
    nx.set_node_attributes(graph, (0, 0, 0), "position")
    for name, value in attributes.items():
        graph.nodes[1][name] = value
    return graph


def ring():
    graph = line()
    graph.add_edge(0, 2)
    return graph


def loop():
    graph = line()
    graph.add_edge(1, 1)
    return graph


@pytest.mark.parametrize(
    ("graph", "error", "message"),
    [
        (ring(), ValueError, "Expected `graph` without loops, got one at"),
        (loop(), ValueError, "Expected `graph` without loops, got one at 1"),
        (nx.MultiGraph(line()), TypeError, r"Expected `graph` to be a networkx\.Graph, .* got MultiGraph"),
        (nx.DiGraph(line()), TypeError, "got DiGraph"),
        ([1], TypeError, "got list"),
        (line(object=2), ValueError, "Expected each edge of `graph` between nodes of one `object`"),
        (line(object=0), ValueError, "Expected `object` to be at least 1, got 0"),
        (line(object=1.0), TypeError, "Expected `object` to be an int, got float"),
        (line(type=None), TypeError, "Expected `type` to be an int, got NoneType"),
        (line(radius=-1), ValueError, "Expected each `radius` in `graph` to be finite and at least 0, got -1.0"),
        (line(radius=np.nan), ValueError, "at least 0, got nan"),
        (line(radius=np.inf), ValueError, "at least 0, got inf"),
        (line(radius=None), ValueError, "Expected each node of `graph` to have a `radius`, got none for 1"),
        (line(radius="thin"), TypeError, "Expected each `radius` in `graph` to be a number"),
        (line(position=(0, 0)), TypeError, "Expected the nodes of `graph` to have a `position`, each of as many"),
        (line(position=None), TypeError, "Expected the nodes of `graph` to have a `position`, each of as many"),
        (line(position=(0, 0, np.inf)), ValueError, "Expected each `position` in `graph` to have 2 or 3 finite"),
        (nx.path_graph(3), ValueError, "Expected each `position` in `graph` to have 2 or 3 finite"),
    ],
)
def test_graphs_that_cannot_be_written(tmp_path, graph, error, message):
    with pytest.raises(error, match=message):
        write_swc(graph, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_unknown_order_of_axes(tmp_path):
    with pytest.raises(ValueError, match="Expected `order` to be one of 'zyx', 'xyz'"):
        write_swc(line(), tmp_path, order="yxz")


def test_images_have_two_coordinates(tmp_path):
    graph = nx.Graph()
    graph.add_node(0, position=(3.0, 4.0), object=1, radius=0.5)
    graph.add_node(1, position=(3.0, 5.0), object=1, radius=0.5)
    graph.add_edge(0, 1)
    for order in ("zyx", "xyz"):
        write_swc(graph, tmp_path / "a.swc", order=order)
        again = read_swc(tmp_path / "a.swc", order=order, spatial_dims=2)
        assert [position for _, position in again.nodes(data="position")] == [(3.0, 4.0), (3.0, 5.0)]
    (tmp_path / "b.swc").write_text("1 0 0 0 2.5 1 -1\n")
    with pytest.raises(ValueError, match=r"Expected z to be 0 with spatial_dims=2, got 2\.5"):
        read_swc(tmp_path / "b.swc", spatial_dims=2)
    with pytest.raises(ValueError, match="`spatial_dims` to be one of 2, 3, got 4"):
        read_swc(tmp_path / "b.swc", spatial_dims=4)
