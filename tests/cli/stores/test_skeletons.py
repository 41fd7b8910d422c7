from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import ome_zarr_models
import pytest
import zarr

from monai_topoloss import tubed_skeleton
from monai_topoloss.cli import main
from monai_topoloss.cli.stores import skeletons, writing
from tests.chunked.keeping import count_kept
from tests.chunked.volumes import make_vessels
from tests.cli.stores.stores import change, save_array, save_ome


def make_label(shape=(18, 20, 22)):
    """Return a label map, z first."""
    label = make_vessels(shape)[1].astype(np.uint16)
    label[:, :10] *= 3
    return label


def skeletonize(*arguments):
    return main(["skeletonize", *map(str, arguments), "--chunks", "10"])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_array_into_a_store_of_the_same_layout(tmp_path, zarr_format):
    label = make_label()
    save_array(tmp_path / "in.zarr", label, (5, 10, 10), zarr_format)
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr", "--radius", "1") == 0
    found = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")
    np.testing.assert_array_equal(found[:], tubed_skeleton(label, radius=1))
    assert (found.dtype, found.chunks, found.metadata.zarr_format) == (np.uint16, (5, 10, 10), zarr_format)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_shards_stay(tmp_path):
    save_array(tmp_path / "in.zarr", make_label((16, 16, 32)), (8, 8, 8), shards=(16, 16, 16))
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 0
    found = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")
    assert (found.chunks, found.shards) == ((8, 8, 8), (16, 16, 16))
    np.testing.assert_array_equal(found[:], tubed_skeleton(make_label((16, 16, 32)), radius=0))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_into_ome_zarr(tmp_path, version):
    label = make_label()
    options = {"version": version, "scale": [1.0, 2.0, 0.5, 0.25], "translation": [0.0, 1.0, 2.0, 3.0]}
    save_ome(tmp_path / "in.zarr", label[None], (1, 5, 10, 10), "czyx", **options)
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.ome.zarr", "--per-class") == 0
    group = zarr.open_group(str(tmp_path / "out.ome.zarr"), mode="r")
    # Stores are thinned as MONAI loads volumes, x first.
    np.testing.assert_array_equal(group["0"][:], tubed_skeleton(label.T, radius=0, per_class=True).T)
    image = ome_zarr_models.open_ome_zarr(group)
    assert type(image).__name__ == "ImageLabel"
    attributes = image.ome_attributes if version == "0.5" else image.attributes
    (multiscale,) = attributes.multiscales
    assert [axis.name for axis in multiscale.axes] == ["z", "y", "x"]
    steps = multiscale.datasets[0].coordinateTransformations
    assert [step.type for step in steps] == ["scale", "translation"]
    assert list(steps[0].scale) == [2.0, 0.5, 0.25]
    assert list(steps[1].translation) == [1.0, 2.0, 3.0]


def test_surfaces(tmp_path, capsys):
    label = make_label()
    save_array(tmp_path / "in.zarr", label, (5, 10, 10))
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr", "--kind", "surface") == 0
    found = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")[:]
    np.testing.assert_array_equal(found, tubed_skeleton(label, radius=0, kind="surface"))
    with pytest.raises(SystemExit):
        skeletonize(tmp_path / "in.zarr", tmp_path / "more.zarr", "--prune", "3", "--graph", tmp_path / "a.csv")
    assert "--prune and --graph: not of Zarr stores" in capsys.readouterr().err


def test_radius_in_the_units_of_the_store(tmp_path, capsys):
    label = make_label()
    save_ome(tmp_path / "in.zarr", label, (5, 10, 10), scale=[2.0, 0.5, 0.25])
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr", "--radius", "1.1", "--units", "mm") == 0
    expected = tubed_skeleton(label.T, radius=1.1, spacing=(0.25, 0.5, 2.0)).T
    np.testing.assert_array_equal(zarr.open_array(str(tmp_path / "out.zarr" / "0"), mode="r")[:], expected)
    save_array(tmp_path / "plain.zarr", label, (5, 10, 10))
    assert skeletonize(tmp_path / "plain.zarr", tmp_path / "more.zarr", "--radius", "1", "--units", "mm") == 1
    assert "--units mm takes the spacing of OME-Zarr" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_label_is_added_to_an_image(tmp_path, version, consolidated):
    label = make_label()
    brain = tmp_path / "brain.ome.zarr"
    save_ome(brain, np.zeros_like(label), (5, 10, 10), version=version)
    group = zarr.open_group(str(brain), mode="r+").require_group("labels")
    save_ome(brain / "labels" / "vessels", label, (5, 10, 10), version=version)
    change(group, lambda attributes: attributes.update(labels=["vessels"]))
    if version == "0.5":
        group.attrs.put({"ome": {"version": "0.5", "labels": ["vessels"]}})
    if consolidated:
        zarr.consolidate_metadata(str(brain))
    for _ in range(2):  # the second time, it is there already
        assert skeletonize(brain / "labels" / "vessels", brain / "labels" / "lines") == 0
    root = zarr.open_group(str(brain), mode="r")
    attributes = dict(root["labels"].attrs)
    assert attributes.get("ome", attributes)["labels"] == ["vessels", "lines"]
    np.testing.assert_array_equal(root["labels/lines/0"][:], tubed_skeleton(label.T, radius=0).T)
    assert type(ome_zarr_models.open_ome_zarr(root["labels/lines"])).__name__ == "ImageLabel"
    assert [path.name for path in tmp_path.iterdir()] == ["brain.ome.zarr"]


def test_first_label_of_an_image(tmp_path):
    save_ome(tmp_path / "a.zarr", make_label() != 0, (5, 10, 10))
    assert skeletonize(tmp_path / "a.zarr", tmp_path / "a.zarr" / "labels" / "lines") == 0
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    assert root["labels"].attrs["ome"] == {"version": "0.5", "labels": ["lines"]}
    assert root["labels/lines/0"].dtype == np.uint8  # as labels of OME-Zarr are whole numbers


def test_axes_in_a_turn(tmp_path):
    label = make_label()
    save_ome(tmp_path / "in.zarr", label, (5, 10, 10), "yzx")
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr", "--radius", "1") == 0
    found = zarr.open_array(str(tmp_path / "out.zarr" / "0"), mode="r")[:]
    np.testing.assert_array_equal(found.transpose(2, 0, 1), tubed_skeleton(label.transpose(2, 0, 1), radius=1))


def test_image_and_folder(tmp_path):
    flat, volume = make_label()[0], make_label()
    save_array(tmp_path / "in" / "flat.zarr", flat, (10, 10))
    save_ome(tmp_path / "in" / "below" / "b.ome.zarr", volume, (5, 10, 10))
    assert skeletonize(tmp_path / "in", tmp_path / "out") == 0
    np.testing.assert_array_equal(
        zarr.open_array(str(tmp_path / "out" / "flat.zarr"), mode="r")[:], tubed_skeleton(flat, radius=0)
    )
    found = zarr.open_array(str(tmp_path / "out" / "below" / "b.ome.zarr" / "0"), mode="r")[:]
    np.testing.assert_array_equal(found, tubed_skeleton(volume.T, radius=0).T)
    (tmp_path / "more").mkdir()
    assert skeletonize(tmp_path / "in" / "flat.zarr", tmp_path / "more") == 0
    assert (tmp_path / "more" / "flat.zarr" / "zarr.json").is_file()


def test_store_that_is_there_is_left_as_it_is(tmp_path, capsys):
    save_array(tmp_path / "in.zarr", make_label(), (5, 10, 10))
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 0
    written = (tmp_path / "out.zarr" / "zarr.json").stat().st_mtime_ns
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 0
    assert "is there already, made in the same way" in capsys.readouterr().err
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr", "--radius", "2") == 1
    assert "was made otherwise: remove it first" in capsys.readouterr().err
    zarr.open_array(str(tmp_path / "in.zarr"), mode="r+")[0] = 1
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 1
    assert "was made otherwise" in capsys.readouterr().err
    assert (tmp_path / "out.zarr" / "zarr.json").stat().st_mtime_ns == written
    (tmp_path / "folder.zarr").mkdir()
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "folder.zarr") == 1


@pytest.fixture
def keeping(monkeypatch):
    """Count what is kept, and stop after some."""
    return count_kept(monkeypatch)


@pytest.mark.parametrize("made", [save_array, save_ome])
@pytest.mark.parametrize("share", [0.2, 0.7, 0.99])
def test_a_run_that_was_cut_goes_on(tmp_path, capsys, keeping, made, share):
    made(tmp_path / "in.zarr", make_label(), (5, 10, 10))
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "whole.zarr") == 0
    total, keeping["count"] = keeping["count"], 0
    keeping["stop_after"] = int(share * total)
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 1
    assert not (tmp_path / "out.zarr").exists()
    assert "error: " in capsys.readouterr().err
    keeping.update(count=0, stop_after=None)
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 0
    assert "goes on where it was cut" in capsys.readouterr().err
    assert keeping["count"] == total - int(share * total)
    inside = "" if made is save_array else "0"
    np.testing.assert_array_equal(
        *(zarr.open_array(str(tmp_path / name / inside), mode="r")[:] for name in ("out.zarr", "whole.zarr"))
    )
    assert not (tmp_path / ".out.zarr.partial").exists()


def test_a_run_that_was_cut_begins_anew_if_the_label_has_changed(tmp_path, keeping):
    made = save_array(tmp_path / "in.zarr", make_label(), (5, 10, 10))
    keeping["stop_after"] = 12
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 1
    keeping["stop_after"] = None
    made[:, :, 11:] = 0
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 0
    found = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")[:]
    np.testing.assert_array_equal(found, tubed_skeleton(made[:], radius=0))


def rename_axes(path):
    """Say of the same voxels that axes are others."""
    group = zarr.open_group(str(path), mode="r+")
    axes = [{"name": name, "type": "space"} for name in "yzx"]
    change(group, lambda attributes: attributes["multiscales"][0].update(axes=axes))


def test_other_metadata_make_another_label(tmp_path, keeping, capsys):
    label = make_label((20, 20, 20))
    save_ome(tmp_path / "in.zarr", label, (5, 10, 10))
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "done.zarr") == 0
    keeping["stop_after"] = 2 * keeping["count"] - 1
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "cut.zarr") == 1
    keeping["stop_after"] = None
    rename_axes(tmp_path / "in.zarr")
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "cut.zarr") == 0
    found = zarr.open_array(str(tmp_path / "cut.zarr" / "0"), mode="r")[:]
    np.testing.assert_array_equal(found.transpose(2, 0, 1), tubed_skeleton(label.transpose(2, 0, 1), radius=0))
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "done.zarr") == 1
    assert "was made otherwise" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["../../out.zarr", "../labels/lines"])
def test_out_with_dots(tmp_path, monkeypatch, out):
    save_ome(tmp_path / "brain.zarr", make_label(), (5, 10, 10))
    save_ome(tmp_path / "brain.zarr" / "labels" / "vessels", make_label(), (5, 10, 10))
    zarr.open_group(str(tmp_path / "brain.zarr" / "labels"), mode="a")
    monkeypatch.chdir(tmp_path / "brain.zarr" / "labels")
    assert skeletonize("vessels", out) == 0
    expected = tmp_path / ("out.zarr" if "out" in out else "brain.zarr/labels/lines")
    assert (expected / "0" / "zarr.json").is_file()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_kept_and_damaged_is_named(tmp_path, capsys, keeping):
    save_array(tmp_path / "in.zarr", make_label(), (5, 10, 10))
    keeping["stop_after"] = 12
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 1
    kept = [path for path in (tmp_path / ".out.zarr.partial" / "scratch").rglob("*") if path.name.isdigit()]
    for path in kept:
        if path.is_file():
            path.write_bytes(b"")
    keeping["stop_after"] = None
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 1
    assert "is damaged: remove that folder" in capsys.readouterr().err


def test_a_run_that_was_cut_begins_anew_if_what_it_wrote_is_gone(tmp_path, keeping):
    save_array(tmp_path / "in.zarr", make_label(), (5, 10, 10))
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "whole.zarr") == 0
    keeping["stop_after"] = 2 * keeping["count"] - 1
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 1
    shutil.rmtree(tmp_path / ".out.zarr.partial" / "store")
    keeping["stop_after"] = None
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 0
    found, expected = (zarr.open_array(str(tmp_path / name), mode="r")[:] for name in ("out.zarr", "whole.zarr"))
    np.testing.assert_array_equal(found, expected)


def test_an_array_among_labels_is_not_listed(tmp_path, capsys):
    save_ome(tmp_path / "a.zarr", make_label(), (5, 10, 10))
    save_array(tmp_path / "b.zarr", make_label(), (5, 10, 10))
    assert skeletonize(tmp_path / "b.zarr", tmp_path / "a.zarr" / "labels" / "lines") == 0
    assert "it is not listed with the labels" in capsys.readouterr().err
    labels = zarr.open_group(str(tmp_path / "a.zarr" / "labels"), mode="r")
    assert "labels" not in labels.attrs.get("ome", {})


def test_two_runs_at_once(tmp_path, capsys, monkeypatch):
    save_array(tmp_path / "in.zarr", make_label(), (5, 10, 10))
    write, others = skeletons.write, []

    def write_while_another_begins(*arguments):
        if not others:
            others.append(None)
            others[0] = skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr")
        write(*arguments)

    monkeypatch.setattr(skeletons, "write", write_while_another_begins)
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 0
    assert others == [1]
    assert "another run is at work in" in capsys.readouterr().err
    found = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")[:]
    np.testing.assert_array_equal(found, tubed_skeleton(make_label(), radius=0))


def test_a_label_is_listed_even_if_the_run_was_cut_just_before(tmp_path, monkeypatch):
    save_ome(tmp_path / "a.zarr", make_label(), (5, 10, 10))
    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_label_metadata", lambda *_, **__: 1 / 0)
        assert skeletonize(tmp_path / "a.zarr", tmp_path / "a.zarr" / "labels" / "lines") == 1
    assert skeletonize(tmp_path / "a.zarr", tmp_path / "a.zarr" / "labels" / "lines") == 0
    assert zarr.open_group(str(tmp_path / "a.zarr" / "labels"), mode="r").attrs["ome"]["labels"] == ["lines"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_that_looks_finished(tmp_path):
    label = np.tile(make_label((32, 32, 32)), (4, 4, 4))
    save_array(tmp_path / "in.zarr", label, (32, 32, 32))
    arguments = ["skeletonize", f"{tmp_path}/in.zarr", f"{tmp_path}/out.zarr", "--chunks", "32", "--radius", "1"]
    command = [sys.executable, "-m", "monai_topoloss", *arguments]
    process = subprocess.Popen(command)
    store = tmp_path / ".out.zarr.partial" / "store"
    while process.poll() is None and not list(store.glob("c/*/*/*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out.zarr").exists()
    assert store.exists()
    assert subprocess.run(command, check=False).returncode == 0
    found = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")[:]
    np.testing.assert_array_equal(found, tubed_skeleton(label, radius=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.zarr", "out.nii.gz"], "IN is a Zarr store, so OUT must be a folder, end in .zarr or be within a store"),
        (["a.npy", "out.zarr"], "OUT must be a folder or end like an image"),
        (["a.npy", "in.zarr"], "OUT must be a folder or end like an image"),
        (["in.zarr", "in.zarr"], "OUT would overwrite IN"),
        (["in.zarr", "s3://bucket/out.zarr"], "OUT must be a file or folder, got the address s3://bucket/out.zarr"),
        (["a.npy", "b.npy", "--chunks", "64"], "--chunks: there is no Zarr store, which it is for"),
        (["a.npy", "b.npy", "--memory", "1GiB"], "--memory: there is no Zarr store"),
        (["in.zarr", "out.zarr", "--chunks", "7"], "--chunks must be at least 8, got 7"),
        (["in.zarr", "out.zarr", "--memory", "much"], "--memory must be a size such as 8GiB, got much"),
        (["in.zarr", "out.zarr", "--memory", "1GiB", "--scheduler", "tcp://a:1"], "exclude each other"),
        (["gone.zarr", "out.zarr"], "gone.zarr does not exist"),
    ],
)
def test_wrong_usage(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    save_array(tmp_path / "in.zarr", make_label(), (5, 10, 10))
    np.save(tmp_path / "a.npy", make_label())
    with pytest.raises(SystemExit) as exit_status:
        main(["skeletonize", *arguments])
    assert exit_status.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("separator", [".", "/"])
def test_names_of_chunks_and_axes_stay(tmp_path, separator):
    label = make_label()
    encoding = {"name": "v2", "separator": separator}
    save_array(tmp_path / "in.zarr", label, (5, 10, 10), 2, chunk_key_encoding=encoding)
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr") == 0
    assert (tmp_path / "out.zarr" / separator.join("000")).is_file()
    save_array(tmp_path / "named.zarr", label, (5, 10, 10), dimension_names=["a", "b", "c"])
    assert skeletonize(tmp_path / "named.zarr", tmp_path / "more.zarr") == 0
    assert zarr.open_array(str(tmp_path / "more.zarr")).metadata.dimension_names == ("a", "b", "c")
    save_ome(tmp_path / "ome.zarr", label, (5, 10, 10), version="0.4")
    assert skeletonize(tmp_path / "ome.zarr", tmp_path / "made.zarr") == 0
    assert (tmp_path / "made.zarr" / "0" / "0" / "0" / "0").is_file()  # as OME-Zarr asks for


def test_all_stores_around_a_label_know_of_it(tmp_path):
    zarr.create_group(str(tmp_path / "all.zarr"), zarr_format=2)
    brain = tmp_path / "all.zarr" / "brain.zarr"
    save_ome(brain, make_label(), (5, 10, 10), version="0.4")
    for store in (brain, tmp_path / "all.zarr"):
        zarr.consolidate_metadata(str(store))
    assert skeletonize(brain, brain / "labels" / "lines") == 0
    assert "labels/lines/0" in zarr.open_group(str(brain), mode="r")
    assert "brain.zarr/labels/lines/0" in zarr.open_group(str(tmp_path / "all.zarr"), mode="r")


def test_label_into_a_folder(tmp_path):
    save_ome(tmp_path / "a.zarr", make_label(), (5, 10, 10))
    save_ome(tmp_path / "a.zarr" / "labels" / "vessels", make_label(), (5, 10, 10))
    (tmp_path / "out").mkdir()
    assert skeletonize(tmp_path / "a.zarr" / "labels" / "vessels", tmp_path / "out") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["vessels.zarr"]


@pytest.mark.parametrize("broken", [False, True])
def test_within_what_is_no_store_is_refused(tmp_path, capsys, broken):
    save_ome(tmp_path / "in.zarr", make_label(), (5, 10, 10))
    if broken:
        (tmp_path / "other.zarr").mkdir()
        (tmp_path / "other.zarr" / "zarr.json").write_text("{")
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "other.zarr" / "labels" / "lines") == 1
    assert "other.zarr, which is no group of Zarr" in capsys.readouterr().err
    assert (tmp_path / "other.zarr").exists() == broken


def test_within_an_array_is_refused(tmp_path, capsys):
    save_array(tmp_path / "in.zarr", make_label(), (5, 10, 10))
    save_array(tmp_path / "other.zarr", make_label(), (5, 10, 10))
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "other.zarr" / "lines") == 1
    assert "OUT is within an array" in capsys.readouterr().err
    assert skeletonize(tmp_path / "in.zarr", tmp_path / "in.zarr" / "lines") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.zarr", "other.zarr"]


def test_without_the_packages(tmp_path, monkeypatch, capsys):
    save_array(tmp_path / "in.zarr", make_label(), (5, 10, 10))
    for name in [name for name in sys.modules if name.startswith("monai_topoloss.cli.stores")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ome_zarr.format", None)
    monkeypatch.setitem(sys.modules, "monai_topoloss.chunked._tasks", None)
    with pytest.raises(SystemExit):
        skeletonize(tmp_path / "in.zarr", tmp_path / "out.zarr")
    assert 'Zarr stores take `pip install "monai-topoloss[chunked]"`' in capsys.readouterr().err
    shutil.rmtree(tmp_path / "in.zarr")
