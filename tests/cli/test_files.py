from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from monai_topoloss.cli.files import UsageError, complain, printable, read_label, run_or_complain, write_label
from monai_topoloss.cli.formats import FORMATS, npy

ARRAY = np.arange(20, dtype=np.uint8).reshape(4, 5)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_written_file_is_there_alone_and_read_as_it_was(tmp_path, suffix):
    path = tmp_path / "below" / f"a{suffix}"
    write_label(ARRAY, path, tmp_path / "source.png")
    np.testing.assert_array_equal(read_label(path), ARRAY)
    beside = {".mhd": {"a.zraw"}, ".nhdr": {"a.raw.gz"}}.get(suffix, set())
    assert {entry.name for entry in path.parent.iterdir()} == {path.name} | beside
    write_label(ARRAY[::-1], path, tmp_path / "source.png")
    np.testing.assert_array_equal(read_label(path), ARRAY[::-1])


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_file_is_whole_or_what_it_was(tmp_path, monkeypatch, error):
    def stop(_array, path, *_):
        path.write_bytes(b"half of")
        raise error

    path = tmp_path / "a.npy"
    write_label(ARRAY, path, path)
    monkeypatch.setattr(npy, "write", stop)
    for name in ("a.npy", "b.npy"):
        with pytest.raises(error):
            write_label(ARRAY[::-1], tmp_path / name, path)
    np.testing.assert_array_equal(read_label(path), ARRAY)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npy"]


def test_what_is_written_aside_is_hidden(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(npy, "write", lambda _array, path, *_: (seen.append(path), path.write_bytes(b"")))
    write_label(ARRAY, tmp_path / "a.npy", tmp_path / "a.npy")
    assert seen[0].relative_to(tmp_path).parts[0].startswith(".")


def test_other_names_of_a_file_keep_what_it_held(tmp_path):
    write_label(ARRAY, tmp_path / "a.npy", tmp_path / "a.npy")
    (tmp_path / "b.npy").hardlink_to(tmp_path / "a.npy")
    write_label(ARRAY[::-1], tmp_path / "b.npy", tmp_path / "a.npy")
    np.testing.assert_array_equal(read_label(tmp_path / "a.npy"), ARRAY)


def test_the_rights_of_a_written_file_are_the_usual(tmp_path):
    (tmp_path / "usual").write_text("")
    write_label(ARRAY, tmp_path / "a.npy", tmp_path / "a.npy")
    assert (tmp_path / "a.npy").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/Gefäß 1_文.png", "a/Gefäß 1_文.png"),
        ("a\x1b[31m\n\r\t\x7f\x9b.png", "a\\x1b[31m\\n\\r\\t\\x7f\\x9b.png"),
        (os.fsdecode(b"a\xff.png"), "a\\udcff.png"),
        ("gnp\u202e.exe", "gnp\\u202e.exe"),
    ],
)
def test_names_are_printed_without_what_a_terminal_obeys(text, expected, capsys):
    assert printable(text) == expected
    assert str(UsageError(f"{text} is gone")) == f"{expected} is gone"
    complain(text)
    assert capsys.readouterr().err == f"{expected}\n"

    def fail():
        raise ValueError(text)

    reason = run_or_complain(fail, text)
    assert reason == printable(" ".join(text.split()))
    assert capsys.readouterr().err == f"error: {expected}: {reason}\n"


def test_an_error_without_a_text_has_its_name(capsys):
    def fail():
        raise EOFError

    assert run_or_complain(fail, "a") == "EOFError"
    assert capsys.readouterr().err == "error: a: EOFError\n"


def test_numbers_that_are_whole_but_for_rounding(tmp_path):
    np.save(tmp_path / "a.npy", ARRAY + 4e-4)
    np.testing.assert_array_equal(read_label(tmp_path / "a.npy"), ARRAY)
    np.save(tmp_path / "a.npy", ARRAY + 0.01)
    np.testing.assert_array_equal(read_label(tmp_path / "a.npy"), ARRAY + 0.01)
    np.save(tmp_path / "a.npy", np.array([[np.nan, 1.0]]))
    assert np.isnan(read_label(tmp_path / "a.npy")[0, 0])


def test_a_name_that_begins_like_a_home_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("~a.npy", ARRAY)
    np.testing.assert_array_equal(read_label(Path("~a.npy")), ARRAY)
