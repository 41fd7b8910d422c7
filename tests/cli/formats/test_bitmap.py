from __future__ import annotations

import numpy as np
import pytest
import tifffile
from monai.transforms import LoadImage
from PIL import Image
from scipy import ndimage

from monai_topoloss.cli.files import read_label, write_label


def make(shape, high=3, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


def blobs(shape=(120, 130)):
    """Return a mask with round edges."""
    return ndimage.gaussian_filter(np.random.default_rng(0).random(shape), 5) > 0.5


def circles(thickness=2):
    """Return concentric circles with an id each, of which 255 are too many for some."""
    y, x = np.mgrid[-600:601, -600:601]
    ids = np.floor(np.hypot(x, y) / thickness)
    return np.where((ids % 2 == 0) & (ids < 512), ids // 2, 0).astype(np.uint8)


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [(".png", bool), (".png", np.uint8), (".png", np.uint16), (".bmp", bool), (".bmp", np.uint8)],
)
def test_axes_are_as_in_monai(tmp_path, suffix, dtype):
    image = make((5, 6), 2 if dtype is bool else 200, dtype)
    Image.fromarray(image).save(tmp_path / f"a{suffix}")
    label = read_label(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(label, LoadImage(dtype=None)(tmp_path / f"a{suffix}"))
    np.testing.assert_array_equal(label, image.T)
    assert label.meta["dtype"] == np.dtype(dtype).str


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency(tmp_path, channels):
    mask = 255 * make((9, 11), 2)
    colours = [mask] * (channels - 1)

    def read(*planes):
        Image.fromarray(np.stack(planes, axis=-1)).save(tmp_path / "a.png")
        return read_label(tmp_path / "a.png")

    np.testing.assert_array_equal(read(*colours, np.full_like(mask, 255)), mask.T)
    np.testing.assert_array_equal(read(*colours, np.zeros_like(mask)), mask.T)
    np.testing.assert_array_equal(read(*colours, mask), mask.T)
    for value in (0, 255):
        with pytest.raises(ValueError, match="its transparency shows a mask that its colours do not"):
            read(*np.full_like(colours, value), mask)
    with pytest.raises(ValueError, match="its transparency shows a mask that its colours do not"):
        read(*colours, 255 - mask)  # black on nothing


def test_palettes(tmp_path):
    indices = make((9, 11), 3)
    for name, palette in (("a", [0, 0, 0, 255, 255, 255, 9, 0, 0]), ("b", [255, 255, 255, 9, 0, 0, 0, 0, 0])):
        image = Image.new("P", indices.shape[::-1])
        image.putdata(indices.ravel().tolist())
        image.putpalette(palette)
        image.save(tmp_path / f"{name}.png")
    np.testing.assert_array_equal(read_label(tmp_path / "a.png"), indices.T)
    with pytest.raises(ValueError, match="its palette shows 0 in a colour and 2 in black"):
        read_label(tmp_path / "b.png")


def test_animations_are_refused(tmp_path):
    frames = [Image.fromarray(frame) for frame in make((2, 9, 11))]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="it holds an animation"):
        read_label(tmp_path / "a.png")


def is_noted(folder, image, capsys):
    """Say whether each format of images is noted, and named."""
    noted = set()
    for suffix in (".png", ".bmp", ".tif"):
        path = folder / f"a{suffix}"
        if suffix == ".tif":
            tifffile.imwrite(path, image, photometric="minisblack")
        else:
            Image.fromarray(image).save(path)
        read_label(path)
        noted.add(f"warning: {path}: 0, 255 and " in capsys.readouterr().err)
    (result,) = noted
    return result


@pytest.mark.parametrize("sigma", [0.7, 1.5, 3])
def test_smoothed_masks_are_noted(tmp_path, capsys, sigma):
    assert is_noted(tmp_path, ndimage.gaussian_filter(255 * blobs().astype(np.uint8), sigma), capsys)


@pytest.mark.parametrize("resample", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("size", [(77, 55), (260, 240), (300, 310)])
def test_resampled_masks_are_noted(tmp_path, capsys, resample, size):
    image = Image.fromarray(255 * blobs().astype(np.uint8)).resize(size, resample)
    assert is_noted(tmp_path, np.asarray(image), capsys)


def test_a_few_even_spots_are_no_objects(tmp_path, capsys):
    image = ndimage.gaussian_filter(255 * blobs((500, 500)).astype(np.float32), 8).round().astype(np.uint8)
    image[:50, :50], image[-50:, -50:] = 0, 255
    assert is_noted(tmp_path, image, capsys)


def test_thin_lines_that_were_resampled_are_noted(tmp_path, capsys):
    lines = 255 * (circles() > 0).astype(np.uint8)[300:900, 300:900]
    image = Image.fromarray(lines).resize((700, 710), Image.Resampling.BILINEAR)
    assert is_noted(tmp_path, np.asarray(image), capsys)


def test_label_maps_are_not_noted(tmp_path, capsys):
    ids = ndimage.label(ndimage.gaussian_filter(np.random.default_rng(0).random((300, 300)), 2) > 0.52)[0]
    assert ids.max() > 100
    instances = np.where(ids == 1, 255, ids % 255).astype(np.uint8)
    assert not is_noted(tmp_path, instances, capsys)
    assert not is_noted(tmp_path, 255 * blobs().astype(np.uint8), capsys)
    assert not is_noted(tmp_path, circles(thickness=2), capsys)
    classes = np.kron(make((9, 9), 30), np.ones((8, 8), np.uint8))
    classes[::10, ::10] = 255  # as what is to be ignored
    assert not is_noted(tmp_path, classes, capsys)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int16, np.int64, np.float32])
def test_written_files_are_read_as_they_were(tmp_path, dtype):
    array = make((5, 6), 2, dtype)
    for suffix in (".png", ".bmp"):
        write_label(array, tmp_path / f"a{suffix}", tmp_path / "source.tif")
        np.testing.assert_array_equal(read_label(tmp_path / f"a{suffix}"), array)


def test_values_that_do_not_fit_are_refused(tmp_path):
    array = np.full((5, 6), 300)
    write_label(array, tmp_path / "a.png", tmp_path / "source.tif")
    np.testing.assert_array_equal(read_label(tmp_path / "a.png"), array)
    with pytest.raises(ValueError, match=r"\.bmp cannot hold int64 from 300 to 300"):
        write_label(array, tmp_path / "a.bmp", tmp_path / "source.tif")
    for value in (-1, 70000):
        with pytest.raises(ValueError, match=rf"\.png cannot hold int64 from {value} to {value}, take \.tif"):
            write_label(np.full((5, 6), value), tmp_path / "b.png", tmp_path / "source.tif")
    assert not (tmp_path / "b.png").exists()
