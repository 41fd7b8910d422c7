"""Dilation on words, against distances, at all widths around one and two words and all radii around one and two."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from monai_topoloss.backends.cpu import skeleton
from monai_topoloss.backends.cpu.bits import INSIDE, pack
from monai_topoloss.topology import tubed_skeleton
from monai_topoloss.topology._balls import make_ball
from tests.oracles import skeleton_recall as oracle

RADII = (*range(71), *range(122, 131), 186, 187, 250)


def ball(points, radius, shape):
    """The voxels within a distance of some points, counted in steps along axes."""
    axes = np.indices(shape)
    distances = [sum(np.abs(axis - x) for axis, x in zip(axes, point, strict=True)) for point in points]
    return np.min(distances, axis=0) <= radius


def dilate(points, radius, shape, spacing=None):
    """Dilate a mask of single points, and see that nothing is set outside the volume."""
    mask = np.zeros(shape, bool)
    mask[tuple(np.transpose(points))] = True
    words, layout = pack(mask, len(shape) - 2)
    dilated = skeleton._dilate(words, layout, make_ball(radius, spacing, shape))
    assert dilated.shape == words.shape
    inner = dilated[1:-1].reshape(layout.depth + 2 * layout.border, layout.height + 2, layout.row)
    inside = inner[layout.border : layout.depth + layout.border, 1:-1]
    assert np.count_nonzero(dilated) == np.count_nonzero(inside)
    voxels = (inside[..., None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    # A ball of one voxel leaves the words of the mask, which repeat voxels of their neighbours.
    if make_ball(radius, spacing, shape).any():
        assert not (dilated & ~INSIDE).any()
    line = voxels[..., 1:63].reshape(*inside.shape[:2], -1)
    assert not line[..., layout.width :].any()
    return line[..., : layout.width].reshape(shape) != 0


@pytest.mark.parametrize("width", range(60, 131))
def test_images_of_each_width(width):
    """With points at the right edge, at the left one, and at the ends of words."""
    shape = (3, width)
    for radius in RADII:
        for points in (
            [(1, width - 1)],
            [(0, 0)],
            [(2, width - 1 - radius % width)],
            [(0, width // 2), (2, 61 % width)],
        ):
            np.testing.assert_array_equal(dilate(points, radius, shape), ball(points, radius, shape))


@pytest.mark.parametrize("width", [1, 2, 61, 62, 63, 64, 123, 124, 125, 126, 127, 186, 187])
@pytest.mark.parametrize("radius", [0, 1, 2, 3, 5, 61, 62, 63, 64, 124, 125, 126, 187])
def test_volumes_of_some_widths(width, radius):
    shape = (4, 5, width)
    for points in ([(0, 0, width - 1)], [(3, 4, 0)], [(1, 2, width // 2)], [(0, 4, width - 1), (3, 0, width // 3)]):
        np.testing.assert_array_equal(dilate(points, radius, shape), ball(points, radius, shape))


@pytest.mark.parametrize("width", [1, 61, 62, 63, 64, 123, 124, 125, 126, 127, 187, 250])
@pytest.mark.parametrize("radius", [0.3, 1.0, 3.7, 30.9, 31.0, 31.5, 62.0, 93.1, 200.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 0.7, 0.5), (0.3, 3.0, 1.3)])
def test_balls_in_physical_units(width, radius, spacing):
    shape = (4, 5, width)
    for points in ([(0, 0, width - 1)], [(3, 4, 0)], [(1, 2, width // 2)], [(0, 4, width - 1), (3, 0, width // 3)]):
        mask = np.ones(shape, bool)
        mask[tuple(np.transpose(points))] = False
        near = distance_transform_edt(mask, sampling=spacing) <= radius * (1 + 1e-6)
        np.testing.assert_array_equal(dilate(points, radius, shape, spacing), near)


@pytest.mark.parametrize("width", [62, 63, 64, 65, 66, 90, 124, 125, 126, 130])
@pytest.mark.parametrize("radius", [1, 2, 61, 62, 63, 64, 124, 125])
def test_tubes_of_objects_at_the_right_edge(width, radius):
    """Another class lies within reach in the next row, where what runs over the edge would come out."""
    label = np.full((7, width), 2, np.uint8)
    label[:, width // 3 :] = 0
    label[2:5, max(0, width - 80) :] = 1
    np.testing.assert_array_equal(tubed_skeleton(label, radius=radius), oracle.tubed_skeleton(label, radius))
    mask = label == 1
    classes = tubed_skeleton(label, radius=radius, per_class=True)
    np.testing.assert_array_equal(classes == 1, oracle.tubed_skeleton(mask, radius))


@pytest.mark.parametrize("radius", [1, 3, 62, 64])
def test_tubes_of_a_class_stay_out_of_another(radius):
    """Thick classes side by side, of which a tube on its own side covers only a part."""
    label = np.ones((130, 140), np.uint8)
    label[:, 64:] = 2
    found = tubed_skeleton(label, radius=radius, per_class=True)
    np.testing.assert_array_equal(found == 1, oracle.tubed_skeleton(label == 1, radius))
    np.testing.assert_array_equal(found == 2, oracle.tubed_skeleton(label == 2, radius))
    assert radius > 3 or (found != label).any()


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("radius", [17, 18, 10**12, 2**70])
def test_a_radius_that_covers_all_costs_no_more(radius, per_class, monkeypatch):
    label = np.ones((8, 10), np.uint8)
    balls = []

    def note(words, layout, ball):  # noqa: ARG001
        balls.append(ball)
        return words

    with monkeypatch.context() as patched:
        patched.setattr(skeleton, "_dilate", note)
        tubed_skeleton(label, radius=radius, per_class=per_class)
    assert [ball.shape for ball in balls] == [(1, 8)]
    assert balls[0].max() == 9
    np.testing.assert_array_equal(tubed_skeleton(label, radius=radius, per_class=per_class), label)
