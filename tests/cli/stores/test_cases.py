from __future__ import annotations

import csv
import os
import subprocess
import sys

import networkx as nx
import numpy as np
import pytest
import zarr

from monai_topoloss.cli import main
from monai_topoloss.cli.scores import METRICS, OF_NEURONS
from monai_topoloss.topology import label_components, skeleton_trees, skeletonize
from tests.chunked.keeping import count_kept
from tests.chunked.volumes import make_vessels
from tests.cli.stores.stores import change, save_array, save_ome

IN_CHUNKS = [name for name in METRICS if name not in OF_NEURONS]


def evaluate(tmp_path, pred, label, *options, csv_name="table.csv"):
    """Evaluate two images; return the exit status and the rows of the CSV file, but mean and sd."""
    out = tmp_path / csv_name
    places = ["--pred", f"{tmp_path / pred}", "--label", f"{tmp_path / label}"]
    status = main(["evaluate", *places, "--csv", f"{out}", *map(str, options)])
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return status, [row for row in rows if row["case"] not in ("mean", "sd")]


def save_both(tmp_path, prediction, label, chunks=(5, 10, 10)):
    """Write arrays as files and as stores."""
    for name, array in (("pred", prediction), ("label", label)):
        np.save(tmp_path / f"{name}.npy", array)
        save_array(tmp_path / f"{name}.zarr", array, chunks[-array.ndim :])


def assert_same(tmp_path, *options, side=10):
    """Assert that stores and files have the same rows."""
    files = evaluate(tmp_path, "pred.npy", "label.npy", *options)
    stores = evaluate(tmp_path, "pred.zarr", "label.zarr", *options, "--chunks", side)
    assert stores == files
    assert files[0] == 0
    return files[1]


@pytest.mark.parametrize("shape", [(18, 20, 22), (30, 41)])
@pytest.mark.parametrize("connectivity", [None, 1])
def test_all_metrics_of_masks(tmp_path, shape, connectivity):
    save_both(tmp_path, *make_vessels(shape))
    options = [] if connectivity is None else ["--connectivity", connectivity]
    (row,) = assert_same(tmp_path, "--metrics", *IN_CHUNKS, *options)
    assert float(row["merges"]) > 0
    assert 0 < float(row["cldice"]) < 1


def test_lengths_of_centrelines(tmp_path, capsys):
    prediction, label = (mask.astype(np.uint8) for mask in make_vessels((18, 20, 22)))
    save_both(tmp_path, prediction, label)
    (row,) = assert_same(tmp_path, "--metrics", "cldice", "tprec", "tsens", "--units", "mm", "--spacing", 1, 2, 0.5)
    (plain,) = evaluate(tmp_path, "pred.npy", "label.npy", "--metrics", "cldice")[1]
    assert row["cldice"] != plain["cldice"]
    for name, array in (("a", prediction), ("b", label)):
        save_ome(tmp_path / f"{name}.zarr", array.T, (10, 10, 5), scale=[0.5, 2, 1])
    _, (same,) = evaluate(tmp_path, "a.zarr", "b.zarr", "--metrics", "cldice", "--units", "mm")
    assert same["cldice"] == row["cldice"]
    for suffix in ("npy", "zarr"):
        assert evaluate(tmp_path, f"pred.{suffix}", f"label.{suffix}", "--units", "mm")[0] == 1
        assert "--units mm takes the spacing of the label, which has none: pass --spacing" in capsys.readouterr().err


def test_ignored_voxels(tmp_path):
    prediction, label = (mask.astype(np.int16) for mask in make_vessels((18, 20, 22)))
    label[6:9, 3:] = -1
    save_both(tmp_path, prediction, label)
    assert_same(tmp_path, "--metrics", *IN_CHUNKS, "--ignore-index", -1)


def test_patches(tmp_path):
    save_both(tmp_path, *make_vessels((18, 20, 22)))
    assert_same(tmp_path, "--metrics", "betti", "betti0", "betti1", "betti2", "euler", "--patch-size", 7)


def test_classes(tmp_path):
    prediction, label = (mask.astype(np.uint8) for mask in make_vessels((18, 20, 22)))
    for array in (prediction, label):
        array[:, 10:] *= 2
    save_both(tmp_path, prediction, label)
    rows = assert_same(tmp_path, "--metrics", *IN_CHUNKS, "--num-classes", 3)
    assert [row["class"] for row in rows] == ["1", "2"]


def make_instances(shape=(18, 20, 22), dtype=np.uint32):
    found, true = (label_components(mask).labels for mask in make_vessels(shape))
    return found.astype(dtype), true.astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.int64])
def test_instances(tmp_path, dtype):
    save_both(tmp_path, *make_instances(dtype=dtype))
    assert_same(tmp_path, "--metrics", *IN_CHUNKS, "--instances")


def write_neurons(folder, label, spacing):
    """Write the skeletons of instances, a file each, as trees."""
    graph = skeleton_trees(label, spacing=spacing)
    folder.mkdir(parents=True)
    for k, nodes in enumerate(nx.connected_components(graph)):
        tree = nx.bfs_tree(graph, root := min(nodes))
        parents = {child: parent for parent, child in tree.edges} | {root: -2}
        lines = [
            f"{node + 1} 0 {' '.join(map(str, graph.nodes[node]['position']))} 1 {parents[node] + 1}" for node in tree
        ]
        (folder / f"{k}.swc").write_text("\n".join(lines))


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("instances", [False, True])
def test_neurons_of_swc_files(tmp_path, ignored, instances):
    prediction, label = (ids.astype(np.int32) for ids in make_instances())
    write_neurons(tmp_path / "swc" / "pred", label, (1.0, 2.0, 0.5))
    if ignored:
        label[6:9, 3:] = -1
    save_both(tmp_path, prediction, label)
    options = [*(["--instances"] if instances else []), *(["--ignore-index", -1] if ignored else [])]
    options += ["--swc", tmp_path / "swc", "--spacing", 1, 2, 0.5]
    (row,) = assert_same(tmp_path, "--metrics", *OF_NEURONS, *options)
    assert 0 < float(row["nerl"]) < 1


def test_neurons_without_skeletons_are_refused(tmp_path, capsys):
    save_both(tmp_path, *make_instances())
    status, _ = evaluate(tmp_path, "pred.zarr", "label.zarr", "--metrics", "nerl", "--instances")
    assert status == 1
    assert "expected --swc, as skeletons of the label's objects are not traced in chunks" in capsys.readouterr().err


def test_axes_scale_and_a_file_beside_a_store(tmp_path):
    prediction, label = (mask.astype(np.uint8) for mask in make_vessels((18, 20, 22)))
    save_ome(tmp_path / "pred.ome.zarr", prediction.T, (10, 10, 5), "zyx", scale=[4.0, 1.0, 1.0])
    save_ome(tmp_path / "label.ome.zarr", label, (5, 10, 10), "xyz", scale=[1.0, 1.0, 4.0])
    save_ome(tmp_path / "other.ome.zarr", label, (5, 10, 10), "xyz", scale=[1.0, 1.0, 2.0])
    np.save(tmp_path / "pred.npy", prediction)
    np.save(tmp_path / "label.npy", label)
    (expected,) = evaluate(tmp_path, "pred.npy", "label.npy")[1]
    for pred, true in [("pred.ome", "label.ome"), ("pred.npy", "label.ome"), ("pred.ome", "label.npy")]:
        names = [name if name.endswith("npy") else f"{name}.zarr" for name in (pred, true)]
        status, (row,) = evaluate(tmp_path, *names, "--chunks", 10)
        assert status == 0
        assert {**row, "note": ""} == {**expected, "note": ""}
    _, (row,) = evaluate(tmp_path, "pred.ome.zarr", "other.ome.zarr")
    assert row["note"] == "prediction and label have different spacing"


def test_other_chunks_than_the_label_are_mentioned(tmp_path):
    prediction, label = (mask.astype(np.uint8) for mask in make_vessels((18, 20, 22)))
    save_array(tmp_path / "pred.zarr", prediction, (7, 20, 22))
    save_array(tmp_path / "label.zarr", label, (5, 10, 10))
    _, (row,) = evaluate(tmp_path, "pred.zarr", "label.zarr", "--chunks", 10)
    assert row["note"] == (
        "prediction in other chunks than the label: blocks of 10 x 10 x 10 are compared, and cut its chunks, 7 x 20 x"
        " 22, which are read more than once"
    )
    (tmp_path / "both").mkdir()
    save_both(tmp_path / "both", prediction, label)
    (expected,) = evaluate(tmp_path, "both/pred.npy", "both/label.npy")[1]
    assert {**row, "note": ""} == expected


def test_several_ids_are_mentioned(tmp_path):
    save_both(tmp_path, *make_instances())
    (row,) = assert_same(tmp_path)
    assert row["note"] == "several ids scored as one mask, see --num-classes and --instances"


def test_folders_of_stores_and_files(tmp_path):
    for case in ("a", "b"):
        (tmp_path / "pred").mkdir(exist_ok=True)
        (tmp_path / "label").mkdir(exist_ok=True)
        prediction, label = (mask.astype(np.uint8) for mask in make_vessels((18, 20, 22), seed=ord(case)))
        save_array(tmp_path / "pred" / f"{case}_seg.zarr", prediction, (5, 10, 10))
        save_array(tmp_path / "label" / f"{case}.zarr", label, (5, 10, 10))
    np.save(tmp_path / "pred" / "c_seg.npy", prediction)
    np.save(tmp_path / "label" / "c.npy", label)
    status, rows = evaluate(tmp_path, "pred", "label", "--pred-postfix", "_seg", "--jobs", 2)
    assert status == 0
    assert [row["case"] for row in rows] == ["a", "b", "c"]
    assert {**rows[1], "case": "c"} == rows[2]


def test_a_store_that_fails_costs_no_other(tmp_path, capsys):
    prediction, label = (mask.astype(np.uint8) for mask in make_vessels((18, 20, 22)))
    for case in ("a", "b", "c", "d"):
        save_ome(tmp_path / "pred" / f"{case}.zarr", prediction, (5, 10, 10))
        group = save_ome(tmp_path / "label" / f"{case}.zarr", label[:-1] if case == "d" else label, (5, 10, 10))
        if case == "b":
            change(group, lambda attributes: attributes["multiscales"][0]["datasets"][0].update(path="1"))
    (tmp_path / "pred" / "c.zarr" / "full" / "c" / "1" / "0" / "0").write_bytes(b"broken")
    status, rows = evaluate(tmp_path, "pred", "label")
    assert status == 1
    assert [bool(row["error"]) for row in rows] == [False, True, True, True]
    assert "level 0 is missing" in rows[1]["error"]
    assert "Expected the prediction in the shape of the label" in rows[3]["error"]
    assert "3 of 4 cases failed." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (-1, [], "Expected the label to hold no negative ids, got -1; to leave these voxels out, pass --ignore-index"),
        (7, ["--num-classes", 2], "Expected the label to hold ids below 2, which is --num-classes, got 7"),
        (0.5, [], "Expected the label to hold whole numbers, got others"),
        (np.nan, [], "Expected the label to hold whole numbers, got NaN or infinity"),
    ],
)
def test_values_that_are_no_ids(tmp_path, value, options, message):
    prediction, label = make_vessels((18, 20, 22))
    label = label.astype(np.int16 if isinstance(value, int) else np.float32)
    label[3, 4, 5] = value
    save_both(tmp_path, prediction, label)
    status, (row,) = evaluate(tmp_path, "pred.zarr", "label.zarr", *options)
    assert status == 1
    assert message in row["error"]


def test_connectivity_of_an_image(tmp_path):
    save_both(tmp_path, *make_vessels((20, 22)))
    status, (row,) = evaluate(tmp_path, "pred.zarr", "label.zarr", "--connectivity", 3)
    assert status == 1
    assert "Expected --connectivity from 1 to 2" in row["error"]


def test_a_run_that_was_cut_goes_on(tmp_path, monkeypatch):
    save_both(tmp_path, *make_vessels((18, 20, 22)))
    options = ["--metrics", *IN_CHUNKS, "--chunks", 10]
    state = count_kept(monkeypatch, KeyboardInterrupt)
    _, (expected,) = evaluate(tmp_path, "pred.zarr", "label.zarr", *options)
    total = state["count"]
    state.update(count=0, stop_after=total // 2)
    status, rows = evaluate(tmp_path, "pred.zarr", "label.zarr", *options)
    assert (status, rows) == (130, [])
    assert (tmp_path / ".table.csv.partial").is_dir()
    state.update(count=0, stop_after=None)
    status, (row,) = evaluate(tmp_path, "pred.zarr", "label.zarr", *options)
    assert status == 0
    assert row == {**expected, "note": "goes on where it was cut"}
    assert state["count"] == total - total // 2
    assert not (tmp_path / ".table.csv.partial").exists()


def test_a_run_that_was_cut_begins_anew_with_other_metadata(tmp_path, monkeypatch):
    label = make_vessels((20, 20, 20))[1].astype(np.uint8)
    for name in ("pred", "label"):
        save_ome(tmp_path / f"{name}.zarr", label, (5, 10, 10))
    with monkeypatch.context() as patch:
        count_kept(patch, KeyboardInterrupt)["stop_after"] = 20
        assert evaluate(tmp_path, "pred.zarr", "label.zarr", "--chunks", 10)[0] == 130
    group = zarr.open_group(str(tmp_path / "label.zarr"), mode="r+")
    axes = [{"name": name, "type": "space"} for name in "yzx"]
    change(group, lambda attributes: attributes["multiscales"][0].update(axes=axes))
    _, rows = evaluate(tmp_path, "pred.zarr", "label.zarr", "--chunks", 10)
    assert rows == evaluate(tmp_path, "pred.zarr", "label.zarr", "--chunks", 10, csv_name="fresh.csv")[1]


@pytest.mark.parametrize(("pred", "label"), [((20, 22), (18, 20, 22)), ((18, 20, 22), (20, 22))])
@pytest.mark.parametrize("suffixes", [("zarr", "zarr"), ("npy", "zarr"), ("zarr", "npy")])
def test_other_ranks(tmp_path, pred, label, suffixes):
    save_both(tmp_path, make_vessels(pred)[0], make_vessels(label)[1])
    _, (row,) = evaluate(tmp_path, f"pred.{suffixes[0]}", f"label.{suffixes[1]}")
    assert "Expected the prediction in the shape of the label" in row["error"]


def test_ids_that_floats_do_not_tell_apart(tmp_path):
    label = np.zeros((8, 8, 8), np.int64)
    label[:4], label[5:] = 2**53, 2**53 + 1
    save_both(tmp_path, label, label)
    (row,) = assert_same(tmp_path)
    assert row["note"] == "several ids scored as one mask, see --num-classes and --instances"


def test_a_table_that_is_no_file_keeps_nothing(tmp_path):
    save_both(tmp_path, *make_vessels((18, 20, 22)))
    places = ["--pred", f"{tmp_path}/pred.zarr", "--label", f"{tmp_path}/label.zarr"]
    end, other_end = os.pipe()
    assert main(["evaluate", *places, "--csv", f"/dev/fd/{other_end}"]) == 0
    os.close(other_end)
    with os.fdopen(end) as table:
        assert table.read().startswith("case,dice")


def test_a_table_in_a_folder_that_may_not_be_written_to(tmp_path, monkeypatch):
    save_both(tmp_path, *make_vessels((18, 20, 22)))
    (tmp_path / "table.csv").touch()
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path)  # as root may write anywhere
    _, (row,) = evaluate(tmp_path, "pred.zarr", "label.zarr")
    assert row["case"] == "pred"
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_store_is_called_as_its_folder(tmp_path, monkeypatch):
    save_both(tmp_path, *make_vessels((18, 20, 22)))
    monkeypatch.chdir(tmp_path / "pred.zarr")
    assert main(["evaluate", "--pred", ".", "--label", "../label.zarr", "--csv", "../table.csv"]) == 0
    assert (tmp_path / "table.csv").read_text().splitlines()[1].startswith("pred,")


@pytest.mark.parametrize("memory", ["16", "1MB", "-1GiB", "0"])
def test_memory_that_is_too_little(tmp_path, capsys, memory):
    save_both(tmp_path, *make_vessels((18, 20, 22)))
    with pytest.raises(SystemExit):
        evaluate(tmp_path, "pred.zarr", "label.zarr", f"--memory={memory}")
    assert "--memory must be at least 512 MiB" in capsys.readouterr().err


@pytest.mark.slow
def test_memory_and_scheduler(tmp_path):
    """Each in a process of its own, as users start it, with a scheduler that runs already."""
    from distributed import LocalCluster

    save_both(tmp_path, *make_vessels((18, 20, 22)))
    (expected,) = evaluate(tmp_path, "pred.npy", "label.npy")[1]
    # Workers of a scheduler have another working directory.
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster:
        for name, value in (("memory", "2GiB"), ("scheduler", cluster.scheduler_address)):
            places = ["--pred", "pred.zarr", "--label", "label.zarr", "--csv", "out.csv", "--chunks", "10"]
            run_in(tmp_path, "evaluate", *places, f"--{name}", value)
            with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
                assert next(csv.DictReader(file)) == expected
            run_in(tmp_path, "skeletonize", "label.zarr", f"{name}.zarr", f"--{name}", value)
            found = zarr.open_array(str(tmp_path / f"{name}.zarr"), mode="r")[:]
            np.testing.assert_array_equal(found, skeletonize(np.load(tmp_path / "label.npy")))


def run_in(folder, *arguments):
    command = [sys.executable, "-m", "monai_topoloss", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr


def test_no_scheduler(tmp_path, monkeypatch, capsys):
    from monai_topoloss.cli.stores import scheduling

    monkeypatch.setattr(scheduling, "_PATIENCE", "0.2s")
    save_both(tmp_path, *make_vessels((18, 20, 22)))
    with pytest.raises(SystemExit) as exit_status:
        evaluate(tmp_path, "pred.zarr", "label.zarr", "--scheduler", "tcp://127.0.0.1:1")
    assert exit_status.value.code == 2
    assert "--scheduler: no answer from tcp://127.0.0.1:1" in capsys.readouterr().err
    assert not (tmp_path / "table.csv").exists()
