from __future__ import annotations

import csv
import struct
import zlib

import nibabel as nib
import numpy as np
import pytest
import tifffile
import torch
from monai.metrics import compute_dice
from PIL import Image

from monai_topoloss.cli import main
from monai_topoloss.metrics import (
    compute_adapted_rand_error,
    compute_betti_error,
    compute_centerline_dice,
    compute_critical_error,
    compute_variation_of_information,
)

AFFINE = np.diag([0.5, 0.5, 2.0, 1.0])


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".nii.gz"):
        nib.save(nib.Nifti1Image(array, affine), path)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path)


def make_masks(shape=(40, 50), seed=0):
    pred, label = np.random.default_rng(seed).random((2, *shape)) < 0.3
    return pred.astype(np.uint8), label.astype(np.uint8)


def run_all(tmp_path, *options):
    """Evaluate two folders; return the exit status and the rows of the CSV file."""
    out = tmp_path / "out.csv"
    status = main(
        ["evaluate", "--pred", f"{tmp_path}/pred", "--label", f"{tmp_path}/label", "--csv", f"{out}", *options]
    )
    with out.open(newline="", encoding="utf-8") as file:
        return status, list(csv.DictReader(file))


def run(tmp_path, *options):
    """Evaluate two folders; return the exit status and the rows of the cases in the CSV file."""
    status, rows = run_all(tmp_path, *options)
    return status, [row for row in rows if row["case"] not in ("mean", "sd")]


def as_batch(*arrays):
    return [torch.from_numpy(np.ascontiguousarray(array))[None, None].float() for array in arrays]


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
    assert float(row["betti2"]) == pytest.approx(
        compute_betti_error(*batch, kind=2, connectivity=1, patch_size=5).item(), rel=1e-6
    )


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


def test_different_affines_are_mentioned(tmp_path, capsys):
    pred, label = make_masks((5, 6, 7))
    save(tmp_path / "pred" / "a.nii.gz", pred, np.eye(4))
    save(tmp_path / "label" / "a.nii.gz", label)
    assert run(tmp_path)[0] == 0
    assert "warning: a: prediction and label have different affines" in capsys.readouterr().err


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
        (["--pred", "PATH/pred/a.png"], "must be two files or two folders"),
        (["--pred", "PATH/a.txt", "--label", "PATH/a.txt"], "is none of .nii.gz"),
        (["--pred", "PATH/other"], "no name in PATH/other is one in PATH/label"),
        (["--pred", "PATH/empty"], "no images in PATH/empty"),
        (["--pred", "PATH/pred", "--label-postfix", "_x"], "no images ending in _x in PATH/label"),
        (["--pred", "PATH/pred", "--num-classes", "1"], "--num-classes must be at least 2"),
        (["--pred", "PATH/pred", "--num-classes", "2", "--instances"], "exclude each other"),
        (["--pred", "PATH/pred", "--patch-size", "0"], "--patch-size must be at least 1"),
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
