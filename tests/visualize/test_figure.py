from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex

from monai_topoloss import critical_components
from monai_topoloss.visualize import plot_critical
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


def test_volume_without_mistakes():
    label = make_pair((20, 24, 28))[1]
    figure = plot_critical(label, label, axis=1)
    assert len(figure.axes) == 1
    assert plot_critical(label, label, index=3).legends


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 900), (1, 30, 2)])
def test_odd_shapes(shape, tmp_path):
    prediction, label = np.random.default_rng(0).random((2, *shape)) < 0.5
    plot_critical(prediction, label, label.astype(np.float16)).savefig(tmp_path / "figure.png")


def test_bad_number_of_zooms():
    with pytest.raises(ValueError, match="Expected `zooms` to be at least 0"):
        plot_critical(*make_pair(), zooms=-1)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "monai-topoloss\[visualize\]"'):
        plot_critical(*make_pair())
