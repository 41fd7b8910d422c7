from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_topoloss._edges import either_end
from tests.oracles.affinities import list_edges


@pytest.mark.parametrize(
    "edges", [[(1, 0), (0, 1)], [(-2, 1), (0, 3), (9, 9)], [(1, 0, 0), (0, -1, 2)]], ids=["nearest", "long", "3-D"]
)
def test_either_end_marks_both_ends_of_affinities_within_the_image(edges):
    shape = (5, 6, 4)[: len(edges[0])]
    affinity = np.random.default_rng(0).random((2, len(edges), *shape)) < 0.1
    expected = np.zeros((2, *shape), bool)
    for k, here, there in list_edges(shape, edges):
        for item in range(2):
            if affinity[(item, k, *here)]:
                expected[(item, *here)] = expected[(item, *there)] = True
    np.testing.assert_array_equal(either_end(torch.from_numpy(affinity), edges), expected)
