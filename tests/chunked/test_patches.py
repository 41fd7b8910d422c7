from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import torch

from monai_topoloss.chunked import betti_error
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


@pytest.mark.parametrize("kind", [0, 1, "sum", "euler"])
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("shape", [(21, 30), (9, 14, 17)])
def test_score_is_that_of_the_metric(shape, ignored, kind):
    prediction, label = (mask.astype(np.uint8) for mask in make_vessels(shape))
    ignore_index = None
    if ignored:
        ignore_index = 9
        label[:6, :7] = 9
    options = {"kind": kind, "patch_size": 5, "stride": [5, 6, 7][: len(shape)], "ignore_index": ignore_index}
    parts = [da.from_array(each, chunks=6) for each in (prediction, label)]
    batch = [torch.from_numpy(each)[None, None] for each in (prediction, label)]
    assert float(betti_error(*parts, **options)) == compute_betti_error(*batch, **options).item()
    empty = [da.zeros_like(each) for each in parts]
    assert np.isnan(float(betti_error(parts[0], empty[1], patch_size=4, ignore_empty=True)))


def test_patches_that_overlap_are_refused():
    mask = da.zeros((9, 9), dtype=bool)
    with pytest.raises(ValueError, match="Expected `stride` to be no smaller than `patch_size`"):
        betti_error(mask, mask, patch_size=4, stride=2)
    with pytest.raises(ValueError, match="Expected `stride` with `patch_size` only"):
        betti_error(mask, mask, stride=2)
