"""The parts of the trainers, and a training from raw data to predictions."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_topoloss import DiceCESkeletonRecallLoss, SkeletonRecallLoss, SupervoxelLoss, nnunet, tubed_skeleton
from monai_topoloss.datasets import synthetic_vessels
from tests.oracles.lee import betti_numbers

pytest.importorskip("nnunetv2", reason="needs nnunetv2")

# nnU-Net and what it imports warn on import.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def parts():
    """The modules that need nnU-Net."""
    names = ("transform", "loss", "trainer")
    return {name: importlib.import_module(f"monai_topoloss.nnunet.{name}") for name in names}


def make_label(shape=(64, 72)):
    return torch.from_numpy(synthetic_vessels(shape, seed=0, num_trees=2)[1].astype(np.int16))


def test_register_makes_the_trainers_findable():
    nnunet.register()
    theirs = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
    for name in nnunet.TRAINERS:
        assert issubclass(getattr(theirs, name), theirs.nnUNetTrainer)


@pytest.mark.parametrize("shape", [(64, 72), (32, 36, 40)])
def test_transform_of_a_label_map(parts, shape):
    label = make_label(shape)
    label[0, :5] = 3
    make = parts["transform"].AddSkeletonTransform
    single = pickle.loads(pickle.dumps(make(None, regions=0, ignore_label=3, radius=2, pool=True)))
    result = single(segmentation=label.clone())["segmentation"]
    expected = tubed_skeleton(label[0], ignore_index=3)
    assert result.dtype == label.dtype
    torch.testing.assert_close(result, torch.stack([label[0], expected]))
    for scales in ([1, 0.5, 0.25], [[1] * len(shape), [0.5] * len(shape), [0.25] * len(shape)]):
        several = make(scales, regions=0, ignore_label=3, radius=2, pool=True)(segmentation=label.clone())
        first, *rest = several["segmentation"]
        torch.testing.assert_close(first, result)
        for scale, low in zip((0.5, 0.25), rest, strict=True):
            assert low.shape == (2, *(round(n * scale) for n in shape))
            tube = low[1] != 0
            assert (low[0][tube] == low[1][tube]).all()
            assert betti_numbers(tube.numpy())[0] <= betti_numbers((expected != 0).numpy())[0]
    nearest = make([1, 0.25], regions=0, ignore_label=3, radius=2, pool=False)(segmentation=label.clone())
    assert betti_numbers((nearest["segmentation"][1][1] != 0).numpy())[0] > betti_numbers(tube.numpy())[0]


@pytest.mark.parametrize("ignored", [True, False])
def test_transform_of_regions(parts, ignored):
    label = make_label()
    channels = torch.cat([label > 0, label == 2, torch.zeros_like(label) > 0])
    channels[2, :9] = True
    segmentation = channels if ignored else channels[:2]
    make = parts["transform"].AddSkeletonTransform
    result = make([1, 0.5], regions=2, ignore_label=3, radius=1, pool=True)(segmentation=segmentation)["segmentation"]
    visible = channels[:2] & ~channels[2] if ignored else channels[:2]
    skeleton = tubed_skeleton(visible, radius=1, spatial_dims=2)
    torch.testing.assert_close(result[0], torch.cat([segmentation, skeleton]))
    assert result[1].shape == (len(segmentation) + 2, 32, 36)


def test_loss_of_a_label_map(parts):
    torch.manual_seed(0)
    logits, label = torch.randn(2, 3, 64, 72), torch.stack([make_label(), make_label().flip(-1)])
    skeleton = tubed_skeleton(label, spatial_dims=2)
    options = {"softmax": True, "to_onehot_y": True}
    recall = SkeletonRecallLoss(**options)
    plain = DiceCESkeletonRecallLoss(lambda_recall=0, **options)
    loss = parts["loss"].ExtendedLoss(
        lambda input, target: plain(input, (target, skeleton)),
        recall=recall, supervoxel=None, recall_weight=0.5, regions=0, num_skeletons=1,
    )  # fmt: skip
    found = loss(logits, torch.cat([label, skeleton], dim=1))
    expected = DiceCESkeletonRecallLoss(lambda_recall=0.5, **options)(logits, (label, skeleton))
    torch.testing.assert_close(found, expected)
    supervoxel = SupervoxelLoss(softmax=True)
    loss = parts["loss"].ExtendedLoss(
        lambda input, _: input.sum(), recall=None, supervoxel=supervoxel, recall_weight=0, regions=0, num_skeletons=0
    )
    torch.testing.assert_close(loss(logits, label), logits.sum() + supervoxel(logits, label))
    supervoxel.alpha = 0
    torch.testing.assert_close(loss(logits, label), logits.sum())


def test_loss_of_regions_ignores_what_a_channel_marks(parts):
    torch.manual_seed(0)
    label = make_label()[None]
    target = torch.cat([label > 0, label == 2, torch.zeros_like(label) > 0], dim=1)
    target[:, 2, :20] = True
    skeleton = tubed_skeleton(target[:, :2] & ~target[:, 2:], spatial_dims=2)
    ignored = parts["loss"].IGNORED
    loss = parts["loss"].ExtendedLoss(
        lambda input, plain: input.sum() * 0 + plain.shape[1],
        recall=SkeletonRecallLoss(sigmoid=True, ignore_index=ignored), supervoxel=SupervoxelLoss(ignore_index=ignored),
        recall_weight=1, regions=2, num_skeletons=2,
    )  # fmt: skip
    logits = torch.randn(1, 2, 64, 72, requires_grad=True)
    value = loss(logits, torch.cat([target, skeleton], dim=1))
    assert value > 3  # the stock loss gets its three channels
    value.backward()
    assert (logits.grad[:, :, :20] == 0).all()
    assert (logits.grad[:, :, 20:] != 0).any()


RUN = """
import importlib, sys
from monai_topoloss.nnunet import __main__, register
register()
theirs = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
class Short(theirs.{trainer}):
    supervoxel_start = 0.5
    def initialize(self):
        super().initialize()
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 2, 2, 1
Short.__module__, theirs.Short = theirs.__name__, Short
if __name__ == "__main__":
    sys.exit(__main__.main())
"""


def make_dataset(folder, ndim, mode):
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / name).mkdir(parents=True)
    for k in range(6):
        image, label = synthetic_vessels((96, 80) if ndim == 2 else (40, 48, 44), seed=k, num_trees=2)
        if mode == "ignore":
            label[:, :8] = 3
        image, label = (x[0][..., None] if ndim == 2 else x[0] for x in (image, label))
        nib.save(nib.Nifti1Image(image, np.eye(4)), folder / "imagesTr" / f"c{k}_0000.nii.gz")
        nib.save(nib.Nifti1Image(label, np.eye(4)), folder / "labelsTr" / f"c{k}.nii.gz")
    nib.save(nib.Nifti1Image(image, np.eye(4)), folder / "imagesTs" / "t_0000.nii.gz")
    labels = {"background": 0, "a": 1, "b": 2}
    description = {"channel_names": {"0": "x"}, "labels": labels, "numTraining": 6, "file_ending": ".nii.gz"}
    if mode == "ignore":
        labels["ignore"] = 3
    if mode == "regions":
        description |= {"labels": {"background": 0, "all": [1, 2], "b": 2}, "regions_class_order": [1, 2]}
    (folder / "dataset.json").write_text(json.dumps(description))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ndim", "mode", "trainer"),
    [
        (2, "labels", "nnUNetTrainerSkeletonRecallSupervoxel"),
        (2, "ignore", "nnUNetTrainerSkeletonRecall"),
        (2, "regions", "nnUNetTrainerSkeletonRecallSupervoxel"),
        (3, "labels", "nnUNetTrainerSkeletonRecallSupervoxel"),
    ],
)
def test_from_raw_data_to_predictions(ndim, mode, trainer, tmp_path):
    make_dataset(tmp_path / "raw" / "Dataset001_Tiny", ndim, mode)
    (tmp_path / "run.py").write_text(RUN.format(trainer=trainer))
    environment = {
        **os.environ,
        "nnUNet_raw": str(tmp_path / "raw"),
        "nnUNet_preprocessed": str(tmp_path / "preprocessed"),
        "nnUNet_results": str(tmp_path / "results"),
        "nnUNet_compile": "f",
        "nnUNet_n_proc_DA": "1",  # planning divides by it
    }

    def run(*arguments):
        command = [sys.executable, "-W", "ignore", "run.py", *arguments]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
        return result.stdout

    configuration = "2d" if ndim == 2 else "3d_fullres"
    run("nnUNetv2_plan_and_preprocess", "-d", "1", "-c", configuration, "-np", "1", "-npfp", "1")
    plans = tmp_path / "preprocessed" / "Dataset001_Tiny" / "nnUNetPlans.json"
    content = json.loads(plans.read_text())
    settings = content["configurations"][configuration]
    architecture = settings["architecture"]["arch_kwargs"]
    architecture["features_per_stage"] = [8] * len(architecture["features_per_stage"])
    settings["batch_size"] = 2
    plans.write_text(json.dumps(content))
    environment["nnUNet_n_proc_DA"] = "0"
    printed = run("nnUNetv2_train", "1", configuration, "0", "-tr", "Short", "-device", "cpu")
    assert "Mean Validation Dice" in printed
    folders = ["-i", f"{tmp_path}/raw/Dataset001_Tiny/imagesTs", "-o", f"{tmp_path}/predictions"]
    options = ["-d", "1", "-c", configuration, "-f", "0", "-tr", "Short", "-device", "cpu", "--disable_tta"]
    run("nnUNetv2_predict", *folders, *options, "-npp", "1", "-nps", "1")
    prediction = np.asarray(nib.load(tmp_path / "predictions" / "t.nii.gz").dataobj)
    assert prediction.shape[:ndim] == ((96, 80) if ndim == 2 else (40, 48, 44))
    assert set(np.unique(prediction)) <= {0, 1, 2}
