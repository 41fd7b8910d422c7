from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from monai_topoloss.cli.table import CsvTable, Row, print_table, summarize


def test_means_are_of_numbers():
    rows = [Row("a", None, [1.0, math.nan]), Row("b", None, [4.0, math.nan]), Row("c", None, [math.nan, math.nan])]
    mean, sd = summarize(rows, failed=0)
    assert mean.values == pytest.approx([2.5, math.nan], nan_ok=True)
    assert sd.values == pytest.approx([1.5, math.nan], nan_ok=True)
    assert (mean.case, mean.note, sd.case, sd.note) == ("mean", "of 3 cases", "sd", "")


def test_each_class_has_a_mean_and_failures_are_told():
    rows = [Row(case, k, [10.0 * k + number]) for number, case in enumerate("abcd") for k in (1, 2)]
    summary = summarize(rows, failed=3)
    assert [(row.case, row.of_class) for row in summary] == [("mean", 1), ("sd", 1), ("mean", 2), ("sd", 2)]
    assert [row.values[0] for row in summary] == pytest.approx([11.5, np.std(range(4)), 21.5, np.std(range(4))])
    assert summary[0].note == summary[2].note == "of 4 cases, 3 failed"


def test_nothing_has_no_mean():
    assert summarize([], failed=3) == []


def write(path, row):
    with CsvTable(path, ["case", "dice", "note", "error"]) as table:
        table.write([row])
        table.write_problem(row.case, row.note, row.note)
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))[1:]


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-a", "@SUM(A1)", "-1"])
def test_spreadsheets_run_no_text(tmp_path, text):
    first, second = write(tmp_path / "t.csv", Row(text, None, [-0.5], text))
    assert first == [f"'{text}", "-0.5", f"'{text}", ""]
    assert second == [f"'{text}", "", f"'{text}", f"'{text}"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\udcffb", "a\\udcffb"),
        ("größe 1,5", "größe 1,5"),
        ("血管", "血管"),
    ],
)
def test_what_cannot_be_shown_is_escaped(tmp_path, capsys, text, shown):
    row = Row(text, None, [0.5], text)
    assert write(tmp_path / "t.csv", row)[0] == [shown, "0.5", shown, ""]
    print_table([row], ["dice"], ())
    line = capsys.readouterr().out.splitlines()[2]
    assert line.startswith(shown)
    assert line.endswith(shown)


@pytest.mark.parametrize("text", ["\t=1", "\r=1", "\n=1"])
def test_space_in_front_is_no_way_round(tmp_path, text):
    assert write(tmp_path / "t.csv", Row(text, None, [0.5]))[0][0] == repr(text)[1:-1]


def test_notes_are_a_column_if_there_are_any(capsys):
    rows = [Row("a", None, [0.5, 2.0], "doubtful"), Row("b", None, [0.25, 3.5])]
    print_table(rows, ["dice", "splits"], ["splits"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["case", "dice", "splits", "note"]
    assert lines[2].split() == ["a", "0.5000", "2", "doubtful"]
    assert lines[3].split() == ["b", "0.2500", "3.5000"]
    assert lines[5].split() == ["mean", "0.3750", "2.7500", "of", "2", "cases"]
    print_table([rows[1]], ["dice", "splits"], ["splits"])
    assert "note" not in capsys.readouterr().out
    print_table([rows[1]], ["dice", "splits"], ["splits"], failed=2)
    assert "of 1 case, 2 failed" in capsys.readouterr().out
