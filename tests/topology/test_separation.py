from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_topoloss import label_components, separate_instances, tubed_skeleton
from monai_topoloss.datasets import synthetic_neurites


def separate(ids, gap):
    """The definition: paths of so many steps along axes through an instance to the border of another one."""
    result = ids.copy()
    skeleton = tubed_skeleton(ids, radius=1, per_class=True)
    steps = [sign * step for step in np.eye(ids.ndim, dtype=int) for sign in (1, -1)]

    def around(voxel):
        others = (tuple(np.add(voxel, step)) for step in steps)
        return [other for other in others if all(0 <= a < n for a, n in zip(other, ids.shape, strict=True))]

    close = {
        voxel
        for voxel in product(*map(range, ids.shape))
        if ids[voxel] and any(ids[other] not in (0, ids[voxel]) for other in around(voxel))
    }
    for _ in range(gap - 1):
        close |= {other for voxel in close for other in around(voxel) if ids[other] == ids[voxel]}
    for voxel in close:
        if not skeleton[voxel]:
            result[voxel] = 0
    return result


@pytest.mark.parametrize("shape", [(17, 20), (9, 10, 11)])
@pytest.mark.parametrize("gap", [1, 2, 3])
def test_equals_the_definition(shape, gap, device):
    rng = np.random.default_rng(gap)
    for dtype in (np.uint8, np.int32, np.int64, np.float32):
        ids = rng.integers(0, 4, [-(-n // 5) for n in shape])
        for axis in range(len(shape)):
            ids = ids.repeat(5, axis=axis)
        ids = ids[tuple(slice(n) for n in shape)].astype(dtype)
        found = separate_instances(torch.from_numpy(ids).to(device), gap=gap)
        assert found.device.type == device.type
        np.testing.assert_array_equal(found.numpy(force=True), separate(ids, gap))
        assert found.numpy(force=True).dtype == dtype


def test_thin_instances_stay_in_one_piece():
    ids = np.zeros((12, 30, 30), np.int32)
    for y in range(30):
        ids[2:10, y] = 1 + y // 2  # sheets that are two voxels thick
    ids[:, :, :3] = ids[:, :, -3:] = 0
    parted = separate_instances(ids, gap=4)
    assert set(np.unique(parted)) == set(np.unique(ids))
    for value in np.unique(ids)[1:]:
        assert label_components(parted == value, connectivity=1, spatial_dims=3).counts == 1


@pytest.mark.parametrize("size", [(96, 96), (24, 40, 40)])
def test_no_neurite_is_lost_or_broken(size):
    for seed in range(3):
        ids = synthetic_neurites(size, seed=seed)[1][0]
        parted = separate_instances(ids)
        assert (parted == 0).mean() > 0.05
        for value in np.unique(ids):
            pieces = [label_components(each == value, spatial_dims=len(size)).counts for each in (ids, parted)]
            assert 1 <= pieces[1] <= pieces[0]


def test_borders_to_background_stay():
    ids = np.zeros((10, 20), np.uint8)
    ids[2:8, 2:18] = 1
    np.testing.assert_array_equal(separate_instances(ids, gap=5), ids)


def test_batches_kinds_and_ignored_voxels():
    ids = torch.arange(1, 5).repeat_interleave(5).expand(2, 3, 8, 20).contiguous()
    parted = separate_instances(MetaTensor(ids), spatial_dims=2)
    assert type(parted) is MetaTensor
    one = separate_instances(ids[0, 0])
    assert torch.equal(parted.as_tensor(), one.expand_as(ids))
    ignored = ids[0, 0].clone()
    ignored[:, 5:10] = 255
    parted = separate_instances(ignored, ignore_index=255)
    assert (parted[:, 5:10] == 255).all()
    assert (parted[:, :5] == 1).all()
    assert (parted[:1, 14:16] == 0).all()


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (3, 0, 2)])
def test_small_images(shape):
    ids = np.ones(shape, np.uint8)
    np.testing.assert_array_equal(separate_instances(ids), ids)


@pytest.mark.parametrize(
    ("options", "error"), [({"gap": 0}, ValueError), ({"gap": 1.5}, TypeError), ({"ignore_index": "a"}, TypeError)]
)
def test_bad_options(options, error):
    with pytest.raises(error):
        separate_instances(np.ones((4, 4)), **options)


@pytest.mark.parametrize("ids", [-np.ones((4, 4)), np.full((4, 4), 0.5), np.ones(4)])
def test_bad_ids(ids):
    with pytest.raises(ValueError, match="instances"):
        separate_instances(ids)
