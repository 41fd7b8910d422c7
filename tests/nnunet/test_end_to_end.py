"""From raw data to predictions, by nnU-Net's own commands."""

from __future__ import annotations

import os
import sys

import pytest

from monai_topoloss.nnunet import TRAINERS, trainer_directory
from tests.nnunet.workspace import Workspace

pytest.importorskip("nnunetv2", reason="needs nnunetv2")

pytestmark = pytest.mark.slow

SHORT = """
class Short({trainer}):
    supervoxel_start = 0.5
    {more}
    def initialize(self):
        super().initialize()
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 2, 2, 1
"""

RUN = f"""
import importlib, sys
from monai_topoloss.nnunet import __main__, register
register()
theirs = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
{SHORT}
Short.__module__, theirs.Short = theirs.__name__, Short
if __name__ == "__main__":
    sys.exit(__main__.main())
"""

ALONE = """
import sys
sys.modules["monai_topoloss"] = None
from nnunetv2.inference.predict_from_raw_data import predict_entry_point_modelfolder
if __name__ == "__main__":
    predict_entry_point_modelfolder()
"""

# Where torchvision cannot load its operators, as with a PyTorch for CPUs, all of nnU-Net's search for trainers fails.
SITE = """
try:
    import torchvision
except RuntimeError:
    import sys, torch
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
except ImportError:
    pass
"""


def test_regions_with_both_losses_and_an_export(tmp_path):
    work = Workspace(tmp_path, 2, "ignore-regions")
    (tmp_path / "run.py").write_text(RUN.format(trainer="theirs.nnUNetTrainerSkeletonRecallSupervoxel", more=""))
    (tmp_path / "alone.py").write_text(ALONE)
    work.plan("2d")
    printed = work.run_ours("nnUNetv2_train", "1", "2d", "0", "-tr", "Short", "-device", "cpu")
    assert "Mean Validation Dice" in printed
    options = ("nnUNetv2_predict", "-d", "1", "-c", "2d", "-tr", "Short")
    expected = work.predict(work.run_ours, "predictions", *options)
    model = tmp_path / "results" / "Dataset001_Tiny" / "Short__nnUNetPlans__2d"
    assert "checkpoint_final.pth" in work.run_ours("--export", str(model), str(tmp_path / "exported"))

    def run_alone(*command):
        return work.run(sys.executable, "-W", "ignore", "alone.py", *command)

    found = work.predict(run_alone, "alone", "-m", str(tmp_path / "exported"))
    assert (found == expected).all()


def test_cascade_in_3d(tmp_path):
    work = Workspace(tmp_path, 3, "ignore")
    (tmp_path / "run.py").write_text(RUN.format(trainer="theirs.nnUNetTrainerSkeletonRecallSupervoxel", more=""))
    low = {"inherits_from": "3d_fullres", "data_identifier": "nnUNetPlans_3d_lowres", "spacing": [1.5, 1.5, 1.5]}
    high = {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}
    work.plan("3d_fullres", {"3d_lowres": low | {"next_stage": "3d_cascade_fullres"}, "3d_cascade_fullres": high})
    train = ("-tr", "Short", "-device", "cpu")
    for configuration, fold in (("3d_lowres", "all"), ("3d_cascade_fullres", "0")):  # which needs all low predictions
        assert "Mean Validation Dice" in work.run_ours("nnUNetv2_train", "1", configuration, fold, *train)
    options = ("nnUNetv2_predict", "-d", "1", "-tr", "Short")
    work.predict(work.run_ours, "low", *options, "-c", "3d_lowres", fold="all")
    previous = ("-prev_stage_predictions", str(tmp_path / "low"))
    work.predict(work.run_ours, "high", *options, "-c", "3d_cascade_fullres", *previous)


def test_monais_runner_finds_the_trainers_by_their_folder(tmp_path, monkeypatch):
    """MONAI starts nnU-Net's command, without an option for the device: the trainer chooses it."""
    nnunet = pytest.importorskip("monai.apps.nnunet")
    work = Workspace(tmp_path, 2, "labels")
    for name in ("site", "trainers"):
        (tmp_path / name).mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    constructor = """
    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cpu")):
        super().__init__(plans, configuration, fold, dataset_json, torch.device("cpu"))
"""
    source = "import torch\nfrom monai_topoloss.nnunet.trainer import nnUNetTrainerSkeletonRecall\n"
    source += SHORT.format(trainer="nnUNetTrainerSkeletonRecall", more=constructor)
    (tmp_path / "trainers" / "short.py").write_text(source)
    work.plan("2d")
    work.environment |= {
        "nnUNet_extTrainer": os.pathsep.join([str(trainer_directory()), str(tmp_path / "trainers")]),
        "PYTHONPATH": str(tmp_path / "site"),
    }
    for name, value in work.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    folders = {f"nnunet_{name}": str(tmp_path / name) for name in ("raw", "preprocessed", "results")}
    runner = nnunet.nnUNetV2Runner({"dataset_name_or_id": 1, **folders}, trainer_class_name="Short")
    runner.train_single_model("2d", 0)
    model = tmp_path / "results" / "Dataset001_Tiny" / "Short__nnUNetPlans__2d"
    assert (model / "fold_0" / "checkpoint_final.pth").is_file()
    work.predict(work.run, "predictions", "nnUNetv2_predict", "-d", "1", "-c", "2d", "-tr", "Short")
    look = (
        "from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name as find;"
        f"[find(name) for name in {TRAINERS}]"
    )
    assert "Using trainer 'nnUNetTrainerSupervoxel'" in work.run(sys.executable, "-W", "ignore", "-c", look)
