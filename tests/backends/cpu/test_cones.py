from __future__ import annotations

import numpy as np
import pytest

from monai_topoloss.backends.cpu import cones


def draw(ends, radii, shape=(5, 6, 7), dtype=np.uint16):
    out = np.zeros(shape, dtype)
    ends = np.array(ends, float).reshape(-1, 2, len(shape))
    cones.draw(out, ends, np.array(radii, float).reshape(-1, 2), np.ones(len(ends), dtype), (1.0,) * len(shape))
    return out


def test_a_kernel_for_each_type_of_labels():
    for dtype in (np.uint16, np.uint32):
        for shape in ((6, 7), (5, 6, 7)):
            assert draw(np.ones((2, len(shape))), [0, 0], shape, dtype).sum() == 1
    assert len(cones._draw.signatures) == 2


@pytest.mark.parametrize("far", [1e160, 1e308])
def test_numbers_whose_squares_are_no_floats(far):
    """Nothing is marked that is not there, nor beyond the image."""
    for x in (-far, 3):
        draw([[-far, -far, x], [far, far, far]], [0, far])
        draw([[-far, 1, x], [far, 2, far]], [far, 0])
    assert not draw([[far, 1, 1], [far, 2, 2]], [1, 2]).any()


def test_only_what_is_near_a_segment_is_looked_at(monkeypatch):
    """A diagonal has a box of the whole image."""
    looked = []

    def measure(*arguments):
        looked.append(arguments)
        return plain["_measure"](*arguments)

    names = ("_narrow", "_indices", "_measure", "_mark", "_draw_tube")
    plain = {name: getattr(getattr(cones, name), "py_func", getattr(cones, name)) for name in names}
    for name in names:
        monkeypatch.setattr(cones, name, plain[name])
    monkeypatch.setattr(cones, "_measure", measure)
    shape = (60, 60, 60)
    canvas = cones._Canvas(np.zeros(shape, np.uint16), np.full(shape, np.inf, np.float32), (1.0,) * 3, 1.0)
    cones._draw_tube(canvas, cones._Segment(0.0, 0.0, 0.0, 59.0, 59.0, 59.0, 2.0, 2.0, 1))
    assert 0 < (canvas.labels > 0).sum() <= len(looked) < 5000
