from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import LoadImage

from monai_topoloss.cli.files import read_label, write_label

AFFINE = np.array([[0, -0.5, 0, 1], [0.5, 0, 0, 2], [0, 0, 2.0, 3], [0, 0, 0, 1]])


def make(shape, high=3, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


def save_scaled(path, raw, slope, inter=0.0):
    image = nib.Nifti1Image(raw, AFFINE)
    image.header.set_slope_inter(slope, inter)
    nib.save(image, path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_arrays_and_affines_are_those_of_monai(tmp_path, name):
    volume = make((4, 5, 6), dtype=np.int16)
    nib.save(nib.Nifti1Image(volume, AFFINE), tmp_path / name)
    label, expected = read_label(tmp_path / name), LoadImage(dtype=None)(tmp_path / name)
    np.testing.assert_array_equal(label, expected)
    np.testing.assert_array_equal(label.affine, expected.affine)
    np.testing.assert_array_equal(label.meta["original_affine"], expected.meta["original_affine"])


def test_colours(tmp_path):
    def read(*channels):
        names = "RGBA"[: len(channels)]
        array = np.empty(channels[0].shape, [(name, np.uint8) for name in names])
        for name, channel in zip(names, channels, strict=True):
            array[name] = channel
        nib.save(nib.Nifti1Image(array, AFFINE), tmp_path / "a.nii.gz")
        return read_label(tmp_path / "a.nii.gz")

    mask = 255 * make((4, 5, 6), 2)
    np.testing.assert_array_equal(read(mask, mask, mask), mask)
    np.testing.assert_array_equal(read(mask, mask, mask, np.full_like(mask, 255)), mask)
    with pytest.raises(ValueError, match="one of 3 channels that differ"):
        read(mask, mask, 0 * mask)
    with pytest.raises(ValueError, match="its transparency shows a mask"):
        read(0 * mask, 0 * mask, 0 * mask, mask)


def test_colours_are_written_as_their_values(tmp_path):
    mask = 255 * make((4, 5, 6), 2)
    array = np.empty(mask.shape, [(name, np.uint8) for name in "RGB"])
    for name in "RGB":
        array[name] = mask
    nib.save(nib.Nifti1Image(array, AFFINE), tmp_path / "a.nii.gz")
    write_label(mask, tmp_path / "b.nii.gz", tmp_path / "a.nii.gz")
    written = nib.load(tmp_path / "b.nii.gz")
    assert written.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asanyarray(written.dataobj), mask)


def test_whole_numbers_that_a_scale_shifted(tmp_path):
    """As nibabel saves floats 0, 1, 2 in bytes: 1 becomes 1.004."""
    volume = make((4, 5, 6))
    image = nib.Nifti1Image(volume.astype(np.float32), AFFINE)
    image.header.set_data_dtype(np.uint8)
    nib.save(image, tmp_path / "a.nii.gz")
    assert np.abs(nib.load(tmp_path / "a.nii.gz").get_fdata() - volume).max() > 0.003
    label = read_label(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(label, volume)
    assert label.meta["dtype"] == "|u1"
    save_scaled(tmp_path / "b.nii.gz", np.array([[[0, 127, 255]]], np.uint8), 2 / 255)  # 1 as 0.996
    np.testing.assert_array_equal(read_label(tmp_path / "b.nii.gz"), [[[0, 1, 2]]])
    save_scaled(tmp_path / "c.nii.gz", np.array([[[-128, 0, 127]]], np.int8), 2 / 255, 256 / 255)
    np.testing.assert_array_equal(read_label(tmp_path / "c.nii.gz"), [[[0, 1, 2]]])


@pytest.mark.parametrize(("raw", "slope", "value"), [(255, 1 / 256, "0.9961"), (1, 0.5, "0.5"), (3, 1.1, "3.3")])
def test_scales_that_do_not_give_whole_numbers_are_named(tmp_path, raw, slope, value):
    save_scaled(tmp_path / "a.nii.gz", np.full((4, 5, 6), raw, np.uint8), slope)
    message = rf"got {value}, as scl_slope in its header multiplies uint8 with {slope:.4g}; make a label of it first"
    with pytest.raises(ValueError, match=message):
        read_label(tmp_path / "a.nii.gz")


def test_the_dtype_of_the_header_follows_the_values(tmp_path):
    """Whole numbers that the dtype in the file holds only with its scale."""
    save_scaled(tmp_path / "a.nii.gz", make((4, 5, 6)), 500)
    label = read_label(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(label, 500.0 * make((4, 5, 6)))
    write_label(label.numpy(), tmp_path / "b.nii.gz", tmp_path / "a.nii.gz")
    written = nib.load(tmp_path / "b.nii.gz")
    assert written.get_data_dtype() == np.float64
    assert written.dataobj.slope == 1
    np.testing.assert_array_equal(written.get_fdata(), label)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint16, np.int64, np.float32])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 4)])
def test_written_files_are_read_as_they_were(tmp_path, dtype, shape):
    array = make(shape, 2, dtype)
    write_label(array, tmp_path / "a.nii.gz", tmp_path / "source.tif")
    label = read_label(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(label, array)
    assert label.meta["dtype"] == np.dtype(np.uint8 if dtype is bool else dtype).str
    np.testing.assert_array_equal(label.affine, np.eye(4))


def test_the_second_version_stays(tmp_path):
    nib.save(nib.Nifti2Image(make((4, 5, 6)), AFFINE), tmp_path / "a.nii")
    write_label(make((4, 5, 6)), tmp_path / "b.nii", tmp_path / "a.nii")
    assert isinstance(nib.load(tmp_path / "b.nii"), nib.Nifti2Image)
