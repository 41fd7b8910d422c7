"""From raw data to predictions, by nnU-Net's own commands."""

from __future__ import annotations

import os
import sys
from importlib import metadata

import pytest
import torch

from monai_topoloss.nnunet import TRAINERS, trainer_directory
from tests.nnunet.workspace import Workspace

pytest.importorskip("nnunetv2", reason="needs nnunetv2")
has_folders = tuple(map(int, metadata.version("nnunetv2").split(".")[:2])) >= (2, 8)

pytestmark = pytest.mark.slow

SHORT = """
import torch
from monai_topoloss.nnunet.trainer import {trainer}

class Short({trainer}):
    supervoxel_start = 0.5

    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cpu")):
        super().__init__(plans, configuration, fold, dataset_json, torch.device("cpu"))

    def initialize(self):
        super().initialize()
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 2, 2, 1
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


# As `nnUNetv2_train -num_gpus 2` does it, but with gloo, and without GPUs.
DISTRIBUTED = """
import importlib
import os
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel
from monai_topoloss.nnunet import register

def train(rank):
    dist.init_process_group("gloo", init_method=f"file://{os.getcwd()}/rendezvous", rank=rank, world_size=2)
    register()
    theirs = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
    theirs.DDP = lambda network, device_ids: DistributedDataParallel(network)
    run = importlib.import_module("nnunetv2.run.run_training")
    trainer = run.get_trainer_from_args("1", "2d", 1, "Short", device=torch.device("cpu"))
    assert trainer.is_ddp and trainer.configuration_manager.batch_dice
    trainer.device, trainer.grad_scaler = torch.device("cpu"), None
    trainer.run_training()
    torch.save(trainer.network.module.state_dict(), f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()

if __name__ == "__main__":
    mp.spawn(train, nprocs=2)
"""


def make_workspace(folder, ndim, mode, trainer):
    """A data set, and a short training on the CPU in a folder of trainers."""
    work = Workspace(folder, ndim, mode)
    (folder / "trainers").mkdir()
    (folder / "trainers" / "short.py").write_text(SHORT.format(trainer=trainer))
    work.environment["nnUNet_extTrainer"] = os.pathsep.join([str(trainer_directory()), str(folder / "trainers")])
    return work


def test_regions_then_an_export_and_two_processes(tmp_path):
    work = make_workspace(tmp_path, 2, "ignore-regions", "nnUNetTrainerSkeletonRecallSupervoxel")
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

    (tmp_path / "distributed.py").write_text(DISTRIBUTED)
    work.environment["OMP_NUM_THREADS"] = "1"
    work.run(sys.executable, "-W", "ignore", "distributed.py")
    weights = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], rtol=0, atol=0)


def test_cascade_in_3d(tmp_path):
    work = make_workspace(tmp_path, 3, "ignore", "nnUNetTrainerSkeletonRecallSupervoxel")
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


@pytest.mark.skipif(not has_folders, reason="needs nnunetv2 2.8, which looks for trainers in folders")
def test_monais_runner_finds_the_trainers_by_their_folder(tmp_path, monkeypatch):
    """MONAI starts nnU-Net's own command, which has to find the trainer, and cannot tell it the device."""
    nnunet = pytest.importorskip("monai.apps.nnunet")
    work = make_workspace(tmp_path, 2, "labels", "nnUNetTrainerSkeletonRecall")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    work.environment["PYTHONPATH"] = str(tmp_path / "site")
    work.plan("2d")
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
