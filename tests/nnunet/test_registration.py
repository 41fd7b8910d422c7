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


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["nnunet", *map(str, arguments)])
    return importlib.import_module("monai_topoloss.nnunet.__main__").main()


def raise_absence(_):
    raise metadata.PackageNotFoundError


@pytest.mark.parametrize("arguments", [("nnUNetv2_train", "1", "2d", "0"), ("--export", "model", "new")])
def test_the_command_fails_with_a_message_without_nnunet(arguments, monkeypatch, capsys):
    monkeypatch.setattr(metadata, "version", raise_absence)
    assert run_main(monkeypatch, *arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("The trainers need nnunetv2")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [(ImportError("No module named 'batchgenerators'"), "ImportError: No module named 'batchgenerators'"),
     (RuntimeError("operator torchvision::nms does not exist"), "RuntimeError: operator torchvision::nms does not"),
     (AttributeError("_ARRAY_API not found"), "AttributeError: _ARRAY_API")],
)  # fmt: skip
def test_the_command_fails_with_a_message_where_nnunet_cannot_be_imported(error, message, monkeypatch, capsys):
    pytest.importorskip("nnunetv2", reason="needs nnunetv2")
    import_module = importlib.import_module

    def fail(name, package=None):
        if name.startswith("nnunetv2"):
            raise error
        return import_module(name, package)

    main = import_module("monai_topoloss.nnunet.__main__").main
    monkeypatch.setattr(importlib, "import_module", fail)
    for arguments in (["nnUNetv2_train"], ["--export", "model", "new"]):
        monkeypatch.setattr(sys, "argv", ["nnunet", *arguments])
        assert main() == 1
        printed = capsys.readouterr().err
        assert printed.startswith(f"nnunetv2 {metadata.version('nnunetv2')} is installed, but cannot be imported: ")
        assert message in printed
        assert printed.count("\n") == 1
    with pytest.raises(ImportError, match="is installed, but cannot be imported") as caught:
        nnunet.register()
    assert caught.value.__cause__ is error


@pytest.mark.filterwarnings("ignore")
def test_a_command_that_cannot_be_imported_is_told_about(monkeypatch, capsys):
    pytest.importorskip("nnunetv2", reason="needs nnunetv2")
    monkeypatch.setitem(sys.modules, "nnunetv2.run.run_training", None)
    assert run_main(monkeypatch, "nnUNetv2_train") == 1
    assert (
        "is installed, but cannot be imported: ModuleNotFoundError: import of nnunetv2.run" in capsys.readouterr().err
    )


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


SOURCE = "from monai_topoloss.nnunet.trainer import nnUNetTrainerSupervoxel\nclass {}(nnUNetTrainerSupervoxel): ..."


@pytest.fixture
def stock():
    """The module in which nnU-Net's trainer is; what a test adds to it, goes."""
    pytest.importorskip("nnunetv2", reason="needs nnunetv2")
    module = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
    nnunet.register()
    before = set(vars(module))
    yield module
    for name in set(vars(module)) - before:
        delattr(module, name)


def write_trainers(folder, **files):
    """Write files, each with a trainer of that name; return the folder."""
    for name, trainer in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SOURCE.format(trainer))
    return folder


def set_folders(monkeypatch, *folders):
    monkeypatch.setenv("nnUNet_extTrainer", os.pathsep.join(map(str, folders)))


@pytest.mark.filterwarnings("ignore")
def test_trainers_in_folders(monkeypatch, tmp_path, stock):
    write_trainers(tmp_path, mine_for_a_test="Mine", package__other="Other", package__stock="nnUNetTrainer")
    (tmp_path / "package" / "__init__.py").touch()
    set_folders(monkeypatch, "/nowhere", tmp_path, "")
    before, kept = list(sys.path), stock.nnUNetTrainer
    nnunet.register()
    assert issubclass(stock.Mine, stock.nnUNetTrainerSupervoxel)
    assert issubclass(stock.Other, stock.nnUNetTrainerSupervoxel)
    assert stock.nnUNetTrainer is kept
    assert sys.path == before


@pytest.mark.filterwarnings("ignore")
def test_folders_may_have_the_same_and_broken_files(monkeypatch, tmp_path, stock):
    for name in ("First", "Second"):
        write_trainers(tmp_path / name, my_trainers=name)
    (tmp_path / "First" / "broken.py").write_text("import not_installed")
    (tmp_path / "First" / "leaves.py").write_text("raise SystemExit(3)")
    (tmp_path / "First" / "wrong.py").write_text("1 +")
    for name, source in {"bad": "import not_installed", "exits": "import sys; sys.exit('bye')"}.items():
        (tmp_path / "First" / name).mkdir()
        (tmp_path / "First" / name / "__init__.py").write_text(source)
    set_folders(monkeypatch, tmp_path / "First", tmp_path / "Second")
    with pytest.warns(UserWarning, match="No trainers from '(bad|broken|exits|leaves|wrong)' in .*First: ") as caught:
        nnunet.register()
    assert len(caught) == 5
    assert any("SystemExit: 3" in str(warning.message) for warning in caught)
    assert stock.First is not stock.Second
    assert "my_trainers" not in sys.modules


@pytest.mark.filterwarnings("ignore")
def test_an_interrupt_passes(monkeypatch, tmp_path, stock):  # noqa: ARG001 -- takes away what is registered
    (tmp_path / "interrupted.py").write_text("raise KeyboardInterrupt")
    set_folders(monkeypatch, tmp_path)
    before = list(sys.path)
    with pytest.raises(KeyboardInterrupt):
        nnunet.register()
    assert sys.path == before


@pytest.mark.filterwarnings("ignore")
def test_folders_may_be_relative(monkeypatch, tmp_path, stock):
    for name in ("First", "Second"):
        write_trainers(tmp_path / name, my_trainers=name)
    monkeypatch.chdir(tmp_path)
    set_folders(monkeypatch, "First", os.path.join(".", "First", "..", "Second"))  # noqa: PTH118 -- a path would tidy up
    before = list(sys.path)
    nnunet.register()
    assert stock.First.__module__ == stock.Second.__module__ == "my_trainers"
    assert "my_trainers" not in sys.modules
    assert sys.path == before


@pytest.mark.filterwarnings("ignore")
def test_modules_of_a_folder_with_a_longer_name_are_kept(monkeypatch, tmp_path, stock):
    """``/a/b`` is the beginning of ``/a/bc``, and no folder of it."""
    write_trainers(tmp_path / "b", mine_for_a_test="Mine")
    write_trainers(tmp_path / "bc", kept_for_a_test="Kept")
    (tmp_path / "b" / "uses.py").write_text("import kept_for_a_test, part_for_a_test.inside")
    write_trainers(tmp_path / "b" / "part_for_a_test", inside="Inside")  # without __init__.py
    monkeypatch.syspath_prepend(tmp_path / "bc")
    set_folders(monkeypatch, tmp_path / "b")
    try:
        nnunet.register()
        assert issubclass(stock.Mine, stock.nnUNetTrainer)
        assert "kept_for_a_test" in sys.modules
        assert not {"mine_for_a_test", "uses", "part_for_a_test", "part_for_a_test.inside"} & set(sys.modules)
    finally:
        sys.modules.pop("kept_for_a_test", None)
