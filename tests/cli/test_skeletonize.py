from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
import tifffile
from PIL import Image

from monai_topoloss import skeleton_graph, skeleton_trees, skeletonize, tubed_skeleton
from monai_topoloss.cli import main
from monai_topoloss.datasets import read_swc, synthetic_vessels
from tests.cli.test_evaluate import AFFINE, save


def make_label(shape):
    return (np.random.default_rng(0).random(shape) < 0.7).astype(np.uint8)


def test_volume_keeps_affine_header_and_values(tmp_path):
    label = 7 * make_label((20, 21, 22)).astype(np.int16)
    image = nib.Nifti1Image(label, AFFINE)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"mine"
    nib.save(image, tmp_path / "in.nii.gz")
    assert main(["skeletonize", f"{tmp_path}/in.nii.gz", f"{tmp_path}/out.nii.gz", "--radius", "1"]) == 0
    result = nib.load(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(np.asarray(result.dataobj), tubed_skeleton(label, radius=1))
    np.testing.assert_allclose(result.affine, AFFINE)
    assert result.get_data_dtype() == np.int16
    assert result.header.get_xyzt_units()[0] == "mm"
    assert result.header["descrip"] == b"mine"


@pytest.mark.parametrize("name", ["in.nii.gz", "in.mha"])
def test_radius_in_millimetres(tmp_path, name):
    label = make_label((20, 21, 22))
    if name.endswith(".mha"):
        image = sitk.GetImageFromArray(label.T)
        image.SetSpacing((0.5, 0.5, 2.0))
        sitk.WriteImage(image, tmp_path / name)
    else:
        save(tmp_path / name, label)
    out = tmp_path / "out.nii.gz"
    assert main(["skeletonize", f"{tmp_path / name}", f"{out}", "--radius", "1.2", "--units", "mm"]) == 0
    expected = tubed_skeleton(label, radius=1.2, spacing=(0.5, 0.5, 2.0))
    np.testing.assert_array_equal(np.asarray(nib.load(out).dataobj), expected)


def test_radius_in_millimetres_of_a_file_that_has_none(tmp_path, capsys):
    save(tmp_path / "in.png", make_label((20, 21)))
    arguments = ["skeletonize", f"{tmp_path}/in.png", f"{tmp_path}/out.png", "--radius", "1", "--units", "mm"]
    assert main(arguments) == 1
    assert "--units mm takes the spacing of the file, which has none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("radius", "message"),
    [
        ("1.5", "--radius must be a whole number of voxels, or take --units mm, got 1.5"),
        ("-1", "--radius must be at least 0, got -1"),
        ("inf", "--radius must be at least 0, got inf"),
        ("wide", "argument --radius: invalid number value: 'wide'"),
    ],
)
def test_wrong_radius(tmp_path, capsys, radius, message):
    save(tmp_path / "in.png", make_label((20, 21)))
    with pytest.raises(SystemExit):
        main(["skeletonize", f"{tmp_path}/in.png", f"{tmp_path}/out.png", f"--radius={radius}"])
    assert message in capsys.readouterr().err


def test_folder(tmp_path, capsys):
    flat, volume = make_label((30, 41)), make_label((12, 13, 14))
    save(tmp_path / "in" / "a.png", 255 * flat)
    save(tmp_path / "in" / "below" / "b.tif", volume.astype(np.uint16))
    save(tmp_path / "in" / "c.nii.gz", flat[:, :, None])
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    (tmp_path / "in" / "notes.txt").write_text("no image")
    assert main(["skeletonize", f"{tmp_path}/in", f"{tmp_path}/out", "--method", "lee"]) == 1
    output = capsys.readouterr()
    assert f"error: {tmp_path}/in/broken.png: cannot identify image file" in output.err
    assert f"Wrote 3 of 4 skeletons to {tmp_path}/out." in output.out
    expected = tubed_skeleton(flat, radius=0, method="lee")
    # Images and stacks are thinned as MONAI loads them, x first.
    turned = tubed_skeleton(flat.T, radius=0, method="lee").T
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "a.png")), 255 * turned)
    stack = tifffile.imread(tmp_path / "out" / "below" / "b.tif")
    assert stack.dtype == np.uint16
    np.testing.assert_array_equal(stack, tubed_skeleton(volume.T, radius=0).T)
    flat_nifti = nib.load(tmp_path / "out" / "c.nii.gz")
    assert flat_nifti.shape == (30, 41, 1)
    np.testing.assert_array_equal(np.asarray(flat_nifti.dataobj)[..., 0], expected)


def test_into_a_folder_and_another_format(tmp_path):
    label = make_label((12, 13, 14))
    label[:6] *= 2
    save(tmp_path / "in.tif", label)
    (tmp_path / "out").mkdir()
    assert main(["skeletonize", f"{tmp_path}/in.tif", f"{tmp_path}/out", "--per-class"]) == 0
    expected = tubed_skeleton(label.T, radius=0, per_class=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "in.tif"), expected.T)
    assert main(["skeletonize", f"{tmp_path}/in.tif", f"{tmp_path}/out.nii.gz", "--per-class"]) == 0
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj), expected)


def test_bits_into_nifti(tmp_path):
    label = make_label((20, 30)).astype(bool)
    save(tmp_path / "in.png", label)
    assert main(["skeletonize", f"{tmp_path}/in.png", f"{tmp_path}/out.nii.gz"]) == 0
    np.testing.assert_array_equal(
        np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj), tubed_skeleton(label.T, radius=0)
    )


def test_volume_needs_a_format_for_volumes(tmp_path, capsys):
    save(tmp_path / "in.tif", make_label((12, 13, 14)))
    assert main(["skeletonize", f"{tmp_path}/in.tif", f"{tmp_path}/out.png"]) == 1
    assert "expected .nii.gz or .tif for a volume, got out.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["PATH/nothing", "PATH/out"], "PATH/nothing does not exist"),
        (["PATH/in", "PATH/in"], "OUT is within IN"),
        (["PATH/in/a.png", "PATH/in/a.png"], "OUT would overwrite IN: PATH/in/a.png"),
        (["PATH/in/a.png", "PATH/in"], "OUT would overwrite IN: PATH/in/a.png"),
        (["PATH/in", "PATH/linked"], "OUT would overwrite IN: PATH/linked/a.png"),
        (["PATH/in", "PATH/in/out"], "OUT is within IN"),
        (["PATH/in", "PATH/same/in"], "OUT is within IN"),
        (["PATH/in", "PATH/hard"], "OUT would overwrite IN: PATH/hard/a.png"),
        (["PATH/in/a.png", "PATH/hard"], "OUT would overwrite IN: PATH/hard/a.png"),
        (["PATH/in", "PATH/leads"], "a symbolic link leads out of OUT: PATH/leads/a.png is PATH/b.png"),
        (["PATH/in/a.png", "PATH/leads"], "a symbolic link leads out of OUT: PATH/leads/a.png is PATH/b.png"),
        (["PATH/deep", "PATH/away"], "a symbolic link leads out of OUT: PATH/away/below/a.png is PATH/empty/a.png"),
        (["PATH/deep", "PATH/twice"], "two files of IN would be written to PATH/twice/above/a.png"),
        (["PATH/in", "PATH/b.png"], "IN is a folder, but OUT is a file"),
        (["PATH/in/a.png", "PATH/out"], "OUT must be a folder or end like an image"),
        (["PATH/empty", "PATH/out"], "no images in PATH/empty"),
        (["PATH/in", "PATH/out", "--radius", "-1"], "--radius must be at least 0"),
    ],
)
def test_wrong_usage(tmp_path, arguments, message, capsys):
    save(tmp_path / "in" / "a.png", make_label((20, 20)))
    save(tmp_path / "b.png", make_label((20, 20)))
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "a.png").symlink_to(tmp_path / "in" / "a.png")
    (tmp_path / "same").symlink_to(tmp_path)
    (tmp_path / "hard").mkdir()
    (tmp_path / "hard" / "a.png").hardlink_to(tmp_path / "in" / "a.png")
    (tmp_path / "leads").mkdir()
    (tmp_path / "leads" / "a.png").symlink_to(tmp_path / "b.png")
    for place in ("above", "below"):
        save(tmp_path / "deep" / place / "a.png", make_label((20, 20)))
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "below").symlink_to(tmp_path / "empty")
    (tmp_path / "twice" / "above").mkdir(parents=True)
    (tmp_path / "twice" / "below").symlink_to(tmp_path / "twice" / "above")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    with pytest.raises(SystemExit) as stop:
        main(["skeletonize", *(argument.replace("PATH", str(tmp_path)) for argument in arguments)])
    assert stop.value.code == 2
    assert message.replace("PATH", str(tmp_path)) in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before


def test_links_that_stay_in_out_or_are_out(tmp_path):
    label = make_label((20, 21))
    save(tmp_path / "in" / "a.png", label)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.png").symlink_to(tmp_path / "there" / "b.png")
    (tmp_path / "out").symlink_to(tmp_path / "there")
    assert main(["skeletonize", f"{tmp_path}/in", f"{tmp_path}/out"]) == 0
    expected = tubed_skeleton(label.T, radius=0).T
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "there" / "b.png")), expected)
    assert (tmp_path / "there" / "a.png").is_symlink()
    (tmp_path / "c.png").symlink_to(tmp_path / "there" / "d.png")
    assert main(["skeletonize", f"{tmp_path}/in/a.png", f"{tmp_path}/c.png"]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "there" / "d.png")), expected)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_formats_of_itk_keep_their_place(tmp_path, suffix):
    label = make_label((12, 13, 14))
    image = sitk.GetImageFromArray(label.T.copy())
    image.SetSpacing((0.5, 0.6, 2.0))
    image.SetOrigin((-7.0, 8.5, 9.0))
    image.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))
    sitk.WriteImage(image, f"{tmp_path}/in{suffix}")
    assert main(["skeletonize", f"{tmp_path}/in{suffix}", f"{tmp_path}/out{suffix}"]) == 0
    result = sitk.ReadImage(f"{tmp_path}/out{suffix}")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(result).T, tubed_skeleton(label, radius=0))
    assert result.GetPixelID() == sitk.sitkUInt8
    assert result.GetSpacing() == image.GetSpacing()
    assert result.GetOrigin() == image.GetOrigin()
    assert result.GetDirection() == image.GetDirection()
    assert main(["skeletonize", f"{tmp_path}/in{suffix}", f"{tmp_path}/out.nii.gz"]) == 0
    sitk.WriteImage(image, f"{tmp_path}/in.nii.gz")
    np.testing.assert_allclose(nib.load(tmp_path / "out.nii.gz").affine, nib.load(tmp_path / "in.nii.gz").affine)


def test_stacks_written_page_by_page_are_volumes(tmp_path):
    label = make_label((12, 13, 14))
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        for plane in label:
            writer.write(plane)
    assert main(["skeletonize", f"{tmp_path}/in.tif", f"{tmp_path}/out.tif"]) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), tubed_skeleton(label.T, radius=0).T)


def test_arrays_are_taken_as_they_are(tmp_path):
    label = make_label((12, 13, 14)).astype(np.int64)
    np.save(tmp_path / "in.npy", label)
    assert main(["skeletonize", f"{tmp_path}/in.npy", f"{tmp_path}/out.npy"]) == 0
    result = np.load(tmp_path / "out.npy")
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, tubed_skeleton(label, radius=0))


def test_what_is_left_out_has_failed(tmp_path, capsys):
    save(tmp_path / "in" / "a.png", make_label((20, 20)))
    (tmp_path / "in" / "b.jpg").write_bytes(b"an image, once")
    (tmp_path / "in" / "dataset.json").write_text("{}")
    assert main(["skeletonize", f"{tmp_path}/in", f"{tmp_path}/out"]) == 1
    output = capsys.readouterr()
    assert f"error: {tmp_path}/in/b.jpg is left out: .jpg is none of .nii.gz" in output.err
    assert "dataset.json" not in output.err
    assert output.out == f"Wrote 1 of 2 skeletons to {tmp_path}/out.\n"


def read_table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_branches_as_a_table_and_swc_files(tmp_path):
    _, vessels = synthetic_vessels((40, 42, 44), num_trees=2, seed=0)
    label = (vessels[0] != 0).astype(np.uint8)
    save(tmp_path / "in" / "a.nii.gz", label)
    save(tmp_path / "in" / "b.nii.gz", np.zeros_like(label))
    options = ["--graph", f"{tmp_path}/branches.csv", "--swc", f"{tmp_path}/swc", "--prune", "3", "--units", "mm"]
    assert main(["skeletonize", f"{tmp_path}/in", f"{tmp_path}/out", *options]) == 0
    spacing = (0.5, 0.5, 2.0)
    graph = skeleton_graph(label, spacing=spacing, prune=3)
    rows = read_table(tmp_path / "branches.csv")
    assert {row["case"] for row in rows} == {"a"}
    assert [int(row["branch"]) for row in rows] == list(range(1, graph.number_of_edges() + 1))
    for row, (one, other, branch) in zip(rows, graph.edges(data=True), strict=True):
        for name in ("length", "tortuosity", "mean_radius", "min_radius"):
            assert float(row[name]) == branch[name]
        for end, node in (("from", one), ("to", other)):
            assert row[end] == graph.nodes[node]["kind"]
            assert tuple(float(row[f"{end}_{axis}"]) for axis in "xyz") == graph.nodes[node]["position"]
    trees = read_swc(tmp_path / "swc" / "a.swc", order="xyz")
    expected = skeleton_trees(label, spacing=spacing, prune=3)
    assert trees.size(weight="length") == pytest.approx(expected.size(weight="length"))
    assert sorted(r for _, r in trees.nodes(data="radius")) == sorted(r for _, r in expected.nodes(data="radius"))
    assert (tmp_path / "swc" / "b.swc").exists()
    found = np.asarray(nib.load(tmp_path / "out" / "a.nii.gz").dataobj)
    np.testing.assert_array_equal(found != 0, skeletonize(label, spacing=spacing, prune=3))
    # What evaluate reads of them is a label that is all correct.
    places = ["--pred", f"{tmp_path}/in/a.nii.gz", "--label", f"{tmp_path}/in/a.nii.gz", "--csv", f"{tmp_path}/t.csv"]
    assert main(["evaluate", *places, "--swc", f"{tmp_path}/swc", "--metrics", "nerl", "correct_edges"]) == 0
    row = read_table(tmp_path / "t.csv")[0]
    assert (row["correct_edges"], float(row["nerl"])) == ("1.0", pytest.approx(1))


@pytest.mark.parametrize(("units", "spacing"), [("voxels", None), ("mm", (0.5, 0.5, 2.0))])
def test_pruning_takes_the_units_and_lengths_of_graphs_the_affine(tmp_path, units, spacing):
    label = np.zeros((30, 30, 9), np.uint8)
    label[15, 2:28, 4], label[10:15, 15, 4] = 1, 1  # a branch of 5 voxels, or 2.5 mm
    save(tmp_path / "a.nii.gz", label)
    options = ["--prune", "4", "--units", units, "--graph", f"{tmp_path}/branches.csv"]
    assert main(["skeletonize", f"{tmp_path}/a.nii.gz", f"{tmp_path}/out.nii.gz", *options]) == 0
    rows = read_table(tmp_path / "branches.csv")
    found = np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj) != 0
    np.testing.assert_array_equal(found, skeletonize(label, prune=4, spacing=spacing))
    assert len(rows) == (3 if units == "voxels" else 1)
    assert sum(float(row["length"]) for row in rows) == pytest.approx((25 + 5 * (units == "voxels")) * 0.5, abs=0.5)


def test_each_object_has_a_graph_of_its_own(tmp_path):
    label = np.zeros((9, 30), np.uint8)
    label[1:4, 2:28], label[4:8, 2:28] = 3, 12
    np.save(tmp_path / "a.npy", label)
    options = ["--per-class", "--graph", f"{tmp_path}/branches.csv", "--swc", f"{tmp_path}/swc"]
    assert main(["skeletonize", f"{tmp_path}/a.npy", f"{tmp_path}/out.npy", *options]) == 0
    rows = read_table(tmp_path / "branches.csv")
    assert {row["object"] for row in rows} == {"3", "12"}
    assert {row["from_z"] for row in rows} == {""}
    assert sorted(path.name for path in (tmp_path / "swc" / "a").iterdir()) == ["03.swc", "12.swc"]


@pytest.mark.parametrize("each", [[], ["--per-class"]])
def test_evaluate_reads_all_swc_files_that_are_written(tmp_path, each):
    """Of images, empty labels, and names that end like those files, too."""
    label = np.zeros((20, 30), np.uint8)
    label[3:6, 2:28], label[10:13, 2:28] = 1, 2
    save(tmp_path / "in" / "image.png", label)
    save(tmp_path / "in" / "a.swc.png", label)
    save(tmp_path / "in" / "empty.nii.gz", np.zeros((8, 9, 10), np.uint8))
    save(tmp_path / "in" / "volume.nii.gz", np.stack([label] * 3))
    out = ["--swc", f"{tmp_path}/swc", *each]
    assert main(["skeletonize", f"{tmp_path}/in", f"{tmp_path}/out", *out]) == 0
    places = ["--pred", f"{tmp_path}/in", "--label", f"{tmp_path}/in", "--csv", f"{tmp_path}/t.csv"]
    how = ["--swc", f"{tmp_path}/swc", "--metrics", "nerl", *(["--instances"] if each else [])]
    assert main(["evaluate", *places, *how]) == 0
    rows = {row["case"]: row["nerl"] for row in read_table(tmp_path / "t.csv")}
    assert rows.pop("empty") == "nan"
    assert all(float(rows[name]) == pytest.approx(1) for name in ("image", "a.swc", "volume"))


def test_a_label_without_background(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.ones((6, 7, 8), np.uint8))
    command = ["skeletonize", f"{tmp_path}/a.npy", f"{tmp_path}/out.npy", "--swc", f"{tmp_path}/swc"]
    assert main(command) == 1
    assert "--swc needs radii, which there are none of without background" in capsys.readouterr().err
    assert np.load(tmp_path / "out.npy").any()  # the skeleton is there all the same


@pytest.mark.parametrize("name", ["in/a.nii.gz", "out/a.nii.gz"])
def test_a_table_overwrites_no_image(tmp_path, capsys, name):
    save(tmp_path / "in" / "a.nii.gz", make_label((9, 9, 9)))
    before = (tmp_path / "in" / "a.nii.gz").read_bytes()
    with pytest.raises(SystemExit):
        main(["skeletonize", f"{tmp_path}/in", f"{tmp_path}/out", "--graph", f"{tmp_path}/{name}"])
    assert "--graph would overwrite an image" in capsys.readouterr().err
    places = ["--pred", f"{tmp_path}/in", "--label", f"{tmp_path}/in"]
    with pytest.raises(SystemExit):
        main(["evaluate", *places, "--csv", f"{tmp_path}/in/a.nii.gz"])
    assert "--csv would overwrite an image" in capsys.readouterr().err
    assert (tmp_path / "in" / "a.nii.gz").read_bytes() == before


def test_names_that_are_the_same_have_their_folders(tmp_path):
    for folder in ("x", "y"):
        save(tmp_path / "in" / folder / "a.png", make_label((20, 21)))
    options = ["--graph", f"{tmp_path}/branches.csv", "--swc", f"{tmp_path}/swc"]
    assert main(["skeletonize", f"{tmp_path}/in", f"{tmp_path}/out", *options]) == 0
    assert {row["case"] for row in read_table(tmp_path / "branches.csv")} == {"x/a", "y/a"}
    assert (tmp_path / "swc" / "y" / "a.swc").exists()


def test_surfaces(tmp_path):
    label = 2 * make_label((12, 13, 14))
    save(tmp_path / "in.nii.gz", label)
    arguments = ["skeletonize", f"{tmp_path}/in.nii.gz", f"{tmp_path}/out.nii.gz", "--kind", "surface", "--radius", "1"]
    assert main(arguments) == 0
    found = np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj)
    np.testing.assert_array_equal(found, tubed_skeleton(label, radius=1, kind="surface"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prune", "-1"], "--prune must be at least 0, got -1"),
        (["--prune-factor", "inf"], "--prune-factor must be at least 0, got inf"),
        (["--kind", "surface", "--prune", "2", "--swc", "a"], "--prune and --swc: surfaces have no branches"),
        (["--kind", "surface", "--method", "zhang"], "--kind surface takes --method lee, got zhang"),
        (["--graph", "/proc/nothing/a.csv"], "--graph cannot be written"),
        (["--swc", "/dev/null"], "--swc must be a folder, got /dev/null"),
    ],
)
def test_wrong_use_of_graphs(tmp_path, capsys, options, message):
    np.save(tmp_path / "a.npy", make_label((9, 9, 9)))
    with pytest.raises(SystemExit):
        main(["skeletonize", f"{tmp_path}/a.npy", f"{tmp_path}/out.npy", *options])
    assert message in capsys.readouterr().err


def test_names_that_are_no_text(tmp_path):
    """Not in UTF-8, in letters that the terminal lacks, and with what it would obey."""
    names = [os.fsdecode(b"a\xff.png"), "\u6587.png", "c\x1b[2J.png"]
    for name in names:
        Image.fromarray(make_label((20, 20))).save(tmp_path / name)
    (tmp_path / os.fsdecode(b"d\xff.png")).write_bytes(b"no image")
    command = [
        sys.executable,
        "-m",
        "monai_topoloss",
        "skeletonize",
        str(tmp_path),
        str(tmp_path) + "-\x1b\u6587\udcff",
    ]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 1
    assert result.stdout == f"Wrote 3 of 4 skeletons to {tmp_path}-\\x1b\\u6587\\udcff.\n"
    assert f"error: {tmp_path}/d\\udcff.png: cannot identify image file" in result.stderr
    for name in names:
        assert Path(f"{tmp_path}-\x1b\u6587\udcff", name).exists()


def test_as_a_module(tmp_path):
    save(tmp_path / "in.png", make_label((20, 20)))
    command = [sys.executable, "-m", "monai_topoloss", "skeletonize", f"{tmp_path}/in.png", f"{tmp_path}/out.png"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == f"Wrote 1 of 1 skeletons to {tmp_path}/out.png.\n"
    helped = subprocess.run([*command[:3], "--help"], capture_output=True, text=True, check=True)
    assert "usage: python -m monai_topoloss" in helped.stdout
