from __future__ import annotations

import numpy as np
import pytest
import skimage.morphology

from monai_topoloss.topology import skeletonize


@pytest.mark.parametrize("shape", [(700, 700), (300, 1200)])
def test_solids_that_take_hundreds_of_passes(shape):
    mask = np.ones(shape, bool)
    mask[np.random.default_rng(0).random(shape) < 2e-5] = False
    np.testing.assert_array_equal(skeletonize(mask), skimage.morphology.skeletonize(mask))
