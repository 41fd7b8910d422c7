from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_topoloss import nnunet
from tests.nnunet.workspace import make_trainer

pytest.importorskip("nnunetv2", reason="needs nnunetv2")

# nnU-Net and what it imports warn on import.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def model(tmp_path):
    """The folder of a trained model, and its trainer."""
    trainer = make_trainer("nnUNetTrainerSkeletonRecall")
    trainer.initialize()
    folder = tmp_path / "nnUNetTrainerSkeletonRecall__nnUNetPlans__fullres"
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(trainer.plans_manager.plans))
    (folder / "dataset.json").write_text(json.dumps(trainer.dataset_json))
    trainer.save_checkpoint(str(folder / "fold_0" / "checkpoint_final.pth"))
    return folder


CHECKPOINT = Path("fold_0", "checkpoint_final.pth")


def load(path):
    return torch.load(path, weights_only=False)


def save(model, **changes):
    """Write a checkpoint with other entries."""
    torch.save(load(model / CHECKPOINT) | changes, model / CHECKPOINT)


class Touch:
    """What is unpickled by making a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_only_the_name_of_the_trainer_changes(model, tmp_path, capsys):
    (written,) = nnunet.export_model(model, tmp_path / "new")
    assert capsys.readouterr().out == ""
    assert written == tmp_path / "new" / "fold_0" / "checkpoint_final.pth"
    before, after = load(model / "fold_0" / "checkpoint_final.pth"), load(written)
    assert before.pop("trainer_name") == "nnUNetTrainerSkeletonRecall"
    assert after.pop("trainer_name") == "nnUNetTrainer"
    assert before.keys() == after.keys()
    for name, weight in before["network_weights"].items():
        torch.testing.assert_close(weight, after["network_weights"][name])
    assert (tmp_path / "new" / "plans.json").read_text() == (model / "plans.json").read_text()


def test_another_network_is_refused(model, tmp_path):
    path = model / "fold_0" / "checkpoint_final.pth"
    checkpoint = load(path)
    checkpoint["network_weights"]["mine"] = torch.zeros(1)
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match=r"got others in fold_0/checkpoint_final.pth"):
        nnunet.export_model(model, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_another_architecture_is_refused(model, tmp_path, monkeypatch):
    stock = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")

    class Mine(stock.nnUNetTrainer):
        @staticmethod
        def build_network_architecture(*_):
            return None

    monkeypatch.setattr(stock, "Mine", Mine, raising=False)
    path = model / "fold_0" / "checkpoint_final.pth"
    torch.save(load(path) | {"trainer_name": "Mine"}, path)
    with pytest.raises(ValueError, match="got Mine, which builds another"):
        nnunet.export_model(model, tmp_path / "new")


def test_scalars_of_numpy_are_safe_whatever_numpy_calls_its_modules(model, tmp_path):
    """As nnU-Net logs them; NumPy 1 and 2 write different names."""
    logged = {"val_losses": [np.float32(0.5), np.float64(0.25)], "more": [np.int64(3), np.bool_(1)]}
    save(model, _best_ema=np.float32(0.75), logging=logged)
    modern, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    for before, after in ((modern, old), (old, modern)):
        path = model / CHECKPOINT
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        (pickled,) = (name for name in files if name.endswith("data.pkl"))
        assert modern in files[pickled] or old in files[pickled]
        files[pickled] = files[pickled].replace(before, after)
        assert before not in files[pickled]
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        (written,) = nnunet.export_model(model, tmp_path / after.decode())
        exported = load(written)
        assert exported["logging"] == logged
        assert exported["_best_ema"] == 0.75
        assert [type(value) for value in exported["logging"]["val_losses"]] == [np.float32, np.float64]


def test_a_checkpoint_that_could_run_code_is_refused_unless_it_is_trusted(model, tmp_path):
    save(model, extra=Touch(tmp_path / "touched"))
    with pytest.raises(ValueError, match=r"checkpoint_final.pth, which holds \w+\.mkdir: .* `trust=True`"):
        nnunet.export_model(model, tmp_path / "new")
    assert not (tmp_path / "touched").exists()
    assert not (tmp_path / "new").exists()
    (written,) = nnunet.export_model(model, tmp_path / "new", trust=True)
    assert (tmp_path / "touched").exists()
    assert load(written)["trainer_name"] == "nnUNetTrainer"


def test_a_pickle_that_cannot_be_looked_through_has_to_be_trusted(model, tmp_path):
    """Torch reads only what `torch.save` writes by default without running it."""
    torch.save(load(model / CHECKPOINT), model / CHECKPOINT, pickle_protocol=4)
    with pytest.raises(ValueError, match=r"which holds more than tensors, numbers and text: .* `trust=True`"):
        nnunet.export_model(model, tmp_path / "new")
    (written,) = nnunet.export_model(model, tmp_path / "new", trust=True)
    assert load(written)["trainer_name"] == "nnUNetTrainer"


def test_no_checkpoint_is_run_before_all_are_known_to_be_safe(model, tmp_path):
    """nnU-Net's own functions unpickle whatever there is."""
    (model / "fold_1").mkdir()
    shutil.copy(model / CHECKPOINT, model / "fold_1" / "checkpoint_final.pth")
    save(model, extra=Touch(tmp_path / "touched"))
    for name in ("fold_0", "fold_1"):
        with pytest.raises(ValueError, match=f"{name}.checkpoint_final.pth, which holds"):
            nnunet.export_model(model, tmp_path / "new")
        assert not (tmp_path / "touched").exists()
        if name == "fold_0":
            (model / "fold_0").rename(model / "fold_2")
            (model / "fold_1").rename(model / "fold_0")
            (model / "fold_2").rename(model / "fold_1")


@pytest.mark.parametrize("content", [b"", b"PK\3\4 cut", "cut", b"\x80\x04\x95", {"epoch": 1}, [1, 2]])
def test_a_broken_checkpoint_is_told_about(content, model, tmp_path):
    path = model / CHECKPOINT
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        torch.save(content, path)
    before = sorted(tmp_path.rglob("*"))
    for trust in (False, True):
        with pytest.raises(
            ValueError, match=r"^Expected a checkpoint of nnU-Net.* got .*checkpoint_final.pth"
        ) as caught:
            nnunet.export_model(model, tmp_path / "parent" / "new", trust=trust)
        assert ("--trust" in str(caught.value)) == (content == b"\x80\x04\x95" and not trust)
        assert sorted(tmp_path.rglob("*")) == before


def test_a_copy_of_the_folder_in_itself_is_refused(model, tmp_path):
    (tmp_path / "link").symlink_to(model)
    (model / "elsewhere").symlink_to(tmp_path / "far", target_is_directory=True)
    (tmp_path / "far").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for destination in (
        model / "new",
        model / "fold_0" / "deep" / "new",
        tmp_path / "link" / "new",
        tmp_path / "far" / ".." / model.name / "new",
        tmp_path / "far" / "new",  # to which a link in the folder leads
    ):
        with pytest.raises(ValueError, match="Expected `destination` outside of `source`, got"):
            nnunet.export_model(model, destination)
        with pytest.raises(ValueError, match="Expected `destination` outside of `source`, got"):
            nnunet.export_model(tmp_path / "link", destination)
        assert sorted(tmp_path.rglob("*")) == before


def test_links_are_followed_and_read_only_files_copied(model, tmp_path):
    (tmp_path / "disk").mkdir()
    (model / "fold_0").rename(tmp_path / "disk" / "fold_0")
    (model / "fold_0").symlink_to(tmp_path / "disk" / "fold_0")
    (model / CHECKPOINT).chmod(0o444)
    (model / "fold_0" / "progress.png").write_text("a picture")
    nnunet.export_model(model, tmp_path / "new")
    new = tmp_path / "new"
    assert not (new / "fold_0").is_symlink()
    assert load(new / CHECKPOINT)["trainer_name"] == "nnUNetTrainer"
    assert load(model / CHECKPOINT)["trainer_name"] == "nnUNetTrainerSkeletonRecall"
    names = sorted(path.relative_to(model) for path in model.rglob("*"))
    names += sorted(path.relative_to(tmp_path / "disk") for path in (tmp_path / "disk").rglob("*.*"))
    assert {path.relative_to(new) for path in new.rglob("*")} == set(names)
    assert new.stat().st_mode == model.stat().st_mode


@pytest.mark.parametrize("parent", ["", "parent/of"])
def test_nothing_is_left_where_it_fails(parent, model, tmp_path, monkeypatch):
    before = sorted(tmp_path.rglob("*"))

    def fail(*_, **__):
        raise KeyboardInterrupt

    for name in ("copytree", "save", "initialize"):
        with monkeypatch.context() as patch:
            predictor = importlib.import_module("nnunetv2.inference.predict_from_raw_data").nnUNetPredictor
            owner = {"copytree": shutil, "save": torch, "initialize": predictor}[name]
            patch.setattr(owner, "initialize_from_trained_model_folder" if name == "initialize" else name, fail)
            with pytest.raises(KeyboardInterrupt):
                nnunet.export_model(model, tmp_path / parent / "new")
        assert sorted(tmp_path.rglob("*")) == before
    nnunet.export_model(model, tmp_path / parent / "new")
    assert (tmp_path / parent / "new" / CHECKPOINT).is_file()


def test_the_destination_may_be_relative(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (written,) = nnunet.export_model(model.name, "new")
    assert written == Path("new") / CHECKPOINT
    assert written.is_file()
    assert sorted(os.listdir()) == ["new", model.name]  # noqa: PTH208 -- hidden ones, too


def test_nothing_is_overwritten(model, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "file").touch()
    with pytest.raises(FileExistsError):
        nnunet.export_model(model, tmp_path / "new")
    assert (tmp_path / "new" / "file").exists()


def test_on_the_command_line(model, tmp_path, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["nnunet", "--export", *map(str, arguments)])
        return importlib.import_module("monai_topoloss.nnunet.__main__").main(), capsys.readouterr()

    new = tmp_path / "new"
    code, printed = run(model, new)
    assert (code, printed.out.splitlines()[-1]) == (0, str(new / "fold_0" / "checkpoint_final.pth"))
    for arguments, expected, message in [
        ((model, new), 1, "File exists"),
        ((tmp_path, tmp_path / "newer"), 1, "without plans.json"),
        ((model,), 2, "usage"),
        ((model, tmp_path / "newer", "--turst"), 2, "usage"),
    ]:
        code, printed = run(*arguments)
        assert code == expected
        assert message in printed.err
    save(model, extra=Touch(tmp_path / "touched"))
    code, printed = run(model, tmp_path / "trusted")
    assert code == 1
    assert "--trust" in printed.err
    assert not (tmp_path / "touched").exists()
    code, printed = run("--trust", model, tmp_path / "trusted")
    assert (code, printed.err) == (0, "")
    assert (tmp_path / "touched").exists()
