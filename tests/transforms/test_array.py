from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Affine, Compose, EnsureChannelFirst, Orientation, Rotate, Spacing
from monai.utils import TransformBackends
from skimage.measure import label as label_components

from monai_topoloss.topology import skeletonize, soft_skeleton, tubed_skeleton
from monai_topoloss.transforms import Skeletonize, SoftSkeletonize, TubedSkeletonize
from tests.images import random_label

TRANSFORMS = [
    Skeletonize(),
    TubedSkeletonize(),
    TubedSkeletonize(radius=0, per_class=True, ignore_index=3),
    SoftSkeletonize(ignore_index=3),
]


@pytest.mark.parametrize("ndim", [2, 3])
def test_channels_are_independent(ndim, device):
    label = torch.stack([torch.from_numpy(random_label("boxes", ndim, 1)) == c for c in (1, 2, 3)]).to(device)
    for channel, tubes in zip(label, TubedSkeletonize()(label), strict=True):
        assert torch.equal(tubes, tubed_skeleton(channel))
    for channel, skeleton in zip(label, Skeletonize()(label), strict=True):
        assert torch.equal(skeleton, skeletonize(channel))


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_label_map_is_thinned_as_the_union_of_its_classes(ndim, device):
    label = torch.from_numpy(random_label("tubes", ndim, 1)).to(device)[None]
    assert torch.equal(TubedSkeletonize()(label)[0] > 0, tubed_skeleton(label[0] > 0))
    assert torch.equal(
        TubedSkeletonize(per_class=True, radius=1)(label)[0], tubed_skeleton(label[0], per_class=True, radius=1)
    )


@pytest.mark.parametrize("ndim", [2, 3])
def test_soft_skeletons_are_those_of_each_class(ndim, device):
    label = torch.from_numpy(random_label("boxes", ndim, 1)).to(device)[None]
    expected = torch.zeros_like(label)
    for value in label.unique():
        expected += value * soft_skeleton(label[0] == value, iterations=2).to(label.dtype)
    assert torch.equal(SoftSkeletonize(2)(label), expected)
    channels = torch.cat([label == 1, label > 1])
    soft = SoftSkeletonize(2)(channels)
    assert torch.equal(soft, torch.stack([soft_skeleton(channel, iterations=2) for channel in channels]))
    number = int(label.max()) + 1
    with_background = SoftSkeletonize(2, num_classes=number)(label)
    assert with_background.dtype == label.dtype
    for value in range(number):
        assert torch.equal(with_background[value] != 0, soft_skeleton(label[0] == value, iterations=2))
    ignoring = SoftSkeletonize(2, num_classes=number, ignore_index=number - 1)(label)
    assert torch.equal(ignoring[:-1], with_background[:-1])
    assert not ignoring[-1].any()
    assert torch.equal(SoftSkeletonize(2, ignore_index=1)(label), expected * (label != 1))


def test_a_soft_skeleton_of_classes_takes_ids_alone():
    with pytest.raises(ValueError, match="with one channel of class ids for `num_classes`, got 2"):
        SoftSkeletonize(num_classes=3)(torch.zeros(2, 4, 4))
    with pytest.raises(ValueError, match="class ids below 3"):
        SoftSkeletonize(num_classes=3)(torch.full((1, 4, 4), 3))
    with pytest.raises(ValueError, match="Expected `iterations` to be at least 0"):
        SoftSkeletonize(iterations=-1)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, bool])
def test_kind_and_dtype_are_kept(transform, dtype):
    array = random_label("blobs", 2, 0)[None].astype(dtype)
    out = transform(array)
    assert type(out) is np.ndarray
    assert out.dtype == array.dtype
    tensor = transform(torch.from_numpy(array))
    assert type(tensor) is torch.Tensor
    np.testing.assert_array_equal(tensor, out, strict=True)
    meta = transform(MetaTensor(array))
    assert isinstance(meta, MetaTensor)
    assert meta.dtype == tensor.dtype
    np.testing.assert_array_equal(meta, out)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_metatensor_keeps_affine_and_applied_operations(transform):
    label = MetaTensor(
        torch.from_numpy(random_label("tubes", 3, 0))[None].float(), affine=torch.diag(torch.tensor([2.0, 1, 1, 1]))
    )
    label = Spacing((1, 1, 1), mode="nearest")(label)
    out = transform(label)
    assert torch.equal(out.affine, label.affine)
    assert out.applied_operations == label.applied_operations
    assert len(out.applied_operations) == 1
    out.applied_operations.pop()
    assert len(label.applied_operations) == 1


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_monai_manners(transform):
    assert set(transform.backend) <= set(TransformBackends)
    label = random_label("tubes", 2, 0)[None]
    for copied in (pickle.loads(pickle.dumps(transform)), copy.deepcopy(transform)):
        np.testing.assert_array_equal(copied(label), transform(label))
    np.testing.assert_array_equal(Compose([EnsureChannelFirst(channel_dim=0), transform])(label), transform(label))


def test_a_tube_survives_a_nearest_neighbour_rotation_that_shatters_a_skeleton():
    y, x = np.ogrid[:96, :96]
    label = ((abs(y - x) < 6) | (abs(y + x - 96) < 6))[None].astype(np.uint8)
    counts = {}
    for radius in (0, 2):
        rotated = Rotate(angle=0.5, mode="nearest", padding_mode="zeros")(TubedSkeletonize(radius=radius)(label))
        counts[radius] = label_components(np.asarray(rotated[0]) > 0, connectivity=2).max()
    assert counts[2] == 1
    assert counts[0] > 1


def test_units_of_the_affine():
    """Also after the voxels have been resampled, turned round and rotated."""
    label = torch.from_numpy(random_label("tubes", 3, 0))[None]
    image = MetaTensor(label, affine=torch.diag(torch.tensor([0.4, 1.0, 2.5, 1.0])))
    tube = TubedSkeletonize(radius=1.6, units="mm")
    expected = tubed_skeleton(label, radius=1.6, spacing=(0.4, 1.0, 2.5), spatial_dims=3)
    np.testing.assert_array_equal(tube(image), expected)
    assert isinstance(tube(image), MetaTensor)
    turned = Orientation("SLA", labels=None)(image)
    np.testing.assert_array_equal(
        tube(turned), tubed_skeleton(turned.as_tensor(), radius=1.6, spacing=(2.5, 0.4, 1.0), spatial_dims=3)
    )
    even = Spacing(pixdim=(0.8, 0.8, 0.8), mode="nearest")(image)
    np.testing.assert_array_equal(tube(even), tubed_skeleton(even.as_tensor(), radius=1.6, spacing=0.8, spatial_dims=3))
    rotated = Affine(rotate_params=(0.3, 0, 0), mode="nearest", image_only=True)(image)
    sizes = np.linalg.norm(np.asarray(rotated.affine)[:3, :3], axis=0).tolist()
    np.testing.assert_array_equal(
        tube(rotated), tubed_skeleton(rotated.as_tensor(), radius=1.6, spacing=sizes, spatial_dims=3)
    )
    flat = MetaTensor(label[:, :, :, 0], affine=torch.diag(torch.tensor([0.4, 1.0, 1.0, 1.0])))
    np.testing.assert_array_equal(
        tube(flat), tubed_skeleton(label[:, :, :, 0], radius=1.6, spacing=(0.4, 1.0), spatial_dims=2)
    )


def test_skeletonizing_after_one_hot_loses_the_union_rule():
    label = torch.zeros(1, 12, 24, dtype=torch.uint8)
    label[:, 3:9, 2:12], label[:, 3:9, 12:22] = 1, 2
    onehot = torch.cat([label == c for c in (0, 1, 2)])
    tubes = TubedSkeletonize(radius=0)(label)
    assert not torch.equal(TubedSkeletonize(radius=0)(onehot), torch.cat([tubes == c for c in (0, 1, 2)]))
    assert TubedSkeletonize()(onehot)[0].any()  # the background gets a skeleton too


def test_deterministic_before_and_after_spatial_transforms():
    label = MetaTensor(torch.from_numpy(random_label("tubes", 2, 3))[None].float())
    flip = Affine(scale_params=(-1, 1), mode="nearest", padding_mode="zeros", image_only=True)
    for pipeline in (Compose([TubedSkeletonize(), flip]), Compose([flip, TubedSkeletonize()])):
        assert torch.equal(pipeline(label), pipeline(label))
        assert pipeline(label).any()


def test_pruning_by_the_affine_and_surfaces(device):
    label = torch.from_numpy(random_label("tubes", 3, 2)).to(device)[None]
    image = MetaTensor(label, affine=torch.diag(torch.tensor([0.5, 2.0, 1.0, 1.0])))
    pruned = Skeletonize(prune=6, units="mm")(image)
    assert isinstance(pruned, MetaTensor)
    spacing = (0.5, 2.0, 1.0)
    expected = skeletonize(label[0], prune=6, spacing=spacing)
    np.testing.assert_array_equal(pruned[0].cpu() != 0, expected.cpu())
    assert 0 < expected.sum() < skeletonize(label[0]).sum()
    assert torch.equal(Skeletonize(prune_factor=1.2, spacing=2)(label)[0] != 0, skeletonize(label[0], prune_factor=1.2))
    tube = TubedSkeletonize(radius=1, units="mm", prune=6)(image)
    assert torch.equal(tube.as_tensor()[0], tubed_skeleton(label[0], radius=1, spacing=spacing, prune=6))
    for transform, function in ((Skeletonize, skeletonize), (TubedSkeletonize, tubed_skeleton)):
        found = transform(kind="surface")(label)[0]
        assert torch.equal(found, function(label[0], kind="surface").to(found.dtype))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Skeletonize(kind="sheet"), ValueError, "`kind` to be one of 'curve', 'surface', got 'sheet'"),
        (lambda: Skeletonize(kind="surface")(np.zeros((1, 4, 4))), ValueError, "Expected a volume for kind='surface'"),
        (lambda: TubedSkeletonize(kind="surface", prune=1), ValueError, "a surface has no branches"),
        (lambda: Skeletonize(prune=-1), ValueError, "`prune` to be at least 0, got -1"),
        (lambda: Skeletonize(spacing=1, units="mm"), ValueError, "which takes that of each label, got both"),
        (lambda: Skeletonize(spacing=0), ValueError, "`spacing` to be a positive number"),
        (lambda: Skeletonize(spacing="a"), TypeError, "`spacing` to be a number, got str"),
        (lambda: TubedSkeletonize(spacing=(1, 2, 3, 4)), ValueError, "`spacing` to be a positive number or 3 of them"),
        (lambda: Skeletonize(units="mm")(np.zeros((1, 4, 4))), TypeError, "Expected a MetaTensor"),
        (
            lambda: TubedSkeletonize(method="hilditch"),
            ValueError,
            "`method` to be one of 'zhang', 'lee', 'thin', 'lee_skimage', got 'hilditch'",
        ),
        (lambda: TubedSkeletonize(radius=-1), ValueError, "`radius` to be at least 0, got -1"),
        (lambda: TubedSkeletonize(radius="2"), TypeError, "`radius` to be an int, got str"),
        (lambda: TubedSkeletonize(radius=1.5), TypeError, "a number of voxels, without `spacing`, got float"),
        (lambda: TubedSkeletonize(units="um"), ValueError, "`units` to be one of 'voxels', 'mm', got 'um'"),
        (lambda: TubedSkeletonize(spacing=1, units="mm"), ValueError, "which takes that of each label, got both"),
        (lambda: TubedSkeletonize(units="mm")(np.zeros((1, 4, 4))), TypeError, "Expected a MetaTensor"),
        (lambda: TubedSkeletonize(units="mm", radius=-0.5), ValueError, "`radius` to be at least 0, got -0.5"),
        (lambda: TubedSkeletonize(ignore_index=0), ValueError, "`ignore_index` to be another value than 0"),
        (
            lambda: TubedSkeletonize(backend="gpu"),
            ValueError,
            "`backend` to be one of 'auto', 'cpu', 'cuda', got 'gpu'",
        ),
        (lambda: Skeletonize(backend="gpu"), ValueError, "`backend` to be one of 'auto', 'cpu', 'cuda', got 'gpu'"),
        (lambda: Skeletonize(method="zhang")(np.zeros((1, 4, 4, 4))), ValueError, "`method` to be one of .* in 3-D"),
        (lambda: TubedSkeletonize()(np.zeros((4, 4))), ValueError, r"`img` of shape \(C, \*spatial\).* got \(4, 4\)"),
        (lambda: TubedSkeletonize()(np.zeros((1, 1, 4, 4, 4))), ValueError, r"`img` of shape \(C, \*spatial\)"),
        (lambda: TubedSkeletonize()([[1]]), TypeError, "`img` to be a torch.Tensor or a numpy.ndarray .* got list"),
        (lambda: TubedSkeletonize()(np.full((1, 4, 4), -1)), ValueError, "no negative class ids, got -1"),
        (lambda: Skeletonize()(np.full((1, 4, 4), np.nan)), ValueError, "`mask` to be finite"),
    ],
)
def test_bad_inputs_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
