from __future__ import annotations

import importlib
import json
import sys

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


def load(path):
    return torch.load(path, weights_only=False)


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
    ]:
        code, printed = run(*arguments)
        assert code == expected
        assert message in printed.err
