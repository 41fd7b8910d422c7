"""What scikit-image's thinning of images, the default in 2-D, is known to get wrong, and Lee's does not."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.morphology
from scipy.ndimage import binary_opening, minimum_filter

from monai_topoloss import skeletonize


def length_of(mask):
    return int(np.ptp(np.argwhere(mask), axis=0).max()) + 1


def test_a_diagonal_line_two_pixels_wide_is_shortened_by_half():
    y, x = np.mgrid[:60, :60]
    line = ((y - x == 0) | (y - x == 1)) & (x > 5) & (x < 50)
    np.testing.assert_array_equal(skeletonize(line), skimage.morphology.skeletonize(line))
    assert (length_of(line), length_of(skeletonize(line)), length_of(skeletonize(line, method="lee"))) == (45, 23, 44)


@pytest.mark.slow
def test_solid_blocks_that_stay():
    rng = np.random.default_rng(0)
    counts = {"zhang": 0, "lee": 0}
    for _ in range(20_000):
        mask = binary_opening(rng.random((30, 30)) > rng.random(), np.ones((3, 3)))
        for method in counts:
            counts[method] += minimum_filter(skeletonize(mask, method=method), 3).any()
    assert counts == {"zhang": 128, "lee": 0}
