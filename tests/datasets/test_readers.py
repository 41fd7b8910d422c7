from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from monai.transforms import LoadImage

from monai_topoloss.datasets import chase_db1_datalist, topomortar_datalist

READERS = {
    "topomortar": (topomortar_datalist, {"training": 50, "validation": 20, "test": 50}),
    "chase_db1": (chase_db1_datalist, {"training": 16, "validation": 4, "test": 8}),
}


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.mark.parametrize("name", READERS)
def test_real_folders(name, real_data):
    reader, counts = READERS[name]
    seen = set()
    for section, count in counts.items():
        cases = reader(real_data / name, section)
        assert len(cases) == count
        seen.update(case["image"] for case in cases)
        image, label = (LoadImage(ensure_channel_first=True)(cases[0][key]) for key in ("image", "label"))
        assert image.shape[0] == 3
        assert label.shape == (1, *image.shape[1:])
        assert len(np.unique(label)) == 2
    assert len(seen) == sum(counts.values())


def test_topomortar_layout(tmp_path):
    for name in ("003.png", "001.png"):
        touch(tmp_path / "dataset" / "val" / "images" / name)
        touch(tmp_path / "dataset" / "val" / "accurate" / name)
    cases = topomortar_datalist(tmp_path, "validation")
    assert [Path(case["image"]).name for case in cases] == ["001.png", "003.png"]
    assert [Path(case["label"]).parent.name for case in cases] == ["accurate"] * 2
    (tmp_path / "dataset" / "val" / "accurate" / "003.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"Expected a label for .*003\.png"):
        topomortar_datalist(str(tmp_path), "validation")


def test_real_topomortar_groups(real_data):
    training = topomortar_datalist(real_data / "topomortar", "training")
    assert topomortar_datalist(real_data / "topomortar", "training", group="indistr") == training
    with pytest.raises(FileNotFoundError, match="found none"):
        topomortar_datalist(real_data / "topomortar", "training", group="shadows")


def test_topomortar_groups(tmp_path):
    for name in ("001.png", "002.png", "003.png"):
        touch(tmp_path / "dataset" / "test" / "images" / name)
        touch(tmp_path / "dataset" / "test" / "accurate" / name)
    with pytest.raises(FileNotFoundError, match=r"dataset_types\.txt, but it is missing"):
        topomortar_datalist(tmp_path, "test", group="indistr")
    (tmp_path / "dataset" / "dataset_types.txt").write_text(
        "ID,group\n001,indistr\n002,shadows\n003,indistr\n004,angles\n"
    )
    cases = topomortar_datalist(tmp_path, "test", group="indistr")
    assert [Path(case["image"]).name for case in cases] == ["001.png", "003.png"]
    with pytest.raises(ValueError, match="`group` to be one of 'angles', 'indistr', 'shadows', got 'shadow'"):
        topomortar_datalist(tmp_path, "test", group="shadow")
    with pytest.raises(FileNotFoundError, match="found none"):
        topomortar_datalist(tmp_path, "test", group="angles")


def test_chase_db1_splits_by_child(tmp_path):
    for child in range(1, 15):
        for eye in "LR":
            for name in (".jpg", "_1stHO.png", "_2ndHO.png"):
                touch(tmp_path / f"Image_{child:02d}{eye}{name}")
    children = {s: {c["image"][-7:-5] for c in chase_db1_datalist(tmp_path, s)} for s in READERS["chase_db1"][1]}
    assert children["test"] == {"11", "12", "13", "14"}
    assert not children["training"] & children["validation"]
    assert all("2ndHO" in case["label"] for case in chase_db1_datalist(tmp_path, "test", observer=2))
    (tmp_path / "Image_12R.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"Expected CHASE_DB1 in .*Image_12R\.jpg is missing"):
        chase_db1_datalist(tmp_path, "test")


@pytest.mark.parametrize("reader", [topomortar_datalist, chase_db1_datalist])
def test_bad_arguments_are_named(reader, tmp_path):
    with pytest.raises(ValueError, match="`section` to be one of 'training', 'validation', 'test', got 'train'"):
        reader(tmp_path, "train")
    with pytest.raises(FileNotFoundError, match=r"Expected (TopoMortar images|CHASE_DB1) in"):
        reader(tmp_path, "training")
    with pytest.raises(ValueError, match="`observer` to be one of 1, 2, got 3"):
        chase_db1_datalist(tmp_path, "training", observer=3)
