"""Files to evaluate, and the command on them."""

from __future__ import annotations

import csv

import nibabel as nib
import numpy as np
import tifffile
import torch
from PIL import Image

from monai_topoloss.cli import main

AFFINE = np.diag([0.5, 0.5, 2.0, 1.0])


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".nii.gz"):
        nib.save(nib.Nifti1Image(array, affine), path)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path)


def make_masks(shape=(40, 50), seed=0):
    pred, label = np.random.default_rng(seed).random((2, *shape)) < 0.3
    return pred.astype(np.uint8), label.astype(np.uint8)


def run_all(tmp_path, *options):
    """Evaluate two folders; return the exit status and the rows of the CSV file."""
    out = tmp_path / "out.csv"
    status = main(
        ["evaluate", "--pred", f"{tmp_path}/pred", "--label", f"{tmp_path}/label", "--csv", f"{out}", *options]
    )
    with out.open(newline="", encoding="utf-8") as file:
        return status, list(csv.DictReader(file))


def run(tmp_path, *options):
    """Evaluate two folders; return the exit status and the rows of the cases in the CSV file."""
    status, rows = run_all(tmp_path, *options)
    return status, [row for row in rows if row["case"] not in ("mean", "sd")]


def as_batch(*arrays):
    return [torch.from_numpy(np.ascontiguousarray(array))[None, None].float() for array in arrays]
