from __future__ import annotations

import sys

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name

from monai_topoloss.cli.files import read_label, write_label

SUFFIXES = [".mha", ".mhd", ".nrrd", ".nhdr"]


def make_image(shape=(4, 5, 6), dtype=np.int16):
    """Return an image whose axes are turned, and its array, x first."""
    array = np.random.default_rng(0).integers(0, 3, shape).astype(dtype)
    image = sitk.GetImageFromArray(array.T.copy())
    image.SetSpacing([0.5, 0.6, 2.0][: len(shape)])
    image.SetOrigin([-7.0, 8.5, 9.0][: len(shape)])
    cos, sin = np.cos(0.3), np.sin(0.3)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, -1]])[: len(shape), : len(shape)]
    image.SetDirection(turn.ravel().tolist())
    return image, array


def check_same_place(image, other):
    np.testing.assert_allclose(image.GetSpacing(), other.GetSpacing())
    np.testing.assert_allclose(image.GetOrigin(), other.GetOrigin())
    np.testing.assert_allclose(image.GetDirection(), other.GetDirection())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_arrays_and_affines_are_those_of_nifti(tmp_path, suffix):
    image, array = make_image()
    sitk.WriteImage(image, f"{tmp_path}/a{suffix}")
    sitk.WriteImage(image, f"{tmp_path}/a.nii.gz")
    label = read_label(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(label, array)
    np.testing.assert_array_equal(label, read_label(tmp_path / "a.nii.gz"))
    np.testing.assert_allclose(label.affine, nib.load(tmp_path / "a.nii.gz").affine, atol=1e-5)
    np.testing.assert_array_equal(label.affine, label.meta["original_affine"])
    assert label.meta["dtype"] == "<i2"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6), (4, 5, 1)])
def test_written_files_keep_place_and_dtype(tmp_path, suffix, shape):
    image, array = make_image(shape)
    sitk.WriteImage(image, f"{tmp_path}/a{suffix}")
    label = read_label(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(label, array.reshape(label.shape))
    write_label(label.numpy(), tmp_path / f"b{suffix}", tmp_path / f"a{suffix}")
    written = sitk.ReadImage(f"{tmp_path}/b{suffix}")
    check_same_place(written, image)
    assert written.GetPixelID() == image.GetPixelID()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written).T, array)


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 5, 1)])
def test_the_place_is_kept_from_and_to_nifti(tmp_path, shape):
    image, _ = make_image(shape)
    sitk.WriteImage(image, f"{tmp_path}/a.mha")
    label = read_label(tmp_path / "a.mha")
    write_label(label.numpy(), tmp_path / "b.nii.gz", tmp_path / "a.mha", label.affine.numpy())
    np.testing.assert_allclose(nib.load(tmp_path / "b.nii.gz").affine, label.affine, atol=1e-5)
    other = read_label(tmp_path / "b.nii.gz")
    write_label(other.numpy(), tmp_path / "c.nrrd", tmp_path / "b.nii.gz", other.affine.numpy())
    written = sitk.ReadImage(f"{tmp_path}/c.nrrd")
    np.testing.assert_allclose(written.GetSpacing(), image.GetSpacing(), atol=1e-5)
    np.testing.assert_allclose(written.GetOrigin(), image.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(written.GetDirection(), image.GetDirection(), atol=1e-5)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(image))


def test_bits_without_a_place(tmp_path):
    mask = np.random.default_rng(0).random((4, 5)) < 0.5
    write_label(mask, tmp_path / "a.mha", tmp_path / "a.png")
    label = read_label(tmp_path / "a.mha")
    np.testing.assert_array_equal(label, mask)
    np.testing.assert_array_equal(label.affine, np.diag([-1, -1, 1, 1]))


def test_channels(tmp_path):
    _, array = make_image(dtype=np.uint8)
    for name, other in (("a", array), ("b", 0 * array)):
        channels = np.stack([array, array, other], axis=-1)
        sitk.WriteImage(
            sitk.GetImageFromArray(channels.transpose(2, 1, 0, 3).copy(), isVector=True), f"{tmp_path}/{name}.nrrd"
        )
    np.testing.assert_array_equal(read_label(tmp_path / "a.nrrd"), array)
    with pytest.raises(ValueError, match="3 channels that differ"):
        read_label(tmp_path / "b.nrrd")


def test_more_axes_are_refused(tmp_path):
    sitk.WriteImage(sitk.JoinSeries([make_image()[0]] * 2), f"{tmp_path}/a.nrrd")
    with pytest.raises(ValueError, match=r"got shape \(4, 5, 6, 2\)"):
        read_label(tmp_path / "a.nrrd")


def test_data_of_another_header_are_not_overwritten(tmp_path):
    image, _ = make_image()
    sitk.WriteImage(image, f"{tmp_path}/a.mhd")
    data = (tmp_path / "a.raw").rename(tmp_path / "b.raw")
    other = (tmp_path / "a.mhd").read_text().replace("a.raw", "b.raw")
    (tmp_path / "a.mhd").write_text(other.replace("CompressedData = True", "CompressedData = False"))
    label = read_label(tmp_path / "a.mhd")
    data.rename(tmp_path / "b.zraw")  # what compressed data of b.mhd are called
    with pytest.raises(FileExistsError, match=r"b\.zraw is there, but is not of b\.mhd"):
        write_label(label.numpy(), tmp_path / "b.mhd", tmp_path / "a.mhd")
    assert (tmp_path / "b.zraw").stat().st_size == label.numel() * 2
    assert not (tmp_path / "b.mhd").exists()


@pytest.mark.parametrize(
    ("name", "package"), [("a.mha", "SimpleITK"), ("a.nrrd", "SimpleITK"), ("a.nii.gz", "nibabel")]
)
def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        RuntimeError, match=rf'it takes {package}, which `pip install "monai-topoloss\[cli\]"` installs'
    ):
        read_label(tmp_path / name)
