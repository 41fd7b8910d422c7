from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from monai_topoloss.chunked._patches import betti_differences
from monai_topoloss.metrics import compute_betti_error
from tests.chunked.volumes import make_vessels

pytestmark = pytest.mark.usefixtures("synchronous")


@pytest.mark.parametrize("chunks", [3, 7, 16, 100])
@pytest.mark.parametrize(
    ("shape", "size", "step"),
    [
        ((21, 30), (5, 6), (5, 6)),
        ((21, 30), (5, 6), (7, 10)),
        ((20, 30), (20, 6), (50, 6)),
        ((9, 14, 17), (4, 4, 4), (4, 4, 4)),
        ((8, 8, 8), (4, 8, 3), (4, 8, 5)),
    ],
)
def test_mean_over_patches_is_that_of_the_metric(shape, size, step, chunks):
    masks = make_vessels(shape)
    found = betti_differences(*(da.from_array(mask, chunks=chunks) for mask in masks), size, step, None).compute()
    batch = [mask[None, None].astype(np.float32) for mask in masks]
    expected = compute_betti_error(*batch, patch_size=list(size), stride=list(step))
    assert np.abs(found).sum(axis=1).mean() == pytest.approx(float(expected))
    assert len(found) == np.prod([len({*range(0, n - p, s), n - p}) for n, p, s in zip(shape, size, step, strict=True)])
