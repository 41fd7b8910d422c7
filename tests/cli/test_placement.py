"""Predictions whose axes run otherwise than those of the label."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
from nibabel.orientations import apply_orientation, inv_ornt_aff

from monai_topoloss.cli.placement import bring_together
from tests.cli.runs import AFFINE, make_masks, run, save

METRICS = ("--metrics", "dice", "cldice", "betti", "splits", "merges")
SHAPE = (9, 12, 15)
OBLIQUE = np.array([[0.48, -0.14, 0, 3], [0.14, 0.48, 0, -7], [0, 0, 2, 11], [0, 0, 0, 1]])


def turn(array, affine, axes, flips):
    """Give a volume other axes, at the same place in space."""
    steps = np.stack([axes, flips], axis=1)
    return apply_orientation(array, steps), affine @ inv_ornt_aff(steps, array.shape)


@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE], ids=["straight", "oblique"])
def test_any_order_of_axes_gives_the_same_numbers(tmp_path, affine, capsys):
    pred, label = make_masks(SHAPE)
    turns = list(product(permutations(range(3)), product([1, -1], repeat=3)))
    save(tmp_path / "pred" / "00.nii.gz", pred, affine)
    save(tmp_path / "label" / "00.nii.gz", label, affine)
    for number, (axes, flips) in enumerate(turns[1::5], start=1):
        save(tmp_path / "pred" / f"{number:02}.nii.gz", *turn(pred, affine, axes, flips))
        save(tmp_path / "label" / f"{number:02}.nii.gz", label, affine)
    status, (first, *rows) = run(tmp_path, *METRICS)
    assert status == 0
    assert first["note"] == ""
    assert len(rows) == 10
    error = capsys.readouterr().err
    for row in rows:
        assert [row[name] for name in METRICS[1:]] == [first[name] for name in METRICS[1:]]
        assert row["note"].startswith("prediction reoriented from ")
        assert row["note"].endswith(" to RAS")
        assert f"warning: {row['case']}: {row['note']}" in error


def test_the_label_leads(tmp_path):
    """A mirrored label gets the prediction mirrored: the same as both in its axes."""
    pred, label = make_masks(SHAPE)
    save(tmp_path / "pred" / "a.nii.gz", pred)
    save(tmp_path / "label" / "a.nii.gz", *turn(label, AFFINE, (0, 1, 2), (1, -1, -1)))
    save(tmp_path / "pred" / "b.nii.gz", pred[:, ::-1, ::-1])
    save(tmp_path / "label" / "b.nii.gz", label[:, ::-1, ::-1])
    rows = run(tmp_path, *METRICS)[1]
    assert rows[0]["note"] == "prediction reoriented from RAS to RPI"
    assert [rows[0][name] for name in METRICS[1:]] == [rows[1][name] for name in METRICS[1:]]


def test_images(tmp_path):
    pred, label = make_masks((20, 30))
    for name, axes, flips in (("a", (0, 1, 2), (1, 1, 1)), ("b", (0, 1, 2), (-1, 1, 1)), ("c", (1, 0, 2), (1, -1, 1))):
        array, affine = turn(pred[..., None], AFFINE, axes, flips)
        save(tmp_path / "pred" / f"{name}.nii.gz", array, affine)
        save(tmp_path / "label" / f"{name}.nii.gz", label)
    rows = run(tmp_path, *METRICS)[1]
    assert [row["note"] for row in rows] == [
        "",
        "prediction reoriented from LAS to RAS",
        "prediction reoriented from PRS to RAS",
    ]
    assert len({tuple(row[name] for name in METRICS[1:]) for row in rows}) == 1


@pytest.mark.parametrize("strict", [True, False])
def test_a_mirrored_prediction_that_lies_elsewhere(tmp_path, strict, capsys):
    """As written by a program that drops the affine."""
    pred, label = make_masks(SHAPE)
    save(tmp_path / "pred" / "a.nii.gz", pred, np.diag([-0.5, -0.5, 2, 1]))
    save(tmp_path / "label" / "a.nii.gz", label)
    save(tmp_path / "pred" / "b.nii.gz", pred)
    save(tmp_path / "label" / "b.nii.gz", label)
    status, rows = run(tmp_path, *METRICS, *([] if strict else ["--no-strict"]))
    error = capsys.readouterr().err
    if strict:
        assert status == 1
        assert "error: a: Expected a prediction oriented as the label, RAS, got LPS" in error
        assert "--no-strict compares them voxel by voxel" in rows[0]["error"]
    else:
        assert status == 0
        assert rows[0]["note"] == "prediction LPS compared voxel by voxel with label RAS"
        assert f"warning: a: {rows[0]['note']}" in error
        assert [rows[0][name] for name in METRICS[1:]] == [rows[1][name] for name in METRICS[1:]]


def test_a_rotated_prediction(tmp_path):
    pred, label = make_masks(SHAPE)
    save(tmp_path / "pred" / "a.nii.gz", pred, OBLIQUE)
    save(tmp_path / "label" / "a.nii.gz", label, np.diag([0.5, 0.5, 2, 1]))
    status, rows = run(tmp_path)
    assert status == 1
    assert "rotated" in rows[0]["error"]
    assert run(tmp_path, "--no-strict")[0] == 0


def test_axes_that_can_be_swapped_but_give_another_shape(tmp_path):
    pred, label = make_masks(SHAPE)
    save(tmp_path / "pred" / "a.nii.gz", *turn(pred[:8], AFFINE, (1, 0, 2), (1, 1, 1)))
    save(tmp_path / "label" / "a.nii.gz", label)
    for options in ([], ["--no-strict"]):
        status, rows = run(tmp_path, *options)
        assert status == 1
        assert rows[0]["error"]


@pytest.mark.parametrize(
    ("affine", "what"),
    [
        (np.diag([0.5, 0.5, 3.0, 1]), "spacing"),
        (AFFINE + np.eye(4, k=3), "origin"),
        (np.diag([0.5, 0.6, 2.0, 1]) + np.eye(4, k=3), "spacing and origin"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--no-strict"]])
def test_other_spacing_and_origin_are_mentioned(tmp_path, affine, what, options, capsys):
    pred, label = make_masks(SHAPE)
    save(tmp_path / "pred" / "a.nii.gz", pred, affine)
    save(tmp_path / "label" / "a.nii.gz", label)
    status, rows = run(tmp_path, *options)
    assert status == 0
    assert rows[0]["note"] == f"prediction and label have different affines, in {what}"
    output = capsys.readouterr()
    assert f"warning: a: {rows[0]['note']}" in output.err
    assert output.out.splitlines()[2].endswith(rows[0]["note"])


def test_rounding_is_not_mentioned(tmp_path):
    pred, label = make_masks(SHAPE)
    save(tmp_path / "pred" / "a.nii.gz", pred, AFFINE + 1e-5)
    save(tmp_path / "label" / "a.nii.gz", label)
    status, rows = run(tmp_path)
    assert (status, rows[0]["note"]) == (0, "")


@pytest.mark.parametrize("other", ["same", "none"])
def test_files_without_orientation(tmp_path, other):
    """Both codes in the header are 0: the fallback is mirrored, which is nothing to build on."""
    pred, label = make_masks(SHAPE)
    for kind in ("pred", "label"):
        (tmp_path / kind).mkdir()
    nib.save(nib.Nifti1Image(pred, None), tmp_path / "pred" / "a.nii.gz")
    nib.save(nib.Nifti1Image(label, None if other == "same" else AFFINE), tmp_path / "label" / "a.nii.gz")
    status, rows = run(tmp_path)
    assert (status, bool(rows[0]["error"])) == ((0, False) if other == "same" else (1, True))
    assert run(tmp_path, "--no-strict")[0] == 0


@pytest.mark.parametrize("number", [np.nan, np.inf, 0.0])
def test_an_affine_that_cannot_be(number):
    pred, notes = make_masks(SHAPE)[0], []
    options = {"strict": True, "notes": notes, "label_shape": SHAPE}
    assert bring_together(pred, theirs=np.diag([0.5, 0.5, number, 1]), ours=AFFINE, **options) is pred
    assert bring_together(pred, theirs=AFFINE, ours=np.diag([0.5, 0.5, number, 1]), **options) is pred
    assert notes == ["prediction without a valid affine", "label without a valid affine"]


def test_formats_without_affine():
    pred, notes = make_masks(SHAPE)[0], []
    assert bring_together(pred, None, SHAPE, AFFINE, notes, strict=True) is pred
    assert bring_together(pred, AFFINE, SHAPE, None, notes, strict=True) is pred
    assert notes == []


def test_formats_with_other_axes(tmp_path):
    """MetaImage files count to the left and to the back, NIfTI files to the right and to the front."""
    pred, label = make_masks(SHAPE)
    save(tmp_path / "label" / "a.nii.gz", label)
    image = sitk.GetImageFromArray(np.ascontiguousarray(pred[::-1, ::-1].T))
    image.SetSpacing((0.5, 0.5, 2.0))
    image.SetOrigin((-0.5 * (SHAPE[0] - 1), -0.5 * (SHAPE[1] - 1), 0.0))
    (tmp_path / "pred").mkdir()
    sitk.WriteImage(image, str(tmp_path / "pred" / "a.mha"))
    rows = run(tmp_path, *METRICS)[1]
    assert rows[0]["note"] == "prediction reoriented from LPS to RAS"
    save(tmp_path / "pred" / "a.nii.gz", pred)
    (tmp_path / "pred" / "a.mha").unlink()
    assert [run(tmp_path, *METRICS)[1][0][name] for name in METRICS[1:]] == [rows[0][name] for name in METRICS[1:]]
