from __future__ import annotations

import os

import pytest

from monai_topoloss.cli import main
from monai_topoloss.cli.folders import find_images
from monai_topoloss.cli.formats import FORMATS, stem_of, suffix_of


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def find(folder):
    images, left_out = find_images(folder)
    return (
        [path.relative_to(folder).as_posix() for path in images],
        {path.relative_to(folder).as_posix(): reason for path, reason in left_out.items()},
    )


def test_images_are_found_in_order_with_all_below(tmp_path):
    names = [f"{place}/x{suffix}" for place in "ab" for suffix in FORMATS]
    make(tmp_path, *names, "B.NII.GZ", "c.Png")
    assert find(tmp_path) == (sorted([*names, "B.NII.GZ", "c.Png"]), {})


def test_what_else_looks_like_an_image_is_named(tmp_path):
    make(tmp_path, "a.png", "b.jpg", "below/c.mgz", "d.npz", "e", "f.h5", "g.json.gz", "h.png.bak")
    images, left_out = find(tmp_path)
    assert images == ["a.png"]
    assert list(left_out) == ["b.jpg", "below/c.mgz", "d.npz", "e", "f.h5", "g.json.gz", "h.png.bak"]
    assert left_out["b.jpg"].startswith(".jpg is none of .nii.gz, .nii, .mha")
    assert left_out["e"].startswith("without suffix, it is none of .nii.gz")


def test_bookkeeping_and_hidden_files_are_passed_over(tmp_path):
    make(tmp_path, "a.nii.gz", "dataset.json", "plans.json", "summary.json", "postprocessing.pkl", "Thumbs.db")
    make(tmp_path, "notes.txt", "table.CSV", "README", "LICENSE", "README.md", ".DS_Store", "._a.nii.gz", ".hidden.png")
    make(tmp_path, ".ipynb_checkpoints/a.png", "below/.git/objects/ab")
    assert find(tmp_path) == (["a.nii.gz"], {})


def test_what_is_beside_an_image_of_that_name_belongs_to_it(tmp_path):
    make(
        tmp_path, "a.nii.gz", "a.npz", "a.pkl", "a.json", "b.mhd", "b.raw", "c.nhdr", "c.raw.gz", "d.npz", "below/a.npz"
    )
    images, left_out = find(tmp_path)
    assert images == ["a.nii.gz", "b.mhd", "c.nhdr"]
    assert list(left_out) == ["below/a.npz", "d.npz"]


def test_special_files_and_folders_are_named(tmp_path):
    make(tmp_path, "in/a.png", "in/b.n5/0/0.0", "other/c.png")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "other")
    (tmp_path / "in" / "gone.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "in" / "d.png").symlink_to(tmp_path / "other" / "c.png")
    os.mkfifo(tmp_path / "in" / "pipe.png")
    images, left_out = find(tmp_path / "in")
    assert images == ["a.png", "d.png", "gone.png"]  # reading says that it is gone
    assert left_out == {
        "b.n5": ".n5 cannot be read",
        "linked": "a linked folder, which is not entered",
        "pipe.png": "no regular file",
    }


def test_stores_are_images_and_are_not_entered(tmp_path):
    make(tmp_path, "a.png", "b.zarr/0/c.png", "below/named/zarr.json", "below/named/d.png", ".hidden.zarr/0/e.png")
    assert find(tmp_path) == (["a.png", "b.zarr", "below/named"], {})


def test_folders_that_cannot_be_searched_are_named(tmp_path, monkeypatch):
    make(tmp_path, "a.png", "below/b.png")
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("below"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert find(tmp_path) == (["a.png"], {"below": "Permission denied"})


@pytest.mark.parametrize(
    ("name", "stem", "suffix"),
    [
        ("a.b.nii.gz", "a.b", ".nii.gz"),
        ("A.TIFF", "A", ".tiff"),
        ("a.ome.tif", "a.ome", ".tif"),
        ("a.jpg", "a", ""),
        ("a.raw.gz", "a", ""),
        ("a", "a", ""),
    ],
)
def test_names(tmp_path, name, stem, suffix):
    assert (stem_of(tmp_path / name), suffix_of(tmp_path / name)) == (stem, suffix)


@pytest.mark.parametrize("command", ["evaluate", "skeletonize"])
def test_help_tells_the_formats_and_what_is_passed_over(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for suffix in FORMATS:
        assert suffix in text
    for words in (
        "NIfTI",
        "MetaImage",
        "NRRD",
        "PNG",
        "BMP",
        "TIFF",
        "NumPy",
        ".json",
        ".pkl",
        "passed over",
        "x first",
    ):
        assert words in text
