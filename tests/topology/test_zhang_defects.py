"""What scikit-image's thinning of images, the default in 2-D, is known to get wrong, and Lee's does not."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.morphology
from scipy.ndimage import binary_opening, minimum_filter

from monai_topoloss import skeletonize


def test_a_diagonal_line_two_pixels_wide_loses_half_or_all():
    line = np.zeros((60, 60), bool)
    i = np.arange(6, 50)
    line[i, i], line[i, i + 1] = True, True
    np.testing.assert_array_equal(skeletonize(line), skimage.morphology.skeletonize(line))
    assert (skeletonize(line).sum(), skeletonize(line, method="lee").sum()) == (24, 44)
    line[49, 50] = False
    assert (skeletonize(line).sum(), skeletonize(line, method="lee").sum()) == (1, 43)


@pytest.mark.slow
def test_solid_blocks_that_stay():
    rng = np.random.default_rng(0)
    counts = {"zhang": 0, "lee": 0}
    for _ in range(20_000):
        mask = binary_opening(rng.random((30, 30)) > rng.random(), np.ones((3, 3)))
        for method in counts:
            counts[method] += minimum_filter(skeletonize(mask, method=method), 3).any()
    assert counts == {"zhang": 128, "lee": 0}
