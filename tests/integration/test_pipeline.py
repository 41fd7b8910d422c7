"""The usual pipeline of MONAI for volumes, on NIfTI files with voxels that are no cubes and axes that are flipped."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import (
    Compose,
    CropForegroundd,
    EnsureChannelFirstd,
    LoadImaged,
    Orientationd,
    RandAffined,
    RandCropByPosNegLabeld,
    Spacingd,
)
from monai.utils import set_determinism

from monai_topoloss import DiceCESkeletonRecallLoss, PrepareBatchSkeleton, TubedSkeletonized, tubed_skeleton
from monai_topoloss.datasets import synthetic_vessels

AFFINE = np.diag([-0.8, 0.9, -1.7, 1.0])
AFFINE[:3, 3] = 30, -20, 10
SKELETON = "skeleton_label"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An image, its label with two classes, and the label's tubed skeleton, in files."""
    folder = tmp_path_factory.mktemp("volumes")
    image, label = synthetic_vessels((56, 48, 32), seed=3, num_trees=2)
    paths = {}
    for name, array in (("image", image[0]), ("label", label[0]), (SKELETON, tubed_skeleton(label[0]))):
        paths[name] = str(folder / f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(array, AFFINE), paths[name])
    return paths


def make_pipeline(where, *, lazy):
    """All steps, and the skeleton made where it is asked for, or taken from its file."""
    keys = ["image", "label", *[SKELETON] * (where == "file")]

    def modes():
        return ["bilinear" if key == "image" else "nearest" for key in keys]

    steps = []

    def skeletonize_at(place):
        if where == place:
            steps.append(TubedSkeletonized("label"))
            keys.append(SKELETON)

    steps += [LoadImaged(keys), EnsureChannelFirstd(keys)]
    skeletonize_at("before")
    steps += [Orientationd(keys, axcodes="RAS", labels=None), Spacingd(keys, pixdim=(1, 1, 1), mode=modes())]
    skeletonize_at("between")
    steps += [
        CropForegroundd(keys, source_key="label", margin=4, allow_smaller=True),
        RandCropByPosNegLabeld(keys, label_key="label", spatial_size=(32, 32, 32), pos=3, neg=1, num_samples=2),
        RandAffined(
            keys, prob=1, rotate_range=(0.4, 0.4, 0.4), scale_range=(0.1, 0.1, 0.1), mode=modes(), padding_mode="zeros"
        ),
    ]
    skeletonize_at("after")
    overrides = {key: {"mode": "nearest"} for key in keys if key != "image"}
    return Compose(steps, lazy=True, overrides=overrides) if lazy else Compose(steps)


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("where", ["before", "between", "after", "file"])
def test_skeletons_go_through_all_of_it(files, where, lazy):
    set_determinism(0)
    loaded = {key: files[key] for key in ("image", "label", *[SKELETON] * (where == "file"))}
    items = make_pipeline(where, lazy=lazy)(loaded)
    set_determinism(None)
    assert len(items) == 2
    for item in items:
        image, label, skeleton = (item[key] for key in ("image", "label", SKELETON))
        assert image.shape == label.shape == skeleton.shape == (1, 32, 32, 32)
        assert isinstance(skeleton, MetaTensor)
        torch.testing.assert_close(skeleton.affine, label.affine)
        found = skeleton != 0
        assert found.sum() > 50
        assert (skeleton[found] == label[found]).float().mean() > 0.99
    batch = {key: torch.stack([item[key].as_tensor() for item in items]) for key in ("image", "label", SKELETON)}
    image, target = PrepareBatchSkeleton()(batch)
    logits = torch.zeros(2, 3, *image.shape[2:], requires_grad=True)
    loss = DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=True)(logits, target)
    loss.backward()
    assert 0 < loss < 3
    assert logits.grad.isfinite().all()
