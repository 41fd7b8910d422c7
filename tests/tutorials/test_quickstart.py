from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

QUICKSTART = Path(__file__).parents[2] / "tutorials" / "quickstart.py"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("data", [None, "topomortar", "chase_db1"])
def test_quickstart_runs(data, tmp_path, monkeypatch, capsys, request):
    arguments = ["--steps", "2", "--patch", "64", "--output", str(tmp_path), "--device", "cpu"]
    if data is not None:
        arguments += ["--data", str(request.getfixturevalue("real_data") / data), "--cases", "3"]
    monkeypatch.setattr(sys, "argv", [str(QUICKSTART), *arguments])
    runpy.run_path(str(QUICKSTART), run_name="__main__")
    printed = capsys.readouterr().out
    table = (tmp_path / "table.txt").read_text()
    assert table in printed
    header, plain, recall, both, supervoxel, label = table.rstrip().split("\n")
    assert header.split() == ["Dice", "clDice", "components", "|error|", "splits", "merges", "seconds"]
    assert plain.startswith("Dice + CE ")
    assert recall.startswith("Dice + CE + Skeleton Recall  ")
    assert both.startswith("Dice + CE + Skeleton Recall + soft clDice ")
    assert supervoxel.startswith("Dice + CE, then supervoxel")
    for row in (plain, recall, both, supervoxel):
        dice, centerline_dice, components, _, splits, merges, _ = (float(x) for x in row.split()[-7:])
        assert 0 <= dice <= 1
        assert 0 <= centerline_dice <= 1
        assert splits + merges > 0 or components <= 2
    assert label.split()[:3] == ["label", "1.000", "1.000"]
    assert label.split()[-2:] == ["0.0", "0.0"]
    with Image.open(tmp_path / "figure.png") as figure:
        assert figure.width > figure.height > 100
