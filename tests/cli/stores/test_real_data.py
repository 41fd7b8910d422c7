"""Real labels, as stores of OME-Zarr and as files: the command line says the same of both."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import zarr

from monai_topoloss.cli import main
from tests.cli.stores.stores import save_ome
from tests.cli.stores.test_cases import evaluate

OPTIONS = {
    "vesselexpress_patch": ["--metrics", "dice", "cldice", "betti", "splits", "merges", "voi", "are", "f1"],
    "pinky40_neurites": ["--metrics", "voi", "are", "f1", "pq", "--instances"],
}


def damage(label):
    """Return a prediction with a gap, and of instances with some that are merged."""
    prediction = label.copy()
    prediction[40:44] = 0
    ids = np.unique(label)[1:]
    for one, other in zip(ids[::9], ids[1::9], strict=False):
        prediction[prediction == other] = one
    return prediction


@pytest.mark.parametrize("name", OPTIONS)
def test_stores_have_the_scores_and_skeletons_of_files(tmp_path, real_data, name):
    (path,) = (real_data / name / "labels").iterdir()
    image = nib.load(path)
    label = np.asarray(image.dataobj)[:128, :128, :128]
    for kind, array in (("pred", damage(label)), ("label", label)):
        nib.save(nib.Nifti1Image(array, image.affine), tmp_path / f"{kind}.nii.gz")
        save_ome(tmp_path / f"{kind}.ome.zarr", np.ascontiguousarray(array.T), (32, 32, 32))
    status, rows = evaluate(tmp_path, "pred.ome.zarr", "label.ome.zarr", *OPTIONS[name], "--chunks", 64)
    assert (status, rows) == evaluate(tmp_path, "pred.nii.gz", "label.nii.gz", *OPTIONS[name])
    assert status == 0
    lines = tmp_path / "label.ome.zarr" / "labels" / "lines"
    assert main(["skeletonize", f"{tmp_path}/label.ome.zarr", f"{lines}", "--radius", "1", "--chunks", "64"]) == 0
    assert main(["skeletonize", f"{tmp_path}/label.nii.gz", f"{tmp_path}/lines.nii.gz", "--radius", "1"]) == 0
    expected = np.asarray(nib.load(tmp_path / "lines.nii.gz").dataobj)
    np.testing.assert_array_equal(zarr.open_array(str(lines / "0"), mode="r")[:].T, expected)
    assert 0 < np.count_nonzero(expected) < np.count_nonzero(label)
