"""Small data sets, plans and trainers of nnU-Net."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from monai_topoloss.datasets import synthetic_vessels

IGNORE_LABEL = 3


def make_description(mode):
    """A `dataset.json`; mode is labels, ignore, regions or ignore-regions."""
    labels = {"background": 0, "all": [1, 2], "b": 2} if "regions" in mode else {"background": 0, "a": 1, "b": 2}
    if "ignore" in mode:
        labels["ignore"] = IGNORE_LABEL
    description = {"channel_names": {"0": "x"}, "labels": labels, "numTraining": 5, "file_ending": ".nii.gz"}
    return description | ({"regions_class_order": [1, 2]} if "regions" in mode else {})


def make_plans(ndim, *, batch_dice=False, cascaded=False):
    """Plans of a network with three outputs, as nnU-Net writes them."""
    architecture = {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": 4,
            "features_per_stage": [4] * 4,
            "conv_op": f"torch.nn.modules.conv.Conv{ndim}d",
            "kernel_sizes": [[3] * ndim] * 4,
            "strides": [[1] * ndim, *[[2] * ndim] * 3],
            "n_conv_per_stage": [1] * 4,
            "n_conv_per_stage_decoder": [1] * 3,
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{ndim}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
    configuration = {
        "data_identifier": "nnUNetPlans",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [32, 48] if ndim == 2 else [16, 32, 24],
        "spacing": [1.0] * ndim,
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "architecture": architecture,
        "batch_dice": batch_dice,
    }
    if cascaded:
        configuration["previous_stage"] = "lowres"
    return {
        "dataset_name": "Dataset001_Tiny",
        "plans_name": "nnUNetPlans",
        "transpose_forward": list(range(3)),
        "transpose_backward": list(range(3)),
        "configurations": {"fullres": configuration, "lowres": configuration},
        "label_manager": "LabelManager",
    }


def make_trainer(trainer, ndim=2, mode="labels", **settings):
    """A trainer of a name or class, without data, on the CPU."""
    if isinstance(trainer, str):
        trainer = getattr(importlib.import_module("monai_topoloss.nnunet.trainer"), trainer)
    plans = {**make_plans(ndim, **settings), "continue_training": False}
    trainer = trainer(plans, "fullres", 0, make_description(mode), device=torch.device("cpu"))
    stored = Path(trainer.preprocessed_dataset_folder)
    stored.mkdir(parents=True, exist_ok=True)
    (stored / "c0.npz").touch()  # by which nnU-Net tells how data are stored
    return trainer


class Workspace:
    """The folders of a data set of five small images, and the commands to work on it."""

    def __init__(self, folder: Path, ndim: int, mode: str) -> None:
        self.folder = folder
        self.raw = folder / "raw" / "Dataset001_Tiny"
        self.ndim = ndim
        self.shape = (96, 80) if ndim == 2 else (40, 48, 44)
        self.environment = {
            **os.environ,
            **{f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed", "results")},
            "nnUNet_n_proc_DA": "1",  # planning divides by it
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        for name in ("imagesTr", "labelsTr", "imagesTs"):
            (self.raw / name).mkdir(parents=True)
        for k in range(5):
            image, label = (x[0] for x in synthetic_vessels(self.shape, seed=k, num_trees=2))
            if "ignore" in mode:
                label[:, :8] = IGNORE_LABEL
            self._save(image, self.raw / "imagesTr" / f"c{k}_0000.nii.gz")
            self._save(label, self.raw / "labelsTr" / f"c{k}.nii.gz")
        self._save(image, self.raw / "imagesTs" / "t_0000.nii.gz")
        (self.raw / "dataset.json").write_text(json.dumps(make_description(mode)))

    def _save(self, array, path):
        nib.save(nib.Nifti1Image(array[..., None] if self.ndim == 2 else array, np.eye(4)), path)

    def plan(self, configuration, more=None):
        """Plan and preprocess for a configuration and ``more`` of them, with a small network."""
        self.run("nnUNetv2_plan_and_preprocess", "-d", "1", "-npfp", "1", "--no_pp")
        path = self.folder / "preprocessed" / "Dataset001_Tiny" / "nnUNetPlans.json"
        plans = json.loads(path.read_text())
        settings = plans["configurations"][configuration]
        architecture = settings["architecture"]["arch_kwargs"]
        architecture["features_per_stage"] = [8] * len(architecture["features_per_stage"])
        settings["batch_size"] = 2
        plans["configurations"] = {configuration: settings, **(more or {})}
        path.write_text(json.dumps(plans))
        stored = [name for name in plans["configurations"] if "cascade" not in name]
        self.run("nnUNetv2_preprocess", "-d", "1", "-c", *stored, "-np", *["1"] * len(stored))
        self.environment["nnUNet_n_proc_DA"] = "0"

    def run(self, *command):
        """Run a command, and return what it prints."""
        result = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
        return result.stdout

    def run_ours(self, *command):
        """Run a command of nnU-Net with our trainers."""
        return self.run(sys.executable, "-W", "ignore", "-m", "monai_topoloss.nnunet", *command)

    def predict(self, run, folder, *options, fold="0"):
        """Predict the test image, and return the prediction."""
        source = ("-i", str(self.raw / "imagesTs"), "-o", str(self.folder / folder))
        run(*options, *source, "-f", fold, "-device", "cpu", "--disable_tta", "-npp", "1", "-nps", "1")
        prediction = np.asarray(nib.load(self.folder / folder / "t.nii.gz").dataobj)
        assert prediction.shape[: self.ndim] == self.shape
        assert set(np.unique(prediction)) <= {0, 1, 2}
        return prediction
