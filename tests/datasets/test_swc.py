from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from monai_topoloss.datasets import read_swc
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
