from __future__ import annotations

import types

import numba
import pytest
import torch

from monai_topoloss import __version__
from monai_topoloss.backends.cpu import cache
from monai_topoloss.cli import info, main


@pytest.fixture(autouse=True)
def _fresh_caches():
    yield
    from monai_topoloss import backends

    backends._load.cache_clear()


def lines_of(capsys):
    assert main(["info"]) == 0
    lines = [line.split(":", 1) for line in capsys.readouterr().out.splitlines()]
    return {title: text.strip() for title, text in lines}


def test_versions_and_devices(capsys):
    found = lines_of(capsys)
    assert found["monai_topoloss"].startswith(f"{__version__}, ")
    assert found["torch"] == torch.__version__
    assert found["numba"] == numba.__version__
    assert "cores, " in found["CPU"]


def test_what_is_not_installed_is_a_dash(capsys, monkeypatch):
    monkeypatch.setattr(info, "_PACKAGES", ("torch", "no-such-package"))
    assert lines_of(capsys)["no-such-package"] == "-"


def test_why_there_is_no_cuda(capsys, monkeypatch):
    from monai_topoloss import backends

    backends._load.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    found = lines_of(capsys)
    assert 'pip install "monai-topoloss[cuda12]"' in found["tensors on a GPU"]
    assert "cupy" in found["tensors on a GPU"].partition("installs")[2]
    monkeypatch.setattr(torch.version, "cuda", None)
    assert lines_of(capsys)["GPU"] == "none, as PyTorch is built without CUDA"
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert lines_of(capsys)["GPU"] == "PyTorch finds none"


def test_gpus_are_named(capsys, monkeypatch):
    card = types.SimpleNamespace(name="a card", total_memory=24 * 2**30, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    monkeypatch.setattr(info, "why_no_cuda", lambda: "")
    found = lines_of(capsys)
    assert found["GPU 0"] == "a card, 24 GiB, sm_90"
    assert found["tensors on a GPU"] == "computed there"


def test_where_kernels_are_kept(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(cache._config, "CACHE_DIR", str(tmp_path))
    assert lines_of(capsys)["compiled kernels"] == f"0 in {tmp_path / 'monai_topoloss'}"
    (tmp_path / "monai_topoloss").mkdir()
    (tmp_path / "monai_topoloss" / "a.kernel").touch()
    monkeypatch.setattr(info.os, "access", lambda *_: False)  # as root may write anywhere
    expected = f"1 in {tmp_path / 'monai_topoloss'}, which cannot be written to"
    assert lines_of(capsys)["compiled kernels"] == expected
