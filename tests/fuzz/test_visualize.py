"""Pictures: of every image, in the size that is documented, and the same for all layouts of memory."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest

from monai_topoloss.topology import critical_components
from monai_topoloss.visualize import critical_overlay, plot_critical, skeleton_overlay
from tests.fuzz.properties import call, fuzz
from tests.fuzz.strategies import images, masks, pairs, shapes

pytestmark = pytest.mark.filterwarnings("ignore:`.*` of shape .* was taken for a volume")


@st.composite
def views(draw, shape):
    """How to look at an image of that shape, and how high and wide it is then in pixels."""
    scale = draw(st.integers(1, 3))
    options = {"scale": scale, "spacing": draw(st.sampled_from([1, [1.0] * len(shape), np.ones(len(shape))]))}
    if len(shape) == 2:
        return options, tuple(scale * n for n in shape)
    axis = draw(st.integers(-3, 2))
    if shape[axis] and draw(st.booleans()):
        options["index"] = draw(st.integers(-shape[axis], shape[axis] - 1))
    rows, columns = (n for k, n in enumerate(shape) if k != axis % 3)
    return {**options, "axis": axis}, (scale * rows, scale * columns)


@st.composite
def backgrounds(draw, shape):
    """What was segmented, if anything, perhaps with channels."""
    channels = draw(st.sampled_from([None, (), (), (1,), (3,)]))
    return None if channels is None else draw(masks((*channels, *shape)))


def draw_plain(function, *sides, image, **options):
    """The picture of arrays like any other."""
    grey = None if image is None else image.values
    return function(*(side.values for side in sides), grey, **options)


def check_picture(function, data, shape, *sides, **options):
    view, size = data.draw(views(shape))
    image = data.draw(backgrounds(shape))
    greys = [] if image is None else [image.argument]
    picture = call(function, *(side.argument for side in sides), *greys, **view, **options)
    assert picture.dtype == np.uint8
    assert picture.shape == (*size, 3)
    np.testing.assert_array_equal(picture, draw_plain(function, *sides, image=image, **view, **options))
    legend = function(*(side.argument for side in sides), **view, **options, legend=True)
    bare = function(*(side.argument for side in sides), **view, **options)
    np.testing.assert_array_equal(legend[: size[0], : size[1]], bare)
    assert legend.shape[0] > size[0]
    assert legend.shape[1] >= size[1]


@fuzz(data=st.data(), shape=shapes(), connectivity=st.sampled_from([None, 1, 2]))
def test_critical_overlay(data, shape, connectivity):
    check_picture(critical_overlay, data, shape, *data.draw(pairs(shape)), connectivity=connectivity)


@fuzz(data=st.data(), shape=shapes(), radius=st.integers(0, 2), method=st.sampled_from([None, "lee"]))
def test_skeleton_overlay(data, shape, radius, method):
    check_picture(skeleton_overlay, data, shape, data.draw(images(shape)), radius=radius, method=method)


@fuzz(slow=15, data=st.data(), shape=shapes(longest=5), zooms=st.integers(0, 2), channels=st.sampled_from([None, 1, 2]))
def test_plot_critical(data, shape, zooms, channels):
    if 0 in shape:
        shape = tuple(max(n, 1) for n in shape)
    whole = shape if channels is None else (channels, *shape)
    prediction, label = data.draw(pairs(whole))
    figure = call(
        plot_critical, prediction.argument, label.argument, zooms=zooms, spatial_dims=len(shape), title="case"
    )
    sides = [side.values[1:] if channels == 2 else side.values for side in (prediction, label)]
    found = critical_components(*(side.astype(np.int64) for side in sides), spatial_dims=len(shape))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    for word, number in (("split", found.n_splits), ("merge", found.n_merges)):
        assert f"{number.sum()} {word}{'s' * int(number.sum() != 1)}" in texts
    assert (2 * len(shape) - 3) <= len(figure.axes) <= (2 * len(shape) - 3) + zooms
    assert figure.get_suptitle() == "case"
