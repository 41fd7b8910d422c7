from __future__ import annotations

import csv
import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
import tifffile
import torch
from monai.metrics import compute_dice
from PIL import Image

from monai_topoloss.cli.files import UsageError
from monai_topoloss.cli.matching import match


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def matched(folder, pred_postfix="", label_postfix=""):
    """Match two folders; return the names of cases and files below, and the problems."""
    cases, problems = match(folder / "pred", folder / "label", pred_postfix, label_postfix)
    short = {
        name: tuple(
            path.relative_to(folder / kind).as_posix() for path, kind in zip(paths, ("pred", "label"), strict=True)
        )
        for name, *paths in cases
    }
    return short, {name: reason.replace(f"{folder}/", "") for name, reason in problems.items()}


def test_names_are_matched_wherever_they_are(tmp_path):
    make(tmp_path / "pred", "a.png", "x/b.tif", "c.nii.gz")
    make(tmp_path / "label", "y/a.nii.gz", "b.npy", "d.mha")
    assert matched(tmp_path) == (
        {"a": ("a.png", "y/a.nii.gz"), "b": ("x/b.tif", "b.npy")},
        {"c": "prediction pred/c.nii.gz has no counterpart", "d": "label label/d.mha has no counterpart"},
    )


def test_names_that_are_not_unique_count_with_their_folders(tmp_path):
    make(tmp_path / "pred", "a/seg.png", "b/seg.png", "c.png", "c.tif")
    make(tmp_path / "label", "a/seg.png", "seg.png", "c.png")
    cases, problems = matched(tmp_path)
    assert cases == {"a/seg": ("a/seg.png", "a/seg.png")}
    assert problems == {
        "b/seg": "prediction pred/b/seg.png has no counterpart",
        "c": "several files of that name: pred/c.png, pred/c.tif, label/c.png",
        "seg": "label label/seg.png has no counterpart",
    }


def test_a_file_named_like_the_postfix_has_the_name_of_its_folder(tmp_path):
    make(tmp_path / "pred", "a/_seg.nii.gz", "b/_seg.nii.gz", "_seg.nii.gz", "c_seg.nii.gz")
    make(tmp_path / "label", "a/gt.nii.gz", "b.gt.nii.gz", "gt.nii.gz", "cgt.nii.gz")
    assert matched(tmp_path, "_seg", "gt") == (
        {
            ".": ("_seg.nii.gz", "gt.nii.gz"),
            "a": ("a/_seg.nii.gz", "a/gt.nii.gz"),
            "c": ("c_seg.nii.gz", "cgt.nii.gz"),
        },
        {"b": "prediction pred/b/_seg.nii.gz has no counterpart", "b.": "label label/b.gt.nii.gz has no counterpart"},
    )


def test_a_postfix_goes_once_and_from_the_end_only(tmp_path):
    make(tmp_path / "pred", "a_seg_seg.png", "_seg_b.png", "_seg_b_seg.png")
    make(tmp_path / "label", "a_seg.png", "_seg_b.png")
    assert matched(tmp_path, "_seg") == (
        {"a_seg": ("a_seg_seg.png", "a_seg.png"), "_seg_b": ("_seg_b_seg.png", "_seg_b.png")},
        {},
    )


def test_what_is_left_out_is_a_problem(tmp_path):
    make(tmp_path / "pred", "a.png", "b.jpg", "c.jpg", "x/a.jpg", "plans.json")
    make(tmp_path / "label", "a.png", "b.png", "c.jpg", "d.mgz")
    cases, problems = matched(tmp_path)
    assert list(cases) == ["a"]
    reasons = {
        name: reason.replace(" is none of .nii.gz, .nii, .mha, .mhd, .nrrd, .nhdr, .png, .bmp, .tif, .tiff, .npy", "")
        for name, reason in problems.items()
    }
    assert reasons == {
        "b": "label label/b.png has no counterpart; pred/b.jpg is left out: .jpg",
        "c": "pred/c.jpg is left out: .jpg; label/c.jpg is left out: .jpg",
        "a.jpg": "pred/x/a.jpg is left out: .jpg",
        "d": "label/d.mgz is left out: .mgz",
    }


def test_what_has_not_the_postfix_was_not_asked_for(tmp_path):
    make(tmp_path, "pred/a.jpg", "pred/a_1.png", "pred/b_1.gif", "label/a_2.png", "label/a.jpg")
    cases, problems = matched(tmp_path, "_1", "_2")
    assert cases == {"a": ("a_1.png", "a_2.png")}
    assert list(problems) == ["b"]
    assert problems["b"].startswith("pred/b_1.gif is left out: .gif is none of")


def test_a_folder_without_images_says_what_is_there_instead(tmp_path):
    make(tmp_path, "pred/a.jpg", "label/a.png")
    with pytest.raises(UsageError, match=r"no images in \S*/pred: \S*/a\.jpg is left out: \.jpg is none of"):
        matched(tmp_path)


def test_names_can_be_printed(tmp_path):
    for name in (os.fsdecode(b"a\xff.png"), "b\x1b[2J.png"):
        make(tmp_path / "pred", name)
        make(tmp_path / "label", name)
    make(tmp_path / "label", "c\n.png")
    cases, problems = match(tmp_path / "pred", tmp_path / "label")
    assert [name for name, *_ in cases] == ["a\\udcff", "b\\x1b[2J"]
    assert cases[0][1] == tmp_path / "pred" / os.fsdecode(b"a\xff.png")
    assert problems == {"c\\n": f"label {tmp_path}/label/c\\n.png has no counterpart"}
    pair = (tmp_path / "pred" / "b\x1b[2J.png", tmp_path / "label" / "c\n.png")
    assert match(*pair)[0] == [("b\\x1b[2J", *pair)]


def evaluate(folder, *options):
    """Run the command on two folders as users do; return the result and the rows of the CSV file."""
    command = [
        sys.executable,
        "-m",
        "monai_topoloss",
        "evaluate",
        "--pred",
        f"{folder}/pred",
        "--label",
        f"{folder}/label",
    ]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    result = subprocess.run(
        [*command, "--metrics", "dice", "--csv", f"{folder}/out.csv", *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    with (folder / "out.csv").open(newline="") as file:
        return result, {row["case"]: row for row in csv.DictReader(file) if row["case"] not in ("mean", "sd")}


def test_no_name_costs_another_case(tmp_path):
    """Names not in UTF-8, in letters that the terminal lacks, and with what it would obey."""
    mask = np.eye(20, dtype=np.uint8)
    for name in (os.fsdecode(b"a\xff.png"), "b\x1b[2J.png", "c.png", os.fsdecode(b"d\xff.png"), "\u6587.png"):
        for place in ("pred", "label"):
            (tmp_path / place).mkdir(exist_ok=True)
            Image.fromarray(mask).save(tmp_path / place / name)
    (tmp_path / "pred" / os.fsdecode(b"d\xff.png")).write_bytes(b"no image")
    (tmp_path / "pred" / os.fsdecode(b"e\xff\n.jpg")).write_bytes(b"")
    result, rows = evaluate(tmp_path)
    assert result.returncode == 1
    assert {name: row["dice"] for name, row in rows.items()} == {
        "a\\udcff": "1.0",
        "b\\x1b[2J": "1.0",
        "c": "1.0",
        "\u6587": "1.0",
        "d\\udcff": "",
        "e\\udcff\\n": "",
    }
    assert "2 of 6 cases failed." in result.stderr
    assert "error: d\\udcff: cannot identify image file" in result.stderr
    assert f"error: e\\udcff\\n: {tmp_path}/pred/e\\udcff\\n.jpg is left out: .jpg is none of" in result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()[2:6]] == ["a\\udcff", "b\\x1b[2J", "c", "\\u6587"]


def test_cases_in_other_formats_count_and_are_named(tmp_path):
    rng = np.random.default_rng(0)
    masks = (rng.random((2, 9, 8, 7)) < 0.5).astype(np.uint8)
    for place, mask in zip(("pred", "label"), masks, strict=True):
        (tmp_path / place).mkdir()
        np.save(tmp_path / place / "a.npy", mask)
        with tifffile.TiffWriter(tmp_path / place / "b.tif") as writer:
            for plane in mask.T:
                writer.write(plane)
        tifffile.imwrite(tmp_path / place / "c.tif", mask.T, imagej=True, metadata={"axes": "TYX"})
    sitk.WriteImage(sitk.GetImageFromArray(masks[0].T.copy()), f"{tmp_path}/pred/d.mha")
    sitk.WriteImage(sitk.GetImageFromArray(masks[1].T.copy()), f"{tmp_path}/label/d.nrrd")
    (tmp_path / "label" / "e.mgz").write_bytes(b"")
    (tmp_path / "pred" / "plans.json").write_text("{}")
    result, rows = evaluate(tmp_path)
    dice = compute_dice(*(torch.from_numpy(mask)[None, None] for mask in masks)).item()
    for name in "abd":
        assert float(rows.pop(name)["dice"]) == pytest.approx(dice)
    assert result.returncode == 1
    assert rows.keys() == {"c", "e"}
    assert "got axes TYX of shape (7, 8, 9), 7 times; if they are slices, save it with axes ZYX" in rows["c"]["error"]
    assert "2 of 5 cases failed." in result.stderr


def test_a_smoothed_label_is_named(tmp_path):
    disk = np.hypot(*np.mgrid[-40:41, -40:41]) < 30
    for place in ("pred", "label"):
        (tmp_path / place).mkdir()
        Image.fromarray(255 * disk.astype(np.uint8)).save(tmp_path / place / "a.png")
    smooth = Image.open(tmp_path / "label" / "a.png").resize((60, 60)).resize((81, 81))
    smooth.save(tmp_path / "label" / "a.png")
    result, rows = evaluate(tmp_path)
    assert result.returncode == 0
    assert "warning: a: label: 0, 255 and " in result.stderr
    assert rows["a"]["note"].startswith("label: 0, 255 and ")
    assert "prediction: " not in result.stderr
    assert 0.9 < float(rows["a"]["dice"]) < 1
