from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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


def test_only_the_name_of_the_trainer_changes(model, tmp_path):
    (written,) = nnunet.export_model(model, tmp_path / "new")
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
    with pytest.raises(ValueError, match=r"got another one in fold_0/checkpoint_final.pth"):
        nnunet.export_model(model, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(model, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "file").touch()
    with pytest.raises(FileExistsError):
        nnunet.export_model(model, tmp_path / "new")
    assert (tmp_path / "new" / "file").exists()


def test_on_the_command_line(model, tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "monai_topoloss.nnunet", "--export"]
    new = str(tmp_path / "new")
    result = subprocess.run([*command, str(model), new], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == str(Path(new) / "fold_0" / "checkpoint_final.pth")
    for arguments, code, message in [
        ([str(model), new], 1, "File exists"),
        ([str(tmp_path), new + "2"], 1, "without fold_"),
        ([str(model)], 2, "usage"),
    ]:
        result = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        assert (result.returncode, message in result.stderr) == (code, True)
