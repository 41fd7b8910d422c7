from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from monai_topoloss.backends.cpu.bits import pack
from monai_topoloss.backends.cpu.counting import count_cavities, count_components


def count(mask, connectivity):
    return ndimage.label(mask, ndimage.generate_binary_structure(3, connectivity))[1]


@pytest.mark.parametrize("width", [1, 2, 3, 60, 61, 62, 63, 64, 123, 124, 125, 126])
@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_at_the_ends_of_words(width, connectivity):
    """At every density: joins are told by single bits, and those of words that meet are repeated."""
    rng = np.random.default_rng(width)
    for density in (0.02, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1):
        for shape in ((5, 6, width), (1, 7, width), (6, 1, width)):
            mask = rng.random(shape) < density
            words, layout = pack(mask, 1)
            assert count_components(words, layout, connectivity) == count(mask, connectivity)
            around = np.pad(~mask, 1, constant_values=True)
            assert count_cavities(words, layout, connectivity) == count(around, connectivity) - 1


@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_joins_through_rows_between_are_not_lost(connectivity):
    """All masks of 2 x 2 x 3 and 2 x 3 x 2."""
    for code in range(2**12):
        mask = np.array([code >> k & 1 for k in range(12)], dtype=bool).reshape(2, 2, 3)
        words, layout = pack(mask, 1)
        assert count_components(words, layout, connectivity) == count(mask, connectivity)
        turned = np.ascontiguousarray(mask.transpose(0, 2, 1))
        words, layout = pack(turned, 1)
        assert count_components(words, layout, connectivity) == count(mask, connectivity)


def test_empty_and_full():
    for fill in (False, True):
        words, layout = pack(np.full((3, 4, 70), fill), 1)
        assert count_components(words, layout, 3) == int(fill)
        assert count_cavities(words, layout, 1) == 0
