"""Pictures in 3-D: what is seen where, and files of pictures and scenes."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image
from scipy import ndimage

from monai_topoloss import critical_components
from monai_topoloss.visualize import render_critical, render_skeleton
from monai_topoloss.visualize._stage import aim, check_draws

pytest.importorskip("pyvista", reason="needs pyvista")

SIZE = (120, 160)
FRONT = {"azimuth": -90, "elevation": 0}  # axis 0 to the right, axis 2 up


def bars(shape=(40, 20, 40)):
    """Two bars along axis 0, one above the other, and as predicted: the lower cut, and both joined by a bridge."""
    label = np.zeros(shape, bool)
    label[2:-2, 8:12, 8:12] = label[2:-2, 8:12, 28:32] = True
    prediction = label.copy()
    prediction[10:14, :, 8:12] = False
    prediction[28:32, 8:12, 12:28] = True
    return prediction, label


def hue(picture):
    """Where a picture is vermilion, and where sky blue."""
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    return (red > 120) & (red > 1.7 * green) & (red > 3 * blue), (blue > 120) & (blue > 1.5 * red) & (blue > green + 15)


def coloured(picture):
    """Where something is that is neither white nor grey, as the frame is."""
    return np.ptp(picture.astype(int), axis=2) > 25


def on_screen(place, shape, spacing=(1, 1, 1), size=SIZE, **camera):
    """Row and column where a place is seen."""
    sizes = np.array(spacing, float)
    low, high = -0.5 * sizes, (np.array(shape) - 0.5) * sizes
    shot = aim(low, high, size, **{"azimuth": -60, "elevation": 30, "up": 2, **camera})
    away = np.array(place) * sizes - shot.middle
    across, up = away @ np.cross(shot.towards, shot.upwards), away @ shot.upwards
    return size[0] / 2 - up / shot.pixel, size[1] / 2 + across / shot.pixel


@pytest.mark.parametrize(
    "camera", [FRONT, {"azimuth": -60, "elevation": 30}, {"azimuth": 200, "elevation": -35, "up": 0}]
)
def test_mistakes_are_where_they_belong(camera):
    prediction, label = bars()
    found = critical_components(prediction, label)
    assert (int(found.n_splits), int(found.n_merges)) == (1, 1)
    picture = render_critical(prediction, label, size=SIZE, **camera)
    assert picture.shape == (*SIZE, 3)
    assert picture.dtype == np.uint8
    for seen, mask in zip(hue(picture), (found.splits, found.merges), strict=True):
        assert ndimage.label(seen)[1] == 1
        expected = on_screen(np.argwhere(mask).mean(axis=0), label.shape, **camera)
        assert np.argwhere(seen).mean(axis=0) == pytest.approx(expected, abs=3)


def test_from_the_front():
    """Axis 0 runs to the right and axis 2 up; what is drawn is as large as the mask."""
    prediction, label = bars()
    picture = render_critical(prediction, label, size=SIZE, **FRONT)
    split, merge = hue(picture)
    rows, columns = np.argwhere(split).mean(axis=0)
    assert rows > SIZE[0] / 2  # below the middle
    assert columns < SIZE[1] / 2  # left of it
    pixel = 1.04 * 40 / SIZE[0]
    rows, columns = np.argwhere(merge).T
    assert np.ptp(rows) * pixel == pytest.approx(16, abs=1.5)
    assert np.ptp(columns) * pixel == pytest.approx(4, abs=1.5)
    rows, columns = np.argwhere(coloured(picture)).T
    assert np.ptp(columns) * pixel == pytest.approx(36, abs=1.5)
    assert np.ptp(rows) * pixel == pytest.approx(24, abs=1.5)


def test_what_is_right_has_no_marks():
    _, label = bars()
    picture = render_critical(label, label, size=SIZE)
    assert not any(seen.any() for seen in hue(picture))
    assert coloured(picture).any()
    np.testing.assert_array_equal(picture, render_critical(label, label, size=SIZE))
    assert (picture[0, 0] == 255).all()


def test_surfaces_can_be_seen_through():
    """The label is green, the prediction yellow, and what is behind shows."""
    cube = np.zeros((30, 30, 30), bool)
    cube[5:25, 5:25, 5:25] = True
    half = cube.copy()
    half[:, :, 15:] = False  # which neither splits nor merges
    above = SIZE[0] // 4, SIZE[1] // 2
    red, green, blue = render_critical(half, cube, size=SIZE, **FRONT)[above].astype(int)
    assert green > blue > red + 20
    red, green, blue = render_critical(cube, half, size=SIZE, **FRONT)[above].astype(int)
    assert min(red, green) > blue + 20
    broken = cube.copy()
    broken[:, 13:17] = False
    red, green, blue = render_critical(cube, cube, size=SIZE, **FRONT)[above].astype(int)
    assert green > red + 20
    red, green, blue = render_critical(broken, cube, size=SIZE, **FRONT)[above].astype(int)
    assert red > green > blue  # vermilion, behind green and yellow


@pytest.mark.parametrize("step", [(1, 0, 0), (1, 0, 1), (1, 1, 1), (1, -1, 1), (0, 0, -1), (-1, 0, 1)])
def test_what_is_thin_stays_in_one_piece(step):
    """Lines one voxel thick, whose voxels share faces, edges or corners."""
    line = np.zeros((44, 44, 44), bool)
    for k in range(-18, 19):
        line[tuple(22 + k * np.array(step))] = True
    pictures = [
        render_critical(line, line, size=(300, 300), azimuth=-70, elevation=15),
        render_skeleton(line, size=(300, 300), azimuth=-70, elevation=15),
    ]
    for picture in pictures:
        seen = ndimage.binary_dilation(coloured(picture))
        assert ndimage.label(seen, np.ones((3, 3)))[1] == 1
        ends = [
            on_screen(22 + k * np.array(step), line.shape, size=(300, 300), azimuth=-70, elevation=15)
            for k in (-17, 17)
        ]
        assert all(seen[int(row) - 2 : int(row) + 3, int(column) - 2 : int(column) + 3].any() for row, column in ends)


def test_connectivity():
    """What only shares edges or corners is apart for those who say so."""
    line = np.zeros((24, 6, 24), bool)
    for k in range(8):
        line[3 * k : 3 * k + 3, 3, 2 + k] = True
    for connectivity, count in ((1, 8), (2, 1), (3, 1), (None, 1)):
        picture = render_critical(line, line, connectivity=connectivity, size=(300, 300), **FRONT)
        assert ndimage.label(coloured(picture), np.ones((3, 3)))[1] == count


def test_small_mistakes_are_balls():
    label = np.zeros((200, 12, 12), bool)
    label[:, 6, 6] = True
    prediction = label.copy()
    prediction[100, 6, 6] = False
    split, merge = hue(render_critical(prediction, label, size=(400, 400), **FRONT))
    assert not merge.any()
    rows, columns = np.argwhere(split).T
    assert np.ptp(rows) > 3
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)
    assert (rows.mean(), columns.mean()) == pytest.approx(
        on_screen((100, 6, 6), label.shape, size=(400, 400), **FRONT), abs=2
    )


def test_spacing_is_in_proportion():
    prediction, label = bars()
    heights = {}
    for spacing in (1, (1, 1, 2), (2, 2, 4)):
        picture = render_critical(prediction, label, spacing=spacing, size=(200, 200), **FRONT)
        rows, columns = np.argwhere(coloured(picture)).T
        heights[spacing] = np.ptp(rows) / np.ptp(columns)
    assert heights[1, 1, 2] == pytest.approx(2 * heights[1], rel=0.06)
    assert heights[2, 2, 4] == heights[1, 1, 2]
    affine = torch.diag(torch.tensor([2.0, -2.0, 4.0, 1.0]))
    np.testing.assert_array_equal(
        render_critical(prediction, MetaTensor(label, affine=affine), size=(200, 200), **FRONT), picture
    )
    np.testing.assert_array_equal(
        render_skeleton(MetaTensor(label, affine=affine), size=SIZE),
        render_skeleton(label, spacing=(2, 2, 4), size=SIZE),
    )


def test_volumes_of_many_voxels_are_drawn_in_blocks(monkeypatch):
    """Places stay what they were; no thin line is lost."""
    label = np.zeros((90, 12, 60), bool)
    label[5:85, 5, 7] = label[5:85, 5, 50] = True
    prediction = label.copy()
    prediction[20:29, 5, 50] = False
    pictures = []
    for finest in (256, 30):
        monkeypatch.setattr("monai_topoloss.visualize._surfaces._FINEST", finest)
        pictures.append(render_critical(prediction, label, size=(300, 300), **FRONT))
    for seen in (lambda picture: hue(picture)[0], coloured):
        fine, coarse = (np.argwhere(seen(picture)) for picture in pictures)
        for extreme in (np.min, np.max):
            assert extreme(coarse, axis=0) == pytest.approx(extreme(fine, axis=0), abs=8)


def test_classes():
    label = np.zeros((30, 12, 12), np.uint8)
    label[2:28, 4:8, 4:8] = 1
    prediction = label.copy()
    prediction[12:16, 4:8, 4:8] = 2
    assert not hue(render_critical(prediction, label, size=SIZE, **FRONT))[0].any()
    split, merge = hue(render_critical(prediction, label, num_classes=3, size=SIZE, **FRONT))
    assert split.any() or merge.any()  # it is both, at one place


def test_skeleton():
    label = np.zeros((60, 20, 40), bool)
    label[4:56, 6:14, 16:24] = True
    picture = render_skeleton(label, size=SIZE, **FRONT)
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    seen = np.argwhere((red > green + 15) & (red > blue + 15))
    assert seen[:, 0].mean() == pytest.approx(on_screen((30, 10, 19.5), label.shape, **FRONT)[0], abs=3)
    assert np.ptp(seen[:, 1]) > 3 * np.ptp(seen[:, 0])
    alone = np.zeros((20, 20, 20), bool)
    alone[10, 10, 10] = True
    picture = render_skeleton(alone, size=SIZE, **FRONT)
    assert np.argwhere(hue(picture)[0]).mean(axis=0) == pytest.approx(
        on_screen((10, 10, 10), alone.shape, **FRONT), abs=2
    )


def test_tube():
    label = np.zeros((60, 20, 40), bool)
    label[4:56, 4:16, 14:26] = True
    bare = render_skeleton(label, size=SIZE, **FRONT)
    in_voxels = render_skeleton(label, radius=2, size=SIZE, **FRONT)
    in_units = render_skeleton(label, radius=2.1, units="mm", spacing=1, size=SIZE, **FRONT)
    heights = []
    for picture in (bare, in_voxels, in_units):
        red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
        heights.append(np.ptp(np.argwhere((red > blue + 20) & (red > green))[:, 0]))
    assert heights[0] < heights[1]
    assert heights[0] < heights[2]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 30, 2), (5, 5, 5)])
def test_odd_shapes(shape):
    for mask in (np.zeros(shape, bool), np.ones(shape, bool)):
        for picture in (
            render_critical(mask, ~mask, size=(30, 40), scale_bar=True),
            render_skeleton(mask, radius=1, size=(30, 40)),
        ):
            assert picture.shape == (30, 40, 3)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int64, torch.float32, torch.float16, torch.bfloat16, torch.uint16]
)
def test_dtypes(dtype):
    prediction, label = (torch.from_numpy(mask).to(dtype) for mask in bars())
    expected = render_critical(*bars(), size=(40, 40))
    np.testing.assert_array_equal(render_critical(prediction, label, size=(40, 40)), expected)
    np.testing.assert_array_equal(render_skeleton(label, size=(40, 40)), render_skeleton(bars()[1], size=(40, 40)))


def test_legend_and_scale_bar_are_black_on_white():
    prediction, label = bars()
    bare = render_critical(prediction, label, size=(200, 500))
    full = render_critical(prediction, label, size=(200, 500), legend=True)
    np.testing.assert_array_equal(full[:200], bare)
    strip = full[200:]
    for colour in ((0, 158, 115), (240, 228, 66), (213, 94, 0), (86, 180, 233), (0, 0, 0), (255, 255, 255)):
        assert (strip == colour).all(axis=2).any()
    with_bar = render_critical(prediction, label, size=(200, 500), spacing=2, scale_bar=True, **FRONT)
    drawn = (with_bar == 0).all(axis=2)
    pixel = 1.04 * 80 / 200  # the volume is 80 high
    assert drawn.sum(axis=1).max() == pytest.approx(50 / pixel, abs=1)
    rows, _ = drawn.nonzero()
    assert rows.min() > 150
    assert (render_skeleton(label, radius=1, legend=True, size=SIZE)[SIZE[0] :] == (230, 159, 0)).all(axis=2).any()


def test_pictures_are_written(tmp_path):
    prediction, label = bars()
    picture = render_critical(prediction, label, size=SIZE, legend=True, path=tmp_path / "picture.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "picture.png")), picture)


CUBE = np.zeros((5, 6, 7), bool)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"prediction": CUBE[0]},
            ValueError,
            r"Expected `prediction` to be a volume with 3 axes, .* `critical_overlay`",
        ),
        ({"prediction": CUBE[None]}, ValueError, r"got shape \(1, 5, 6, 7\); .* of channels render one, such as"),
        ({"prediction": CUBE[:0]}, ValueError, r"Expected `prediction` to have voxels, got shape \(0, 6, 7\)"),
        ({"label": CUBE[1:]}, ValueError, "Expected `label` of the shape of `prediction`"),
        ({"prediction": "x"}, TypeError, "Expected `prediction` to be a torch.Tensor"),
        ({"num_classes": 1}, ValueError, "Expected `num_classes` to be at least 2"),
        ({"connectivity": 4}, ValueError, "Expected `connectivity` from 1 to 3"),
        ({"spacing": 0}, ValueError, "Expected `spacing` to be a positive number or 3 of them"),
        ({"size": 100}, TypeError, "Expected `size` to be two ints, height and width, got 100"),
        ({"size": (1, 2, 3)}, TypeError, "Expected `size` to be two ints"),
        ({"size": (1.5, 2)}, TypeError, "Expected `size` to be an int, got float"),
        ({"size": (0, 2)}, ValueError, "Expected `size` to be at least 1"),
        ({"size": (10, 5000)}, ValueError, "Expected `size` to be at most 4096 pixels a side"),
        ({"azimuth": "a"}, TypeError, "Expected `azimuth` to be a number"),
        ({"azimuth": np.inf}, ValueError, "Expected `azimuth` to be finite"),
        ({"elevation": 91}, ValueError, "Expected `elevation` from -90 to 90 degrees, got 91"),
        ({"up": 3}, ValueError, "Expected `up` from -3 to 2, got 3"),
        ({"up": 0.0}, TypeError, "Expected `up` to be an int"),
        ({"unit": 1}, TypeError, "Expected `unit` to be a str"),
        ({"path": 1}, TypeError, "Expected `path` to be a str or path, got int"),
        ({"path": "page.html"}, ValueError, "Expected `path` to end in .png or .glb, got 'page.html'"),
    ],
)
def test_bad_input(change, error, message):
    with pytest.raises(error, match=message):
        render_critical(**{"prediction": CUBE, "label": CUBE, "size": (10, 10), **change})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"label": CUBE[0]},
            ValueError,
            "Expected `label` to be a volume with 3 axes, .* `skeleton_overlay` draws images",
        ),
        ({"radius": 0.5}, TypeError, "Expected `radius` to be an int, a number of voxels"),
        ({"units": "mm"}, ValueError, "Expected `spacing` or a MetaTensor"),
        ({"method": "zhang"}, ValueError, "Expected `method` to be one of 'lee', 'lee_skimage' in 3-D"),
    ],
)
def test_bad_skeletons(change, error, message):
    with pytest.raises(error, match=message):
        render_skeleton(**{"label": CUBE, "size": (10, 10), **change})


def test_without_pyvista(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvista", None)
    for render in (lambda: render_critical(CUBE, CUBE), lambda: render_skeleton(CUBE)):
        with pytest.raises(ImportError, match=r'need PyVista, which `pip install "monai-topoloss\[visualize\]"`'):
            render()


def test_without_opengl(monkeypatch):
    """VTK would end the process."""

    class Window:
        """The last that VTK tries."""

        def GetClassName(self):  # noqa: N802
            return "vtkOSOpenGLRenderWindow"

        def Initialize(self):  # noqa: N802
            pass

        def MakeCurrent(self):  # noqa: N802
            pass

        def IsCurrent(self):  # noqa: N802
            return False

    with pytest.raises(RuntimeError, match=r"need OpenGL and X11's library.*`libegl1` and `libx11-6`"):
        check_draws(Window())
    if sys.platform == "linux":

        def fail(name):
            raise OSError(name)

        monkeypatch.setattr("ctypes.CDLL", fail)
        with pytest.raises(RuntimeError, match="need OpenGL and X11's library"):
            render_skeleton(CUBE)
