from __future__ import annotations

import importlib
import os
import runpy
import subprocess
import sys
from importlib import metadata

import pytest

from monai_topoloss import nnunet
from monai_topoloss.nnunet import registration


def test_the_folder_holds_the_trainers_only():
    (file,) = nnunet.trainer_directory().glob("*.py")
    for name in nnunet.TRAINERS:
        assert name in file.read_text()


@pytest.mark.parametrize(("version", "message"), [(None, "there is none"), ("2.5.1", "there is 2.5.1")])
def test_absent_or_too_old(version, message, monkeypatch):
    def find(_):
        if version is None:
            raise metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(metadata, "version", find)
    with pytest.raises(ImportError, match=rf'pip install "monai-topoloss\[nnunet\]"` installs; {message}'):
        nnunet.register()


@pytest.mark.parametrize("version", ["2.6.4", "2.8.1", "3.0", "2.7.0.post1"])
def test_new_enough(version, monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda _: version)
    registration.check_version()


def test_path_on_the_command_line():
    command = [sys.executable, "-W", "ignore", "-m", "monai_topoloss.nnunet"]
    result = subprocess.run([*command, "--path"], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str(nnunet.trainer_directory())
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "trainers: nnUNetTrainerSkeletonRecall" in result.stdout


@pytest.mark.filterwarnings("ignore")
def test_processes_that_nnunet_starts_find_the_trainers(monkeypatch):
    """As multiprocessing does it where it spawns, such as with one process for each GPU."""
    pytest.importorskip("nnunetv2", reason="needs nnunetv2")
    stock = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
    for name in nnunet.TRAINERS:
        monkeypatch.delattr(stock, name, raising=False)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    runpy.run_module("monai_topoloss.nnunet.__main__", run_name="__mp_main__")
    assert not any(hasattr(stock, name) for name in nnunet.TRAINERS)  # others than those for GPUs need no trainers
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    runpy.run_module("monai_topoloss.nnunet.__main__", run_name="__mp_main__")
    for name in nnunet.TRAINERS:
        assert issubclass(getattr(stock, name), stock.nnUNetTrainer)


@pytest.mark.filterwarnings("ignore")
def test_trainers_in_folders(monkeypatch, tmp_path):
    pytest.importorskip("nnunetv2", reason="needs nnunetv2")
    stock = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    source = "from monai_topoloss.nnunet.trainer import nnUNetTrainerSupervoxel\nclass {}(nnUNetTrainerSupervoxel): ..."
    (tmp_path / "mine_for_a_test.py").write_text(source.format("Mine"))
    (tmp_path / "package" / "other.py").write_text(source.format("Other"))
    (tmp_path / "package" / "stock.py").write_text(source.format("nnUNetTrainer"))
    monkeypatch.setenv("nnUNet_extTrainer", os.pathsep.join(["/nowhere", str(tmp_path), ""]))
    before, kept = list(sys.path), stock.nnUNetTrainer
    nnunet.register()
    assert issubclass(stock.Mine, stock.nnUNetTrainerSupervoxel)
    assert issubclass(stock.Other, stock.nnUNetTrainerSupervoxel)
    assert stock.nnUNetTrainer is kept
    assert sys.path == before
    for name in ("Mine", "Other"):
        delattr(stock, name)


@pytest.mark.filterwarnings("ignore")
def test_folders_may_have_the_same_and_broken_files(monkeypatch, tmp_path):
    pytest.importorskip("nnunetv2", reason="needs nnunetv2")
    stock = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
    source = "from monai_topoloss.nnunet.trainer import nnUNetTrainerSupervoxel\nclass {}(nnUNetTrainerSupervoxel): ..."
    for name in ("First", "Second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "my_trainers.py").write_text(source.format(name))
    (tmp_path / "First" / "broken.py").write_text("import not_installed")
    (tmp_path / "First" / "wrong.py").write_text("1 +")
    monkeypatch.setenv("nnUNet_extTrainer", os.pathsep.join([str(tmp_path / "First"), str(tmp_path / "Second")]))
    with pytest.warns(UserWarning, match="No trainers from '(broken|wrong)' in .*First: ") as caught:
        nnunet.register()
    assert len(caught) == 2
    assert stock.First is not stock.Second
    assert "my_trainers" not in sys.modules
    for name in ("First", "Second"):
        delattr(stock, name)
