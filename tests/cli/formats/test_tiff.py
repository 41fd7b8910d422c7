from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from monai_topoloss.cli.files import read_label, write_label


def make(shape, high=3, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


def pages_one_by_one(path, stack, **options):
    with tifffile.TiffWriter(path) as writer:
        for plane in stack:
            writer.write(plane, **options)


def pages_appended(path, stack, **options):
    for plane in stack:
        tifffile.imwrite(path, plane, append=True, **options)


@pytest.mark.parametrize("write", [pages_one_by_one, pages_appended])
@pytest.mark.parametrize("options", [{}, {"metadata": None}, {"compression": "zlib"}, {"contiguous": True}])
def test_stacks_written_page_by_page(tmp_path, write, options):
    stack = make((7, 5, 6))
    write(tmp_path / "a.tif", stack, **options)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), stack.T)


def test_pages_of_one_slice_each(tmp_path):
    stack = make((7, 5, 6))
    pages_one_by_one(tmp_path / "a.tif", stack[:, None])
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), stack.T)
    tifffile.imwrite(tmp_path / "b.tif", stack[:1, None])
    np.testing.assert_array_equal(read_label(tmp_path / "b.tif"), stack[0].T)


def test_pages_of_grey_colours(tmp_path):
    stack = make((7, 5, 6))
    pages_one_by_one(tmp_path / "a.tif", np.stack([stack] * 3, axis=-1), photometric="rgb")
    pages_one_by_one(tmp_path / "b.tif", np.stack([stack] * 3, axis=1), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), stack.T)
    np.testing.assert_array_equal(read_label(tmp_path / "b.tif"), stack.T)


@pytest.mark.parametrize("odd", [make((5, 7)), make((5, 6), dtype=np.uint16), make((5, 6)).astype(bool)])
def test_pages_that_differ_are_no_stack(tmp_path, odd):
    pages_one_by_one(tmp_path / "a.tif", [make((5, 6)), make((5, 6)), odd])
    with pytest.raises(ValueError, match=r"no stack, as they differ: \(5, 6\) uint8, \(5, 6\) uint8"):
        read_label(tmp_path / "a.tif")


def test_stacks_that_lost_their_end_are_refused(tmp_path):
    """Cut off where a page ended, at which readers stop without an error."""
    pages_one_by_one(tmp_path / "a.tif", make((7, 5, 6)))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        end = file.pages[4].offset
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:end])
    with pytest.raises(ValueError, match=r"it is broken: .* invalid page offset"):
        read_label(tmp_path / "a.tif")


def test_what_tifffile_warns_of_is_said_of_the_file(tmp_path, capsys):
    stack = make((7, 5, 6))
    tifffile.imwrite(tmp_path / "a.tif", stack, metadata=None, description="ImageJ=1\nimages=9\nslices=9\n")
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), stack.T)
    assert f"warning: {tmp_path}/a.tif: <tifffile.TiffFile 'a.tif'>" in capsys.readouterr().err


def test_pages_that_metadata_do_not_count_are_not_lost(tmp_path):
    description = "ImageJ=1\nimages=7\nslices=4\nhyperstack=true\n"
    tifffile.imwrite(tmp_path / "a.tif", make((7, 5, 6)), metadata=None, description=description)
    with pytest.raises(ValueError, match="it holds 7 pages, but says what 4 are"):
        read_label(tmp_path / "a.tif")


def test_volumes_one_after_the_other_are_no_volume(tmp_path):
    pages_one_by_one(tmp_path / "a.tif", make((2, 7, 5, 6)))
    with pytest.raises(ValueError, match=r"got shape \(6, 5, 7, 2\)"):
        read_label(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_pyramids_give_their_full_resolution(tmp_path, name):
    stack = make((7, 16, 18))
    with tifffile.TiffWriter(tmp_path / name) as writer:
        writer.write(stack, subifds=1, metadata={"axes": "ZYX"})
        writer.write(stack[:, ::2, ::2], subfiletype=1)
    np.testing.assert_array_equal(read_label(tmp_path / name), stack.T)


def test_pyramids_in_pages_give_their_full_resolution(tmp_path):
    image = make((16, 18))
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for step in (1, 2, 4):
            writer.write(image[::step, ::step], subfiletype=int(step > 1), metadata=None)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), image.T)


@pytest.mark.parametrize(("name", "imagej"), [("a.tif", False), ("a.tif", True), ("a.ome.tif", False)])
@pytest.mark.parametrize(("axes", "meaning"), [("CYX", "channels"), ("TYX", "times"), ("ZYX", "")])
def test_axes_that_are_not_of_space_are_refused(tmp_path, name, imagej, axes, meaning):
    stack = make((7, 5, 6))
    tifffile.imwrite(tmp_path / name, stack, imagej=imagej, metadata={"axes": axes})
    if meaning:
        with pytest.raises(ValueError, match=rf"got axes {axes} of shape \(7, 5, 6\), 7 {meaning}"):
            read_label(tmp_path / name)
    else:
        np.testing.assert_array_equal(read_label(tmp_path / name), stack.T)


@pytest.mark.parametrize("axes", ["ZCYX", "TZYX", "TCYX"])
def test_more_than_a_volume_is_refused(tmp_path, axes):
    tifffile.imwrite(tmp_path / "a.tif", make((2, 7, 5, 6)), imagej=True, metadata={"axes": axes})
    with pytest.raises(ValueError, match=f"got axes {axes}"):
        read_label(tmp_path / "a.tif")


def test_bits_whose_0_is_white_mean_what_their_png_means(tmp_path, capsys):
    mask = make((3, 11, 13), 2).astype(bool)
    pages_one_by_one(tmp_path / "a.tif", ~mask, photometric="miniswhite", metadata=None)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), mask.T)
    assert not capsys.readouterr().err
    with Image.open(tmp_path / "a.tif") as image:
        image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label(tmp_path / "a.png"), mask[0].T)
    tifffile.imwrite(tmp_path / "b.tif", ~mask, photometric="minisblack")
    np.testing.assert_array_equal(read_label(tmp_path / "b.tif"), ~mask.T)


def test_bits_that_tifffile_writes_by_default_are_mentioned(tmp_path, capsys):
    mask = make((11, 13), 2).astype(bool)
    tifffile.imwrite(tmp_path / "a.tif", mask)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), ~mask.T)
    assert f"warning: {tmp_path}/a.tif: 0 is white in it, so foreground" in capsys.readouterr().err


def test_bytes_whose_0_is_white_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", make((5, 6)), photometric="miniswhite")
    with pytest.raises(ValueError, match="0 is white in its 8 bits"):
        read_label(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["zstd", "lzw", "zlib", "packbits"])
@pytest.mark.parametrize("has_imagecodecs", [True, False])
def test_compressions(tmp_path, monkeypatch, compression, has_imagecodecs):
    """Without imagecodecs, Pillow knows some."""
    stack = make((7, 5, 6))
    tifffile.imwrite(tmp_path / "a.tif", stack, compression=compression)
    if not has_imagecodecs:
        without_imagecodecs(monkeypatch)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), stack.T)


def without_imagecodecs(monkeypatch):
    """Import tifffile anew, as if there were no imagecodecs."""
    for name in [name for name in sys.modules if name.startswith(("tifffile", "imagecodecs"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *_: None if name == "imagecodecs" else find_spec(name)
    )


def test_what_no_reader_knows_says_what_each_says(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", make((16, 16)), compression="jpegxl")
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif").shape, (16, 16))
    without_imagecodecs(monkeypatch)
    with pytest.raises(ValueError, match=r"JPEGXL.*; .*; `pip install \"monai-topoloss\[cli\]\"` installs imagecodecs"):
        read_label(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"not a TIFF file.*; cannot identify image file"):
        read_label(tmp_path / "b.tif")


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency(tmp_path, channels):
    mask = 255 * make((9, 11), 2)
    colours = [mask] * (channels - 1)
    kind = "rgb" if channels == 4 else "minisblack"

    def read(*planes, extra="unassalpha"):
        image = np.stack(planes, axis=-1)
        tifffile.imwrite(tmp_path / "a.tif", image, photometric=kind, planarconfig="contig", extrasamples=[extra])
        return read_label(tmp_path / "a.tif")

    np.testing.assert_array_equal(read(*colours, np.full_like(mask, 255)), mask.T)
    np.testing.assert_array_equal(read(*colours, mask), mask.T)
    np.testing.assert_array_equal(read(*colours, np.full_like(mask, 7), extra="unspecified"), mask.T)
    for value in (0, 255):
        with pytest.raises(ValueError, match="its transparency shows a mask"):
            read(*np.full_like(colours, value), mask)
    with pytest.raises(ValueError, match="channels that differ"):
        read(*colours, 255 - mask, extra="unspecified")


def test_palettes(tmp_path):
    indices = make((9, 11), 2)
    for name, first, second in (("a", 0, 65535), ("b", 65535, 0)):
        colours = np.zeros((3, 256), np.uint16)
        colours[:, :2] = first, second
        tifffile.imwrite(tmp_path / f"{name}.tif", indices, photometric="palette", colormap=colours)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), indices.T)
    with pytest.raises(ValueError, match="its palette shows 0 in a colour and 1 in black"):
        read_label(tmp_path / "b.tif")


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int32, np.float32])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 4), (3, 5, 6), (6, 5, 3)])
def test_written_files_are_read_as_they_were(tmp_path, name, dtype, shape):
    array = make(shape, 2, dtype)
    write_label(array, tmp_path / name, tmp_path / "source.tif")
    label = read_label(tmp_path / name)
    np.testing.assert_array_equal(label, array)
    assert label.meta["dtype"] == np.dtype(dtype).str
    with tifffile.TiffFile(tmp_path / name) as file:
        assert file.series[0].axes == "ZYX"[-len(shape) :]
