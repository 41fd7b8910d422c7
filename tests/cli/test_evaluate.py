from __future__ import annotations

import csv
import os
import signal
import struct
import zlib

import nibabel as nib
import numpy as np
import pytest
import tifffile
from monai.metrics import compute_dice
from PIL import Image

from monai_topoloss.cli import evaluate, main
from monai_topoloss.cli.cases import evaluate_case
from monai_topoloss.metrics import (
    compute_adapted_rand_error,
    compute_betti_error,
    compute_centerline_dice,
    compute_critical_error,
    compute_variation_of_information,
)
from tests.cli.runs import AFFINE, as_batch, make_masks, run, run_all, save


@pytest.mark.parametrize("suffix", [".png", ".tif", ".nii.gz"])
def test_values_are_those_of_the_functions(tmp_path, suffix, capsys):
    expected = {}
    for seed, name in enumerate(("a", "b")):
        pred, label = make_masks(seed=seed)
        save(tmp_path / "pred" / (name + suffix), 255 * pred)
        save(tmp_path / "label" / "below" / (name + suffix), label)
        # MONAI loads images and stacks with x first.
        batch = as_batch(pred, label) if suffix == ".nii.gz" else as_batch(pred.T, label.T)
        expected[name] = {
            "dice": compute_dice(*batch),
            "cldice": compute_centerline_dice(*batch),
            "tprec": compute_centerline_dice(*batch, score="precision"),
            "tsens": compute_centerline_dice(*batch, score="sensitivity"),
            "betti": compute_betti_error(*batch),
            "betti0": compute_betti_error(*batch, kind=0),
            "betti1": compute_betti_error(*batch, kind=1),
            "euler": compute_betti_error(*batch, kind="euler"),
            "splits": compute_critical_error(*batch),
            "merges": compute_critical_error(*batch, kind="merges"),
            "voi": compute_variation_of_information(*batch),
            "voi_split": compute_variation_of_information(*batch, score="split"),
            "voi_merge": compute_variation_of_information(*batch, score="merge"),
            "are": compute_adapted_rand_error(*batch),
        }
    names = list(expected["a"])
    status, rows = run_all(tmp_path, "--metrics", *names)
    assert status == 0
    assert [row["case"] for row in rows] == ["a", "b", "mean", "sd"]
    values = np.array([[expected[case][name].item() for name in names] for case in ("a", "b")])
    for row, means in zip(rows[2:], (values.mean(axis=0), values.std(axis=0)), strict=True):
        assert [float(row[name]) for name in names] == pytest.approx(means.tolist(), abs=1e-6)
    for row in rows[:2]:
        assert list(row) == ["case", *names, "note", "error"]
        for name in names:
            assert float(row[name]) == pytest.approx(expected[row["case"]][name].item(), abs=1e-6), name
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["case", *names]
    assert lines[-2].split()[0] == "mean"
    assert [float(x) for x in lines[-2].split()[1:]] == pytest.approx(values.mean(axis=0).tolist(), abs=1e-4)
    assert [float(x) for x in lines[-1].split()[1:]] == pytest.approx(values.std(axis=0).tolist(), abs=1e-4)
    assert {len(line) for line in lines} == {len(lines[0])}


def test_two_files_of_different_formats(tmp_path, capsys):
    """A stack in a TIFF file, and the volume that MONAI would save of it."""
    pred, label = make_masks((9, 14, 11))
    save(tmp_path / "p.tif", pred.astype(np.uint16))
    save(tmp_path / "l.nii.gz", label.T)
    out = tmp_path / "out.csv"
    options = ["--metrics", "splits", "betti2", "betti", "--connectivity", "1", "--patch-size", "5", "--csv", f"{out}"]
    assert main(["evaluate", "--pred", f"{tmp_path}/p.tif", "--label", f"{tmp_path}/l.nii.gz", *options]) == 0
    row = next(csv.DictReader(out.read_text().splitlines()))
    assert not capsys.readouterr().err
    batch = as_batch(pred.T, label.T)
    assert float(row["splits"]) == compute_critical_error(*batch, connectivity=1)
    for name, kind in (("betti2", 2), ("betti", "sum")):
        value = compute_betti_error(*batch, kind=kind, connectivity=1, patch_size=5).item()
        assert float(row[name]) == pytest.approx(value, rel=1e-6)
    assert value != compute_betti_error(*batch, connectivity=1)
    assert value != compute_betti_error(*batch, patch_size=5)


def test_classes(tmp_path, capsys):
    pred, label = np.random.default_rng(0).integers(0, 3, (2, 20, 21), dtype=np.uint8)
    for name in ("a", "b"):
        save(tmp_path / "pred" / f"{name}.png", pred)
        save(tmp_path / "label" / f"{name}.png", label)
    status, rows = run(tmp_path, "--num-classes", "3", "--metrics", "cldice", "splits")
    assert status == 0
    assert [(row["case"], row["class"]) for row in rows] == [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]
    for row in rows[:2]:
        batch = as_batch(int(row["class"]) == pred.T, int(row["class"]) == label.T)
        assert float(row["cldice"]) == pytest.approx(compute_centerline_dice(*batch).item())
        assert float(row["splits"]) == compute_critical_error(*batch)
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[-4:]] == [
        ["mean", "1"],
        ["sd", "1"],
        ["mean", "2"],
        ["sd", "2"],
    ]


def test_instances(tmp_path):
    pred, label = np.random.default_rng(0).integers(0, 300, (2, 20, 21))
    save(tmp_path / "pred" / "a.tif", pred.astype(np.uint16))
    save(tmp_path / "label" / "a.nii.gz", label.T.astype(np.int32))
    status, rows = run(tmp_path, "--instances", "--metrics", "voi", "are", "dice")
    assert status == 0
    batch = as_batch(pred, label)
    assert float(rows[0]["voi"]) == pytest.approx(compute_variation_of_information(*batch, instances=True).item())
    assert float(rows[0]["are"]) == pytest.approx(compute_adapted_rand_error(*batch, instances=True).item())
    assert float(rows[0]["dice(mask)"]) == pytest.approx(compute_dice(*as_batch(pred > 0, label > 0)).item())


def test_failures_cost_no_other_case(tmp_path, capsys):
    pred, label = make_masks()
    for name in ("good", "shape", "broken", "colours", "probabilities", "alone"):
        save(tmp_path / "pred" / f"{name}.nii.gz", pred)
        save(tmp_path / "label" / f"{name}.nii.gz", label)
    save(tmp_path / "pred" / "shape.nii.gz", pred[1:])
    (tmp_path / "pred" / "broken.nii.gz").write_bytes(b"no image")
    save(tmp_path / "pred" / "colours.nii.gz", np.stack([pred, label], axis=2)[:, :, None])
    save(tmp_path / "pred" / "probabilities.nii.gz", pred * 0.5)
    (tmp_path / "label" / "alone.nii.gz").unlink()
    save(tmp_path / "pred" / "twice.nii.gz", pred)
    save(tmp_path / "pred" / "twice.png", pred)
    save(tmp_path / "label" / "twice.nii.gz", label)
    status, rows = run(tmp_path)
    assert status == 1
    errors = {row["case"]: row["error"] for row in rows}
    assert errors.pop("good") == ""
    patterns = {
        "shape": "Expected the prediction in the shape of the label, (40, 50), got (39, 50)",
        "broken": "",
        "colours": "got shape (40, 50, 1, 2)",
        "probabilities": "a prediction has to be made discrete first",
        "alone": "has no counterpart",
        "twice": "several files of that name",
    }
    assert errors.keys() == patterns.keys()
    output = capsys.readouterr()
    for name, pattern in patterns.items():
        assert errors[name]
        assert pattern in errors[name]
        assert f"error: {name}: {errors[name]}" in output.err
    assert "6 of 7 cases failed." in output.err
    assert "good" in output.out


SEVERAL = "several ids scored as one mask, see --num-classes and --instances"


def test_class_maps_scored_as_masks_are_mentioned(tmp_path, capsys):
    """Classes 1 and 2 swapped: as masks, prediction and label are the same."""
    label = np.random.default_rng(0).integers(0, 3, (20, 21), dtype=np.uint8)
    swapped = np.array([0, 2, 1], np.uint8)[label]
    pairs = {
        "both": (swapped, label),
        "prediction": (swapped, label > 0),
        "label": (swapped > 0, label),
        "masks": (swapped > 0, 255 * (label > 0)),
        "one": (1 * (swapped > 0), 7 * (label > 0)),
        "float": (swapped.astype(np.float32), label),
    }
    for name, pair in pairs.items():
        for kind, array in zip(("pred", "label"), pair, strict=True):
            dtype = np.float32 if array.dtype == np.float32 else np.uint8
            save(tmp_path / kind / f"{name}.nii.gz", array.astype(dtype))
    status, rows = run(tmp_path, "--metrics", "dice", "betti")
    output = capsys.readouterr()
    assert status == 0
    several = {"both", "prediction", "label", "float"}
    for row in rows:
        assert row["dice"] == "1.0"
        assert row["note"] == (SEVERAL if row["case"] in several else "")
        assert (f"warning: {row['case']}: {SEVERAL}" in output.err) == (row["case"] in several)
    lines = {line.split()[0]: line for line in output.out.splitlines()}
    assert lines["case"].split() == ["case", "dice", "betti", "note"]
    assert {name for name in pairs if lines[name].endswith(SEVERAL)} == several
    for options in (["--num-classes", "8"], ["--instances"]):
        for kind in ("pred", "label"):
            (tmp_path / kind / "masks.nii.gz").unlink(missing_ok=True)
        assert {row["note"] for row in run(tmp_path, *options)[1]} == {""}
        assert SEVERAL not in capsys.readouterr().err


def test_with_instances_columns_say_what_sees_masks(tmp_path, capsys):
    pred, label = np.random.default_rng(0).integers(0, 30, (2, 20, 21), dtype=np.uint8)
    save(tmp_path / "pred" / "a.png", pred)
    save(tmp_path / "label" / "a.png", label)
    names = ["are", "dice", "cldice", "tprec", "betti", "euler", "splits", "merges", "voi", "voi_split", "voi_merge"]
    columns = [name if name in ("are", "voi", "voi_split", "voi_merge") else f"{name}(mask)" for name in names]
    assert list(run(tmp_path, "--instances", "--metrics", *names)[1][0]) == ["case", *columns, "note", "error"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["case", *columns]
    assert "." not in lines[2].split()[1 + names.index("splits")]  # a whole number
    assert list(run(tmp_path, "--instances")[1][0])[1:-2] == ["voi", "voi_split", "voi_merge", "are"]


def test_means_say_how_many_cases_they_are_of(tmp_path, capsys):
    pred, label = make_masks()
    for name in "abcd":
        save(tmp_path / "pred" / f"{name}.nii.gz", pred)
        save(tmp_path / "label" / f"{name}.nii.gz", label)
    save(tmp_path / "pred" / "b.nii.gz", pred[1:])
    (tmp_path / "label" / "c.nii.gz").unlink()
    status, rows = run_all(tmp_path, "--metrics", "dice")
    assert status == 1
    assert [row["case"] for row in rows] == ["c", "a", "b", "d", "mean", "sd"]
    assert rows[-2]["note"] == "of 2 cases, 2 failed"
    assert float(rows[-2]["dice"]) == float(rows[1]["dice"])
    assert float(rows[-1]["dice"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].split(maxsplit=2) == ["mean", f"{float(rows[1]['dice']):.4f}", "of 2 cases, 2 failed"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_names_that_are_no_text(tmp_path, jobs, capsys):
    """File names are bytes, and may hold anything."""
    pred, label = make_masks()
    name = b"=1\x1b[2J\n\xff"
    for kind, mask in (("pred", pred), ("label", label)):
        for case in (name, b"+b"):
            save(tmp_path / kind / f"{os.fsdecode(case)}.png", mask)
    save(tmp_path / "pred" / f"{os.fsdecode(b'-alone' + name)}.png", pred)
    status, rows = run(tmp_path, "--metrics", "dice", "--jobs", jobs)
    assert status == 1
    assert [row["case"] for row in rows] == ["'-alone=1\\x1b[2J\\n\\udcff", "'+b", "'=1\\x1b[2J\\n\\udcff"]
    output = capsys.readouterr()
    assert "\x1b" not in output.out + output.err
    assert "=1\\x1b[2J\\n\\udcff" in output.out
    assert "error: -alone=1\\x1b[2J\\n\\udcff" in output.err


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda pred, label: (pred, label - 2.0 * (label > 0)), [], "no negative ids, got -1; to leave these voxels"),
        (lambda pred, label: (pred, label - 2.0 * (label > 0)), [], "these voxels out, pass --ignore-index -1"),
        (lambda pred, label: (-1.0 * pred, label), [], "Expected the prediction to hold no negative ids, got -1."),
        (
            lambda pred, label: (pred, np.where(label, np.nan, 0)),
            [],
            "the label to hold whole numbers, got NaN",
        ),
        (
            lambda pred, label: (np.where(pred, np.inf, 0), label),
            [],
            "the prediction to hold whole numbers, got NaN",
        ),
        (lambda pred, label: (pred, 0.5 * label), [], "resample labels by the nearest neighbour"),
        (lambda pred, label: (0.5 * pred, label), [], "a prediction has to be made discrete first, by a threshold"),
        (lambda pred, label: (5 * pred, label), ["--num-classes", "3"], "ids below 3, which is --num-classes, got 5."),
        (lambda pred, label: (pred, 5 * label), ["--num-classes", "3"], "got 5; to leave these voxels out, pass"),
        (lambda pred, label: (pred, label), ["--connectivity", "3"], "Expected --connectivity from 1 to 2"),
        (lambda pred, label: (np.stack([pred] * 2, -1)[:, :, None], label), [], "got shape (40, 50, 1, 2)"),
    ],
)
@pytest.mark.parametrize("suffix", [".nii.gz"])
def test_messages_speak_of_options(tmp_path, change, options, message, suffix):
    """Arguments of functions are nothing that somebody at the command line knows."""
    pred, label = change(*make_masks())
    for kind, array in (("pred", pred), ("label", label)):
        save(tmp_path / kind / f"a{suffix}", array.astype(np.uint8 if array.dtype.kind in "iu" else np.float32))
    status, rows = run(tmp_path, *options)
    assert status == 1
    assert message in rows[0]["error"]
    assert "`" not in rows[0]["error"]
    assert "ignore_index" not in rows[0]["error"]


OF_ALL = ["dice", "cldice", "tprec", "tsens", "betti", "euler", "splits", "merges", "voi", "are"]


@pytest.mark.parametrize("suffix", [".png", ".nii.gz"])
def test_ignored_voxels_count_for_nothing(tmp_path, suffix):
    """Whatever the prediction is there; and Dice is that of the other voxels."""
    pred, label = make_masks()
    ignored = np.zeros_like(label, bool)
    ignored[10:17, 5:40] = True
    label[ignored] = 255
    other = np.where(ignored, 1 - pred, pred)
    invalid = np.where(ignored, 255, pred)
    for name, prediction in (("a", pred), ("b", other), ("c", invalid.astype(np.uint8))):
        save(tmp_path / "pred" / f"{name}{suffix}", prediction)
        save(tmp_path / "label" / f"{name}{suffix}", label)
    status, rows = run(tmp_path, "--ignore-index", "255", "--metrics", *OF_ALL)
    assert status == 0
    assert len(rows) == 3
    for row in rows:
        assert row["note"] == ""
        assert [row[name] for name in OF_ALL] == [rows[0][name] for name in OF_ALL]
    rest = as_batch(pred[None, ~ignored], label[None, ~ignored])
    assert float(rows[0]["dice"]) == pytest.approx(compute_dice(*rest).item())
    arrays = (pred, label) if suffix == ".nii.gz" else (pred.T, label.T)
    assert_ignored(rows[0], as_batch(*arrays), ignore_index=255)


def assert_ignored(row, batch, **options):
    """The values are those of the functions with these options."""
    expected = {
        "cldice": compute_centerline_dice(*batch, **options),
        "tprec": compute_centerline_dice(*batch, score="precision", **options),
        "tsens": compute_centerline_dice(*batch, score="sensitivity", **options),
        "betti": compute_betti_error(*batch, **options),
        "euler": compute_betti_error(*batch, kind="euler", **options),
        "splits": compute_critical_error(*batch, **options),
        "merges": compute_critical_error(*batch, kind="merges", **options),
        "voi": compute_variation_of_information(*batch, **options),
        "are": compute_adapted_rand_error(*batch, **options),
    }
    for name, value in expected.items():
        assert float(row[name]) == pytest.approx(value.item(), abs=1e-6), name


def test_ignored_voxels_of_classes_and_negative_ids(tmp_path):
    rng = np.random.default_rng(0)
    pred, label = rng.integers(0, 3, (2, 20, 21)).astype(np.int16)
    ignored = rng.random(label.shape) < 0.1
    save(tmp_path / "pred" / "a.nii.gz", pred)
    save(tmp_path / "label" / "a.nii.gz", np.where(ignored, -1, label).astype(np.int16))
    status, rows = run(tmp_path, "--num-classes", "3", "--ignore-index", "-1", "--metrics", "dice", "merges")
    assert status == 0
    for row in rows:
        batch = as_batch(*((ids == int(row["class"])) & ~ignored for ids in (pred, label)))
        assert float(row["dice"]) == pytest.approx(compute_dice(*batch).item())
        assert float(row["merges"]) == compute_critical_error(*batch, kind="merges")


def test_ignored_voxels_of_instances(tmp_path):
    rng = np.random.default_rng(0)
    pred, label = rng.integers(0, 9, (2, 20, 21), dtype=np.uint8)
    save(tmp_path / "pred" / "a.png", pred)
    save(tmp_path / "label" / "a.png", label)
    status, rows = run(tmp_path, "--instances", "--ignore-index", "3", "--metrics", "voi", "are", "dice")
    assert status == 0
    rest = as_batch(*(ids[None, label != 3] for ids in (pred, label)))
    assert float(rows[0]["voi"]) == pytest.approx(compute_variation_of_information(*rest, instances=True).item())
    assert float(rows[0]["are"]) == pytest.approx(compute_adapted_rand_error(*rest, instances=True).item())
    assert float(rows[0]["dice(mask)"]) == pytest.approx(compute_dice(*(ids != 0 for ids in rest)).item())


def test_an_ignored_value_that_no_file_can_hold(tmp_path):
    pred, label = make_masks()
    save(tmp_path / "pred" / "a.png", pred)
    save(tmp_path / "label" / "a.png", label)
    rows = [run(tmp_path, *options)[1] for options in ([], ["--ignore-index", "-1"], ["--ignore-index", "70000"])]
    assert rows[0] == rows[1] == rows[2]


def test_processes_change_nothing(tmp_path, capsys):
    """With cases that fail, and warnings."""
    for seed, name in enumerate("abcdef"):
        pred, label = make_masks((9, 10, 11), seed)
        save(tmp_path / "pred" / f"{name}.nii.gz", pred)
        save(tmp_path / "label" / f"{name}.nii.gz", label, np.eye(4) if name == "c" else AFFINE)
    (tmp_path / "pred" / "b.nii.gz").write_bytes(b"no image")
    save(tmp_path / "pred" / "e.nii.gz", make_masks((8, 10, 11))[0])
    outputs = []
    for jobs in ("1", "3"):
        status, rows = run_all(tmp_path, "--jobs", jobs)
        outputs.append((status, rows, *capsys.readouterr()))
    assert outputs[0] == outputs[1]
    assert outputs[0][0] == 1


def test_a_process_that_is_killed_is_a_failed_case(tmp_path, monkeypatch, capsys):
    pred, label = make_masks()
    for name in "abc":
        save(tmp_path / "pred" / f"{name}.png", pred)
        save(tmp_path / "label" / f"{name}.png", label)

    def evaluate_or_die(settings, case):
        if case.name == "b":
            os.kill(os.getpid(), signal.SIGKILL)
        return evaluate_case(settings, case)

    monkeypatch.setattr(evaluate, "evaluate_case", evaluate_or_die)
    status, rows = run(tmp_path, "--jobs", "2")
    assert status == 1
    assert [row["error"] for row in rows] == ["", "its process ended by signal 9 (Killed)", ""]
    assert "error: b: its process ended by signal 9 (Killed)" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interruption_keeps_what_is_done(tmp_path, jobs, monkeypatch, capsys):
    pred, label = make_masks()
    for name in "abcd":
        save(tmp_path / "pred" / f"{name}.png", pred)
        save(tmp_path / "label" / f"{name}.png", label)

    def interrupted(cases, _):
        yield from cases[:2]
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "progress", interrupted)
    status, rows = run_all(tmp_path, "--jobs", jobs)
    assert status == 130
    assert [row["case"] for row in rows] == ["a", "b"]
    assert capsys.readouterr().err == "interrupted\n"


def test_postfixes(tmp_path):
    pred, label = make_masks()
    save(tmp_path / "pred" / "x" / "x_seg.png", pred)  # as MONAI's SaveImage
    save(tmp_path / "label" / "x_1stHO.png", label)
    save(tmp_path / "label" / "x_2ndHO.png", pred)
    (tmp_path / "label" / ".x_1stHO.png").write_bytes(b"hidden")
    status, rows = run(tmp_path, "--pred-postfix", "_seg", "--label-postfix", "_1stHO", "--metrics", "dice")
    assert status == 0
    assert [row["case"] for row in rows] == ["x"]
    assert float(rows[0]["dice"]) == pytest.approx(compute_dice(*as_batch(pred, label)).item())


def test_empty_labels_have_no_dice(tmp_path, capsys):
    pred, label = make_masks()
    for name, mask in (("a", label), ("b", 0 * label)):
        save(tmp_path / "pred" / f"{name}.png", pred)
        save(tmp_path / "label" / f"{name}.png", mask)
    status, rows = run(tmp_path, "--metrics", "dice", "betti2")
    assert status == 0
    assert rows[1]["dice"] == rows[0]["betti2"] == "nan"
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[-2] == ["mean", f"{float(rows[0]['dice']):.4f}", "nan"]


def test_names_that_are_unique_with_their_folders(tmp_path):
    pred, label = make_masks()
    for case in ("a", "b"):
        save(tmp_path / "pred" / case / "seg.png", pred)
        save(tmp_path / "label" / case / "seg.nii.gz", label)
    status, rows = run(tmp_path, "--metrics", "dice")
    assert status == 1
    assert [row["case"] for row in rows] == ["a/seg", "b/seg"]
    assert "(40, 50), got (50, 40)" in rows[0]["error"]  # MONAI loads a PNG file with x first


def test_compressed_and_planar_tiff_files(tmp_path):
    pred, label = make_masks()
    (tmp_path / "pred").mkdir()
    Image.fromarray(255 * pred).save(tmp_path / "pred" / "lzw.tif", compression="tiff_lzw")
    planes = [Image.fromarray(255 * pred)] * 3
    planes[0].save(tmp_path / "pred" / "stack.tif", compression="tiff_lzw", save_all=True, append_images=planes[1:])
    tifffile.imwrite(tmp_path / "pred" / "planar.tif", np.stack([pred] * 3), photometric="rgb", planarconfig="separate")
    for name in ("lzw", "planar"):
        save(tmp_path / "label" / f"{name}.png", label)
    tifffile.imwrite(tmp_path / "label" / "stack.tif", np.stack([label] * 3), photometric="minisblack")
    status, rows = run(tmp_path, "--metrics", "dice")
    assert status == 0
    assert len(rows) == 3
    for row in rows:
        assert float(row["dice"]) == pytest.approx(compute_dice(*as_batch(pred, label)).item())


@pytest.mark.parametrize(
    ("depth", "colour", "message"), [(2, 0, "2 bits a pixel"), (4, 0, "4 bits a pixel"), (16, 2, "16 bits a colour")]
)
def test_png_files_that_would_be_read_wrong(tmp_path, depth, colour, message):
    """Pillow stretches the values of the first and cuts those of the last."""
    save(tmp_path / "label" / "a.png", make_masks()[0])
    header = struct.pack(">IIBBBBB", 50, 40, depth, colour, 0, 0, 0)
    chunk = b"IHDR" + header
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "pred").mkdir()
    (tmp_path / "pred" / "a.png").write_bytes(start)
    status, rows = run(tmp_path)
    assert status == 1
    assert message in rows[0]["error"]


def test_unusual_nifti_files(tmp_path):
    """Big-endian, and whole numbers that are stored with a scale."""
    pred, label = make_masks((9, 10, 11))
    for name in ("big", "scaled"):
        save(tmp_path / "label" / f"{name}.nii.gz", label)
    header = nib.Nifti1Header(endianness=">")
    (tmp_path / "pred").mkdir()
    nib.save(nib.Nifti1Image(pred.astype(">i2"), AFFINE, header), tmp_path / "pred" / "big.nii.gz")
    scaled = nib.Nifti1Image(10 * pred.astype(np.int16), AFFINE)
    scaled.header.set_slope_inter(0.1, 0)
    nib.save(scaled, tmp_path / "pred" / "scaled.nii.gz")
    status, rows = run(tmp_path, "--metrics", "dice")
    assert status == 0
    for row in rows:
        assert float(row["dice"]) == pytest.approx(compute_dice(*as_batch(pred, label)).item())


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_colours_and_transparency(tmp_path, suffix):
    pred, label = make_masks()
    grey = np.stack([255 * pred] * 3, axis=2)
    save(tmp_path / "pred" / f"a{suffix}", grey)
    save(tmp_path / "pred" / f"b{suffix}", np.concatenate([grey, np.full_like(grey[..., :1], 255)], axis=2))
    for name in "ab":
        save(tmp_path / "label" / f"{name}.png", label.astype(bool))
    status, rows = run(tmp_path, "--metrics", "dice")
    assert status == 0
    for row in rows:
        assert float(row["dice"]) == pytest.approx(compute_dice(*as_batch(pred, label)).item())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "PATH/nothing does not exist"),
        (["--pred", "PATH/pred/a.png"], "must be two images or two folders of them"),
        (["--pred", "PATH/a.txt", "--label", "PATH/a.txt"], "is none of .nii.gz"),
        (["--pred", "PATH/other"], "no name in PATH/other is one in PATH/label"),
        (["--pred", "PATH/empty"], "no images in PATH/empty"),
        (["--pred", "PATH/pred", "--label-postfix", "_x"], "no images ending in _x in PATH/label"),
        (["--pred", "PATH/pred", "--num-classes", "1"], "--num-classes must be at least 2"),
        (["--pred", "PATH/pred", "--num-classes", "2", "--instances"], "exclude each other"),
        (["--pred", "PATH/pred", "--patch-size", "0"], "--patch-size must be at least 1"),
        (["--pred", "PATH/pred", "--connectivity", "0"], "--connectivity must be at least 1"),
        (["--pred", "PATH/pred", "--connectivity", "4"], "--connectivity must be at most 3"),
        (["--pred", "PATH/pred", "--jobs", "0"], "--jobs must be at least 1"),
        (["--pred", "PATH/pred", "--ignore-index", "0"], "--ignore-index must not be 0"),
        (["--pred", "PATH/pred", "--csv", "PATH"], "--csv cannot be written"),
        (["--pred", "PATH/pred", "--csv", "PATH/a.txt/t.csv"], "--csv cannot be written"),
        (["--pred", "PATH/pred", "--metrics", "recall"], "invalid choice: 'recall'"),
    ],
)
def test_wrong_usage(tmp_path, options, message, capsys):
    pred, label = make_masks()
    for name, mask in (("pred/a", pred), ("label/a", label), ("other/b", pred)):
        save(tmp_path / f"{name}.png", mask)
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "empty").mkdir()
    arguments = ["--pred", "PATH/nothing", "--label", "PATH/label", *options]
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", *(argument.replace("PATH", str(tmp_path)) for argument in arguments)])
    assert stop.value.code == 2
    assert message.replace("PATH", str(tmp_path)) in capsys.readouterr().err


def neurites():
    """Two true neurites side by side, and a prediction that cuts one."""
    label = np.zeros((4, 13, 3), np.int16)
    label[1, 1:12, 1], label[2, 1:12, 1] = 3, 5
    prediction = label.copy()
    prediction[1, 7:12, 1] = 9
    return prediction, label


EDGES = ("correct_edges", "split_edges", "omitted_edges", "merged_edges")
NEURONS = ("nerl", "erl", *EDGES, "neuron_splits", "neuron_merges")


def test_neuron_and_instance_scores(tmp_path, capsys):
    prediction, label = neurites()
    affine = np.diag([1, 2, 1, 1])
    save(tmp_path / "pred" / "a.nii.gz", prediction, affine)
    save(tmp_path / "label" / "a.nii.gz", label, affine)
    status, (row,) = run(tmp_path, "--instances", "--metrics", *NEURONS, "f1", "pq", "dice")
    assert status == 0
    values = [float(row[name]) for name in (*NEURONS, "f1", "pq", "dice(mask)")]
    # One of two is cut: of eleven voxels six match, which is more than half of them.
    assert values == pytest.approx([0.705, 14.1, 0.95, 0.05, 0, 0, 1, 0, 0.8, (1 + 6 / 11) / 2.5, 1])
    assert "neuron_splits" in capsys.readouterr().out
    status, (row,) = run(tmp_path, "--instances", "--metrics", "erl", "--spacing", "1", "0.5", "1")
    assert float(row["erl"]) == pytest.approx(7.05 / 2)
    status, (row,) = run(tmp_path, "--metrics", "nerl", "neuron_merges")  # both touch, and are one component
    assert float(row["nerl"]) == 1


def test_skeletons_from_swc_files(tmp_path):
    prediction, label = neurites()
    for name in ("a", "b"):
        save(tmp_path / "pred" / f"{name}.nii.gz", prediction, np.diag([1, 2, 1, 1]))
        save(tmp_path / "label" / f"{name}.nii.gz", label, np.diag([1, 2, 1, 1]))
    lines = {x: [f"{k} 0 {x} {2 * k} 1 1 {k - 1 if k > 1 else -1}" for k in range(1, 12)] for x in (1, 2)}
    swc = tmp_path / "swc"
    (swc / "b").mkdir(parents=True)
    (swc / "a.swc").write_text("\n".join(lines[1]))
    for x in (1, 2):
        (swc / "b" / f"{x}.swc").write_text("\n".join(lines[x]))
    status, rows = run(tmp_path, "--instances", "--metrics", "erl", "neuron_splits", "--swc", f"{swc}")
    assert status == 0
    assert [float(row["erl"]) for row in rows] == pytest.approx([8.2, 14.1])
    assert [float(row["neuron_splits"]) for row in rows] == [1, 1]
    ignored = label.copy()
    ignored[:, 7:9] = 99
    for name in ("a", "b"):
        save(tmp_path / "label" / f"{name}.nii.gz", ignored, np.diag([1, 2, 1, 1]))
    options = ("--instances", "--ignore-index", "99", "--swc", f"{swc}", "--metrics")
    status, rows = run(tmp_path, *options, "correct_edges", "neuron_splits", "nerl")
    assert [list(map(float, list(row.values())[1:4])) for row in rows] == [[1, 0, 1]] * 2
    (swc / "a.swc").unlink()
    assert run(tmp_path, "--instances", "--metrics", "voi", "--swc", f"{swc}")[0] == 0  # needs none
    status, rows = run(tmp_path, "--instances", "--metrics", "erl", "--swc", f"{swc}")
    assert status == 1
    assert "a.swc" in rows[0]["error"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--spacing", "0"), "--spacing must be positive, got 0"),
        (("--swc", "nowhere"), "--swc must be a folder, got nowhere"),
        (("--swc", ".", "--num-classes", "3"), "--swc and --num-classes exclude each other"),
    ],
)
def test_wrong_spacing_and_skeletons(tmp_path, options, message, capsys):
    (tmp_path / "pred").mkdir()
    (tmp_path / "label").mkdir()
    with pytest.raises(SystemExit) as error:
        run(tmp_path, *options)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_as_many_sizes_as_axes(tmp_path):
    prediction, label = neurites()
    save(tmp_path / "pred" / "a.nii.gz", prediction)
    save(tmp_path / "label" / "a.nii.gz", label)
    status, (row,) = run(tmp_path, "--metrics", "nerl", "--spacing", "1", "2")
    assert status == 1
    assert row["error"] == "Expected --spacing to be one number or 3, the number of the files' axes, got 2."
