from __future__ import annotations

from pathlib import Path

import pytest

from monai_topoloss.cli.places import Url, as_place, is_image, is_store, join, name_of


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("s3://bucket/brain.ome.zarr", "brain"),
        ("https://host/brain.zarr/labels/vessels/", "vessels"),
        ("folder/brain.OME.ZARR", "brain"),
        ("folder/brain.zarr", "brain"),
        ("folder/brain.nii.gz", "brain"),
        ("brain.zarr/0", "0"),
    ],
)
def test_names(text, name):
    place = as_place(text)
    assert isinstance(place, Url) == ("://" in text)
    assert str(place).rstrip("/") == text.rstrip("/")
    assert name_of(place) == name


@pytest.mark.parametrize("name", ["zarr.json", ".zarray", ".zgroup"])
def test_store_by_what_is_in_it(tmp_path, name):
    folder = tmp_path / "labels"
    folder.mkdir()
    assert not is_store(folder)
    assert not is_image(folder)
    (folder / name).write_text("{}")
    assert is_store(folder)
    assert is_image(folder)


def test_store_by_its_name(tmp_path):
    assert is_store(tmp_path / "gone.zarr")
    (tmp_path / "file.zarr").write_bytes(b"")
    assert not is_store(tmp_path / "file.zarr")
    assert is_store(Url("s3://bucket/anything"))


def test_within():
    assert join(Path("a.zarr"), "labels/b") == Path("a.zarr/labels/b")
    assert join(Url("s3://a.zarr/"), "labels/b") == "s3://a.zarr/labels/b"
    assert isinstance(join(Url("s3://a.zarr"), "0"), Url)
