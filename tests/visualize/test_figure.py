from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from monai.data import MetaTensor

from monai_topoloss import critical_components
from monai_topoloss.datasets import synthetic_vessels
from monai_topoloss.visualize import critical_overlay, plot_critical
from tests.visualize.test_overlay import make_pair


def test_counts_are_in_the_legend():
    prediction, label = make_pair()
    found = critical_components(prediction, label)
    figure = plot_critical(prediction, label, title="mine")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["label", "prediction", f"{found.n_splits} splits", f"{found.n_merges} merges"]
    assert figure.get_suptitle() == "mine"
    one = np.zeros((9, 9), bool)
    one[4] = True
    broken = one.copy()
    broken[4, 4] = False
    texts = [text.get_text() for text in plot_critical(broken, one).legends[0].get_texts()]
    assert texts[2:] == ["1 split", "0 merges"]


@pytest.mark.parametrize("zooms", [0, 1, 4])
def test_close_ups_show_the_largest_by_turns(zooms, tmp_path):
    label = np.zeros((200, 300), bool)
    label[20::40] = True
    prediction = label.copy()
    for row, column, length in ((20, 40, 3), (60, 250, 9), (100, 150, 6)):
        prediction[row, column : column + length] = False
    prediction[150:153, 100] = True
    figure = plot_critical(prediction, label, zooms=zooms)
    overview, *close_ups = figure.axes
    assert len(close_ups) == min(zooms, 4)
    boxes = [(box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2) for box in overview.patches]
    expected = [(254, 60), (100, 151), (152, 100), (41, 20)]  # split, merge, and then splits
    for box, centre in zip(boxes, expected, strict=False):
        assert box == pytest.approx(centre, abs=3)
    colours = ["#d55e00", "#56b4e9", "#d55e00", "#d55e00"]
    assert [to_hex(axes.spines["top"].get_edgecolor()) for axes in close_ups] == colours[:zooms]
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def damage(label, seed=0, gaps=3, specks=3):
    """Cut gaps into objects, and add some."""
    rng = np.random.default_rng(seed)
    prediction = label.copy()
    places = [*rng.permutation(np.argwhere(label > 0))[:gaps], *rng.integers(0, label.shape, (specks, label.ndim))]
    for number, place in enumerate(places):
        window = tuple(slice(max(x - 2, 0), x + 3) for x in place)
        prediction[window] = 0 if number < gaps else label.max()
    return prediction


def one_hot(ids, count):
    return np.stack([ids == k for k in range(count)])


def panels(figure):
    """The overviews, which have titles or stand first in their row, by the top left corner of their place."""
    starts = {}
    for axes in figure.axes:
        place = axes.get_subplotspec()
        if place.rowspan.stop - place.rowspan.start == 2:
            starts[place.rowspan.start // 2, place.colspan.start] = axes
    return starts


def test_each_class_has_a_row():
    label = synthetic_vessels((64, 80), seed=3, num_trees=2)[1][0]
    prediction = damage(label)
    prediction[30:34][prediction[30:34] == 1] = 2
    expected = [critical_components(prediction == k, label == k) for k in (1, 2)]
    counts = [(int(found.n_splits), int(found.n_merges)) for found in expected]
    assert counts[0] != counts[1]
    of_map = plot_critical(prediction, label, num_classes=3)
    of_channels = plot_critical(one_hot(prediction, 3), one_hot(label, 3), spatial_dims=2)
    for figure in (of_map, of_channels):
        overviews = panels(figure)
        assert list(overviews) == [(0, 0), (1, 0)]
        for (row, _), axes in overviews.items():
            splits, merges = counts[row]
            words = f"{splits} split{'s' * (splits != 1)}, {merges} merge{'s' * (merges != 1)}"
            assert axes.get_ylabel() == f"class {row + 1}\n{words}"
            own = critical_overlay(prediction == row + 1, label == row + 1)
            np.testing.assert_array_equal(axes.images[0].get_array(), own)
        texts = [text.get_text() for text in figure.legends[0].get_texts()]
        assert texts == ["label", "prediction", "splits", "merges"]
    with_background = panels(
        plot_critical(one_hot(prediction, 3), one_hot(label, 3), spatial_dims=2, include_background=True)
    )
    assert [axes.get_ylabel().split("\n")[0] for axes in with_background.values()] == ["class 0", "class 1", "class 2"]


def test_one_class_needs_no_name():
    prediction, label = make_pair()
    pairs = (prediction[None], label[None]), (one_hot(prediction, 2), one_hot(label, 2))
    for pair in pairs:
        figure = plot_critical(*pair, spatial_dims=2)
        (axes,) = panels(figure).values()
        assert axes.get_ylabel() == ""
        np.testing.assert_array_equal(axes.images[0].get_array(), critical_overlay(prediction, label))
    figure = plot_critical(prediction[None], label[None], spatial_dims=2, num_classes=2)
    assert len(panels(figure)) == 1


def test_a_volume_is_shown_from_three_sides():
    prediction, label = make_pair((20, 24, 28))
    for axis, shown in ((None, (0, 1, 2)), ((2, 0), (2, 0)), ([-1], (2,)), (1, (1,))):
        overviews = panels(plot_critical(prediction, label, axis=axis))
        assert [axes.get_title() for axes in overviews.values()] == [f"along axis {k}" for k in shown]
        for axes, k in zip(overviews.values(), shown, strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), critical_overlay(prediction, label, axis=k))
    (axes,) = panels(plot_critical(prediction, label, axis=1, index=-3, zooms=0)).values()
    assert axes.get_title() == "slice -3 of axis 1"
    np.testing.assert_array_equal(axes.images[0].get_array(), critical_overlay(prediction, label, axis=1, index=-3))


def test_close_ups_take_the_side_that_shows_most():
    """A flat split is seen from above, in the one window that it needs; numbers count through."""
    label = np.zeros((60, 64, 68), dtype=bool)
    label[:, 30:34, 30:34] = label[30:34, :, 30:34] = True
    prediction = label.copy()
    prediction[10:12, 20:44, 20:44] = label[10:12, 20:44, 20:44]
    prediction[40:50, 30:34, 30:34] = False  # a pillar along axis 0, seen from both other sides
    prediction[5:20, 50:65, 3] = True  # a sheet, seen along axis 2
    figure = plot_critical(prediction, label)
    boxes = {key: axes.patches for key, axes in panels(figure).items()}
    assert [len(boxes[0, k]) for k in range(3)] == [0, 1, 1]
    assert [text.get_text() for k in (1, 2) for text in panels(figure)[0, k].texts] == ["1", "2"]
    box = boxes[0, 2][0]
    assert box.get_bbox().contains(57, 12)


def test_close_ups_of_a_slice_are_of_the_slice():
    label = np.zeros((8, 100, 100), dtype=bool)
    label[:, ::20] = True
    prediction = label.copy()
    prediction[2, 40, 50:53] = False
    prediction[:, 40, 55] = False
    prediction[6, 80, 10:30] = False
    (overview,) = panels(plot_critical(prediction, label, axis=0, index=2, zooms=9)).values()
    (box,) = overview.patches
    assert (box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2) == pytest.approx((53, 40), abs=4)


def test_panels_obey_the_spacing():
    prediction, label = make_pair((10, 24, 28))
    affine = torch.diag(torch.tensor([2.5, 1.0, 0.5, 1.0]))
    for arguments in ({"spacing": (2.5, 1, 0.5)}, {"image": MetaTensor(label, affine=affine)}):
        figure = plot_critical(prediction, label, **arguments)
        overviews = list(panels(figure).values())
        assert [axes.get_aspect() for axes in overviews] == [2, 5, 2.5]
        assert {axes.get_aspect() for axes in figure.axes[3:]} <= {2, 5, 2.5}
        figure.draw_without_rendering()
        boxes = [axes.get_window_extent() for axes in overviews]
        assert boxes[1].height / boxes[1].width == pytest.approx(25 / 14, rel=0.02)
        for axes, rows, columns in zip(overviews, (24, 10, 10), (28, 28, 24), strict=True):
            assert axes.images[0].get_extent() == [-0.5, columns - 0.5, rows - 0.5, -0.5]


def test_one_spacing_of_channels_with_metadata():
    """As of what an evaluator puts out: an affine in 3-D, channels in front."""
    prediction, label = make_pair((12, 16, 20))
    pair = [MetaTensor(one_hot(x, 2), affine=torch.diag(torch.tensor([3.0, 1, 1, 1]))) for x in (prediction, label)]
    overviews = panels(plot_critical(*pair, spatial_dims=3))
    assert [axes.get_aspect() for axes in overviews.values()] == [1, 3, 3]


@pytest.mark.parametrize("shape", [(40, 300), (300, 40), (64, 64), (9, 70, 70)])
@pytest.mark.parametrize("classes", [1, 2])
def test_nothing_is_clipped(shape, classes):
    """Mistakes are in all corners; numbers stay within the overview, and all text within the figure."""
    label = np.zeros(shape, dtype=np.uint8)
    prediction = label.copy()
    for corner in np.ndindex(*[2] * len(shape)):
        prediction[tuple(slice(-3, None) if last else slice(3) for last in corner)] = classes
    options = {} if classes == 1 else {"num_classes": 3}
    figure = plot_critical(prediction, label, zooms=12, title="a title that is not short", **options)
    figure.draw_without_rendering()
    whole = figure.bbox
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1
        assert whole.y0 <= box.y0 < box.y1 <= whole.y1
    numbers = 0
    for axes in figure.axes:
        assert whole.containsx(axes.get_tightbbox().x0)
        assert whole.containsx(axes.get_tightbbox().x1)
        for text in axes.texts:
            box, limits = text.get_window_extent(), axes.get_window_extent().padded(2)
            assert limits.x0 <= box.x0 < box.x1 <= limits.x1
            assert limits.y0 <= box.y0 < box.y1 <= limits.y1
            numbers += 1
    assert numbers >= 4


def test_volume_without_mistakes():
    label = make_pair((20, 24, 28))[1]
    figure = plot_critical(label, label, axis=1)
    assert len(figure.axes) == 1
    assert plot_critical(label, label, axis=0, index=3).legends


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 900), (1, 30, 2)])
def test_odd_shapes(shape, tmp_path):
    prediction, label = np.random.default_rng(0).random((2, *shape)) < 0.5
    plot_critical(prediction, label, label.astype(np.float16)).savefig(tmp_path / "figure.png")


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 5), {"zooms": -1}, "Expected `zooms` to be at least 0"),
        ((2, 4, 5, 6), {}, r"Expected `prediction` to have 2 or 3 axes, .* pass `spatial_dims`"),
        (
            (2, 3, 4, 5),
            {"spatial_dims": 2},
            r"Expected `prediction` of shape \(\*spatial\) or .* such as `prediction\[0\]`",
        ),
        ((0, 4, 5), {"spatial_dims": 2}, r"Expected `prediction` of shape \(\*spatial\) or \(C, \*spatial\)"),
        ((2, 4, 5), {"spatial_dims": 2, "num_classes": 2}, "one channel of class ids for `num_classes`, got 2"),
        ((4, 5), {"num_classes": 1}, "Expected `num_classes` to be at least 2"),
        ((4, 5, 6), {"index": 0}, "Expected one `axis` for the slice `index`, got None"),
        ((4, 5, 6), {"axis": ()}, "Expected `axis` from -3 to 2"),
        ((4, 5, 6), {"axis": (0, 3)}, "Expected `axis` from -3 to 2"),
        ((4, 5), {"index": 0}, "Expected `index` for volumes only"),
        ((4, 0), {}, r"Expected `prediction` to have voxels, got shape \(4, 0\)"),
        ((0, 4, 5), {}, r"Expected `prediction` to have voxels, got shape \(0, 4, 5\)"),
        ((4, 0, 5), {"axis": 0}, r"Expected `prediction` to have voxels, got shape \(4, 0, 5\)"),
        ((4, 5), {"num_classes": 10**30}, "Expected `num_classes` to be at most"),
    ],
)
def test_bad_input(shape, options, message):
    with pytest.raises(ValueError, match=message):
        plot_critical(np.zeros(shape, bool), np.zeros(shape, bool), **options)


def test_channels_are_not_taken_for_slices_without_a_word(monkeypatch):
    monkeypatch.setattr("monai_topoloss._checks.tensors._warned_of", set())
    mask = np.zeros((3, 16, 16), dtype=bool)
    with pytest.warns(UserWarning, match=r"was taken for a volume of 3 slices; pass `spatial_dims=2`"):
        plot_critical(mask, mask)
    monkeypatch.setattr("monai_topoloss._checks.tensors._warned_of", set())
    plot_critical(mask, mask, spatial_dims=3)
    plot_critical(mask, mask, spatial_dims=2)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "monai-topoloss\[visualize\]"'):
        plot_critical(*make_pair())


def test_instances_that_touch(tmp_path):
    label = np.zeros((4, 14, 30), np.int32)
    label[:, 1:7, 1:29], label[:, 7:13, 1:29] = 1, 2
    prediction = np.where(label == 2, 1, label)
    edges = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    figure = plot_critical(prediction, label, edges=edges, tolerance=1, axis=0, index=1)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["label", "prediction", "0 splits", "1 merge"]
    figure.savefig(tmp_path / "figure.png")
    with_channel = plot_critical(prediction[None], label[None], edges=edges, spatial_dims=3, axis=0, index=1)
    assert [text.get_text() for text in with_channel.legends[0].get_texts()] == texts
    with pytest.raises(ValueError, match="spatial_dims"):
        plot_critical(prediction, label, edges=edges, spatial_dims=2)
