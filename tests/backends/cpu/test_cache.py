from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from monai_topoloss.backends.cpu import cache
from monai_topoloss.backends.cpu._numba import jit

ONES = {"int64": np.ones(3, np.int64), "float64": np.ones(3), "uint8": np.ones(3, np.uint8)}


@jit
def _inner(array):
    return array.sum()


def _add_up(array):
    return 2 * _inner(array)


def _count_up(array):
    return len(array)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for kernels, and a process that has not warned yet."""
    for name in ("_warned", "loaded", "kept", "failures"):
        monkeypatch.setattr(cache, name, type(getattr(cache, name))())
    monkeypatch.setattr(cache, "folders", lambda: [tmp_path / "kernels"])
    return tmp_path / "kernels"


def call(function=_add_up, kind="int64"):
    """Call a function as a new process does; return the result and how many kernels were compiled for the call."""
    kernel = jit(function)
    return kernel(ONES[kind]), sum(kernel.stats.cache_misses.values())


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 4
    path.write_bytes(content)


def flip_a_bit_of_the_digests(path):
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)


def fill_with_noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def replace_by_a_pickle(path):
    # Whole, of these sources, and no kernel.
    cache._write(path, b"\x80\x04K\x01.")


DAMAGES = [truncate, empty, flip_a_bit, flip_a_bit_of_the_digests, fill_with_noise, replace_by_a_pickle]


def test_a_kernel_is_kept_and_loaded(folder):
    assert call() == (6, 1)
    assert call() == (6, 0)
    assert [path.parent for path in cache.loaded] == [folder]
    assert set(cache.kept) == set(folder.iterdir())


def test_kernels_for_different_types_are_different_files(folder):
    for kind in ONES:
        assert call(kind=kind) == (6, 1)
    for kind in ONES:
        result, compiled = call(kind=kind)
        assert (result, compiled) == (6, 0)
        assert isinstance(result, float) == (kind == "float64")
    assert len([path for path in folder.iterdir() if "_add_up" in path.name]) == 3


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_compiled_anew_with_one_warning(folder, damage):
    for function in (_add_up, _count_up):
        call(function)
    paths = list(folder.iterdir())
    for path in paths:
        damage(path)
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR") as caught:
        assert (call(), call(_count_up)) == ((6, 1), (3, 1))
    assert len(caught) == 1
    assert str(folder) in str(caught[0].message)
    assert call() == (6, 0)  # the damage has been mended


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "denied"), OSError(errno.EIO, "broken")])
def test_a_file_that_cannot_be_read(folder, error, monkeypatch):
    call()

    def fail(path):  # noqa: ARG001
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", fail)
        with pytest.warns(UserWarning, match=str(folder)):
            assert call() == (6, 1)
    assert call() == (6, 0)


def test_a_folder_in_place_of_a_file(folder):
    call()
    for path in list(folder.iterdir()):
        path.unlink()
        path.mkdir()
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR") as caught:
        assert call() == (6, 1)
    assert len(caught) == 2  # it can neither be read nor written
    assert all(str(folder) in str(warning.message) for warning in caught)


def test_a_full_disk(folder, monkeypatch):
    write = Path.write_bytes

    def fill_up(path, content):
        write(path, content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.warns(UserWarning, match="No space left") as caught:
        assert (call(), call(_count_up)) == ((6, 1), (3, 1))
    assert len(caught) == 1
    assert str(folder) in str(caught[0].message)
    assert "NUMBA_CACHE_DIR" in str(caught[0].message)
    assert not list(folder.iterdir())


def test_a_folder_that_goes_away_is_made_again(folder):
    call()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert call() == (6, 1)
    assert call() == (6, 0)


def test_a_folder_that_cannot_be_made(folder):
    folder.write_text("in the way")
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR") as caught:
        assert call() == (6, 1)
    assert len(caught) == 1


def test_kernels_of_other_sources_are_not_used(folder, monkeypatch):
    call()
    with monkeypatch.context() as patched:
        patched.setattr(cache, "_SOURCES", b"?" * 32)
        assert call() == (6, 1)  # without a warning
        assert call() == (6, 0)
    assert call() == (6, 1)
    assert len([path for path in folder.iterdir() if "_add_up" in path.name]) == 1


def test_the_sources_are_all_files_of_the_package(monkeypatch, tmp_path):
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(cache, "_HERE", tmp_path)
    before = cache._digest_sources()
    assert before == cache._digest_sources()
    (tmp_path / "b.py").write_text("c")
    assert cache._digest_sources() != before


@pytest.mark.usefixtures("folder")
def test_kernels_in_a_folder_that_cannot_be_written_to_are_used(monkeypatch):
    def refuse(path, content):  # noqa: ARG001
        raise PermissionError(errno.EACCES, "denied")

    call()
    monkeypatch.setattr(Path, "write_bytes", refuse)
    assert call() == (6, 0)  # nothing is compiled, and so there is no warning
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR"):
        assert call(_count_up) == (3, 1)


def test_the_next_folder_serves_where_the_first_cannot_be_written_to(folder, monkeypatch):
    (folder.parent / "file").touch()
    monkeypatch.setattr(cache, "folders", lambda: [folder.parent / "file" / "below", folder])
    assert call() == (6, 1)  # without a warning
    assert call() == (6, 0)
    assert {path.parent for path in cache.kept} == {folder}


def test_folders(monkeypatch, tmp_path):
    monkeypatch.setattr(cache._config, "CACHE_DIR", str(tmp_path))
    assert cache.folders() == [tmp_path / "monai_topoloss"]
    monkeypatch.setattr(cache._config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    beside, at_home = cache.folders()
    assert beside == Path(cache.__file__).parent / "__pycache__"
    if sys.platform.startswith("linux"):
        assert at_home == tmp_path / "numba" / "monai_topoloss"


def run(folder, code):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, text=True, stdout=-1, stderr=-1)


@pytest.mark.slow
def test_where_nothing_can_be_written_there_is_one_warning(tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "below"
    code = "import torch, monai_topoloss; print(monai_topoloss.euler_number(torch.ones(4, 4)).item())"
    out, err = run(folder, code).communicate()
    assert out.strip() == "1"
    warnings = [line for line in err.splitlines() if "monai_topoloss" in line and "Warning" in line]
    assert len(warnings) == 1
    assert "NUMBA_CACHE_DIR" in warnings[0]
    assert str(folder) in warnings[0]


@pytest.mark.slow
def test_processes_that_compile_at_the_same_time(tmp_path):
    """For different types of the same function, and for the same."""
    kinds = [*ONES, "uint8"]
    code = "from tests.backends.cpu.test_cache import call; print(*call(kind={!r}))"
    for kind, process in [(kind, run(tmp_path, code.format(kind))) for kind in kinds]:
        out, err = process.communicate()
        assert float(out.split()[0]) == 6, err
        assert ("." in out) == (kind == "float64")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".kernel"]
    code = "from tests.backends.cpu.test_cache import ONES, call; print([call(kind=kind) for kind in ONES])"
    out, err = run(tmp_path, code).communicate()
    assert out.strip() == "[(6, 0), (6.0, 0), (6, 0)]", err
