"""Scale bars of overlays and figures: their length, and that they can be seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_topoloss.visualize import critical_overlay, plot_critical, skeleton_overlay
from monai_topoloss.visualize._scale_bar import add_scale_bar, choose_scale_bar

EMPTY = np.zeros((120, 200), bool)
AFFINE = torch.diag(torch.tensor([2.0, -0.5, 1.0, 1.0]))


def bar_of(picture, bare, ink=255):
    """Rows and columns of the bar: the longest lines of its colour among what was drawn over the bare picture."""
    drawn = (picture != bare).any(axis=2)
    lines = drawn & (picture == ink).all(axis=2)
    lengths = lines.sum(axis=1)
    rows = np.flatnonzero(lengths == lengths.max())
    columns = np.flatnonzero(lines[rows[0]])
    return rows, columns


@pytest.mark.parametrize(
    ("width", "unit", "text"),
    [
        (100, "mm", "20 mm"),
        (60, "mm", "10 mm"),
        (300, "µm", "50 µm"),
        (1.0, "mm", "0.2 mm"),
        (4e-6, "m", "1e-06 m"),
        (5, None, "1 voxel"),
        (99, None, "20 voxels"),
        (100, "", "20"),
    ],
)
def test_lengths_are_round(width, unit, text):
    assert choose_scale_bar(width, unit).text == text


def test_lengths_are_about_a_fifth():
    for width in np.geomspace(1e-5, 1e5, 1000):
        bar = choose_scale_bar(width, "mm")
        assert f"{bar.length:e}"[:8] in ("1.000000", "2.000000", "5.000000")
        assert 0.125 < bar.length / width < 0.32


@pytest.mark.parametrize("width", [0, 1e-310, 1e305, np.inf])
def test_of_no_width_is_no_bar(width):
    assert choose_scale_bar(width, "mm") is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 50 * 4),  # of 200 voxels, each 4 pixels
        ({"spacing": 0.25}, 10 / 0.25 * 4),
        ({"spacing": (3, 1)}, 50 * 4),
        ({"spacing": (1, 3)}, 100 / 3 * 12),
    ],
)
def test_bars_are_true_along_their_axis(options, expected):
    for draw in (lambda **more: critical_overlay(EMPTY, EMPTY, **more), lambda **more: skeleton_overlay(EMPTY, **more)):
        bare = draw(scale=4, **options)
        picture = draw(scale=4, scale_bar=True, **options)
        rows, columns = bar_of(picture, bare)
        assert len(columns) == expected
        assert np.ptp(columns) == expected - 1
        assert rows.min() > 0.9 * len(picture)


def test_volumes_have_bars_along_the_columns_of_each_view():
    volume = np.zeros((20, 40, 60), bool)
    for axis, voxel in ((0, 3.0), (1, 3.0), (2, 2.0)):
        options = {"axis": axis, "spacing": (1, 2, 3), "scale": 6}
        bare = critical_overlay(volume, volume, **options)
        _, columns = bar_of(critical_overlay(volume, volume, scale_bar=True, **options), bare)
        length = {0: 50, 1: 50, 2: 20}[axis]
        assert len(columns) == pytest.approx(length * bare.shape[1] / ((60 if axis < 2 else 40) * voxel), abs=1)


def test_bars_say_what_they_measure():
    """In units where the spacing is known, else in voxels; text is left of the right end, above the bar."""
    known = critical_overlay(EMPTY, EMPTY, spacing=1, scale=4, scale_bar=True)
    other = critical_overlay(EMPTY, EMPTY, spacing=1, scale=4, scale_bar=True, unit="nm")
    voxels = critical_overlay(EMPTY, EMPTY, scale=4, scale_bar=True)
    assert not np.array_equal(known, other)
    assert not np.array_equal(known, voxels)
    np.testing.assert_array_equal(known, critical_overlay(EMPTY, EMPTY, spacing=1, scale=4, scale_bar=True, unit="mm"))
    tensor = MetaTensor(torch.zeros(120, 200), affine=torch.eye(4))  # as of a photograph, which knows no spacing
    np.testing.assert_array_equal(critical_overlay(tensor, EMPTY, scale=4, scale_bar=True), voxels)
    of_affine = critical_overlay(MetaTensor(torch.zeros(120, 200), affine=AFFINE), EMPTY, scale=4, scale_bar=True)
    expected = critical_overlay(EMPTY, EMPTY, spacing=(2, 0.5), scale=4, scale_bar=True)
    np.testing.assert_array_equal(of_affine, expected)


def test_the_font_has_all_signs():
    for micro in "\u00b5\u03bc":
        picture = critical_overlay(EMPTY, EMPTY, spacing=1, scale=4, scale_bar=True, unit=f"{micro}m")
        expected = critical_overlay(EMPTY, EMPTY, spacing=1, scale=4, scale_bar=True, unit="um")
        np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("grey", [0, 90, 190, 255])
@pytest.mark.parametrize("paper", [(0, 0, 0), (255, 255, 255)])
def test_bars_are_seen_on_dark_and_on_bright(grey, paper):
    ink = 255 - paper[0]
    between = np.full((300, 500, 3), 128, np.uint8)
    rows, columns = bar_of(add_scale_bar(between, 1.0, "mm", paper=paper), between, ink)
    assert len(columns) == 100
    picture = add_scale_bar(np.full_like(between, grey), 1.0, "mm", paper=paper)
    assert picture.flags.writeable
    assert (picture[np.ix_(rows, columns)] == ink).all()
    for row in (rows.min() - 1, rows.max() + 1):
        assert (picture[row, columns[0] : columns[-1] + 1] == paper[0]).all()
    for column in (columns.min() - 1, columns.max() + 1):
        assert (picture[rows, column] == paper[0]).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (40, 3), (0, 5), (5, 0)])
def test_small_pictures(shape):
    mask = np.zeros(shape, bool)
    picture = critical_overlay(mask, mask, scale=1, scale_bar=True, legend=True)
    assert picture.shape[1] >= shape[1]
    if 0 in shape:
        np.testing.assert_array_equal(picture, critical_overlay(mask, mask, scale=1, legend=True))


def bars_of(figure):
    return [axes.lines for axes in figure.axes]


def test_figures_have_bars_where_the_spacing_is_known():
    label = np.zeros((40, 60), bool)
    label[20] = True
    broken = label.copy()
    broken[20, 30] = False
    assert not any(bars_of(plot_critical(broken, label)))
    assert not any(bars_of(plot_critical(broken, label, spacing=2, scale_bar=False)))
    assert not any(bars_of(plot_critical(broken, MetaTensor(label, affine=torch.eye(4)))))
    for options, text, columns in (
        ({"spacing": (1, 2)}, "20 mm", 10),
        ({"spacing": (1, 2), "unit": "µm"}, "20 µm", 10),
        ({"scale_bar": True}, "10 voxels", 10),
        ({"image": MetaTensor(label, affine=AFFINE)}, "5 mm", 10),
    ):
        figure = plot_critical(broken, label, **options)
        overview, *close_ups = bars_of(figure)
        assert not any(close_ups)
        (bar,) = overview
        assert np.ptp(bar.get_xdata()) == pytest.approx(columns)
        assert bar.get_xdata()[1] < 59.5
        assert figure.axes[0].texts[-1].get_text() == text
        assert figure.axes[0].get_xlim() == (-0.5, 59.5)


def test_each_view_of_a_volume_has_a_bar_of_its_own():
    volume = np.zeros((20, 40, 60), bool)
    figure = plot_critical(volume, volume, spacing=(1, 2, 3))
    figure.draw_without_rendering()
    assert [axes.texts[-1].get_text() for axes in figure.axes] == ["50 mm", "50 mm", "20 mm"]
    for axes, columns in zip(figure.axes, (50 / 3, 50 / 3, 10), strict=True):
        (bar,) = axes.lines
        assert np.ptp(bar.get_xdata()) == pytest.approx(columns)
        limits = axes.get_window_extent()
        for box in (bar.get_window_extent(), axes.texts[-1].get_window_extent()):
            assert limits.x0 <= box.x0 < box.x1 <= limits.x1
            assert limits.y0 < box.y0 <= box.y1 < limits.y1


@pytest.mark.parametrize("function", [critical_overlay, plot_critical])
def test_bad_unit(function):
    with pytest.raises(TypeError, match="Expected `unit` to be a str, got int"):
        function(EMPTY, EMPTY, unit=1)
    with pytest.raises(TypeError, match="Expected `unit` to be a str, got NoneType"):
        skeleton_overlay(EMPTY, unit=None)
