from __future__ import annotations

import numpy as np
import pytest
import skimage.morphology

from monai_topoloss.backends.cpu import thinning2d


@pytest.mark.parametrize("now", [1, 255, 256, 257, 512, 70_000])
def test_a_word_is_touched_once_a_pass_however_many_there_have_been(now):
    words = np.full(60, 2**62, np.uint64)
    words[20:40] |= np.uint64(0xFF0)
    found_in, found = np.array([25, 28, 31], np.uint64), np.full(3, 0x80, np.uint64)
    touched = np.zeros(len(words), np.uint64)
    stamp = thinning2d._new_stamps(words)
    count = thinning2d._touch_around(words, np.uint64(3), found_in, found, 3, touched, stamp, now)
    assert sorted(touched[:count].tolist()) == [22, 25, 28, 31, 34]


@pytest.mark.parametrize("shape", [(700, 700), (300, 1200)])
def test_solids_that_take_hundreds_of_passes(shape):
    mask = np.ones(shape, bool)
    mask[np.random.default_rng(0).random(shape) < 2e-5] = False
    skeleton = np.zeros(mask.size, bool)
    skeleton[thinning2d.skeleton_positions(mask)] = True
    np.testing.assert_array_equal(skeleton.reshape(shape), skimage.morphology.skeletonize(mask))
