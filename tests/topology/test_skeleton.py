from __future__ import annotations

from functools import partial

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import skimage.io
import skimage.measure
import skimage.morphology
import torch
from hypothesis import given, settings
from monai.data import MetaTensor

from monai_topoloss.topology import skeletonize, tubed_skeleton
from tests.images import KINDS, random_label, random_mask
from tests.oracles import lee
from tests.oracles import skeleton_recall as oracle

AS_SCIKIT_IMAGE = {2: "zhang", 3: "lee_skimage"}
SMALL_LABELS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=3, max_side=7), elements=st.integers(0, 3))


@pytest.mark.parametrize("method", ["zhang", "lee_skimage"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [9, 48, 150])
def test_2d_equals_scikit_image(kind, size, method, device):
    for seed in range(12):
        mask = random_mask(kind, 2, seed, size=size)
        skeleton = skeletonize(
            torch.from_numpy(mask).to(device), method=method, backend="auto" if method == "zhang" else "cpu"
        )
        assert skeleton.dtype == torch.bool
        assert skeleton.device.type == device.type
        expected = skimage.morphology.skeletonize(mask, method=method.removesuffix("_skimage"))
        np.testing.assert_array_equal(skeleton.cpu(), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [9, 48, 150])
def test_thin_equals_scikit_image(kind, size, device):
    for seed in range(12):
        mask = random_mask(kind, 2, seed, size=size)
        skeleton = skeletonize(torch.from_numpy(mask).to(device), method="thin")
        np.testing.assert_array_equal(skeleton.cpu(), skimage.morphology.thin(mask))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [6, 24, 70])
def test_3d_equals_scikit_image(kind, size):
    for seed in range(25 if size < 70 else 6):
        mask = random_mask(kind, 3, seed, size=size)
        skeleton = skeletonize(mask, method="lee_skimage", spatial_dims=3)
        np.testing.assert_array_equal(skeleton, skimage.morphology.skeletonize(mask))


@pytest.mark.parametrize(
    "shape", [(1, 12, 13), (12, 1, 13), (12, 13, 1), (1, 1, 9), (9, 1, 1), (1, 9, 1), (1, 1, 1), (4, 5, 64)]
)
@pytest.mark.parametrize("density", [0.3, 0.8, 1.0])
def test_one_voxel_dimensions_equal_scikit_image(shape, density):
    mask = np.random.default_rng(0).random(shape) < density
    np.testing.assert_array_equal(skeletonize(mask, method="lee_skimage"), skimage.morphology.skeletonize(mask))


@pytest.mark.parametrize("offset", range(8))
@pytest.mark.parametrize("width", [61, 62, 63, 64, 65, 124, 125, 130])
def test_voxels_at_the_ends_of_words(offset, width):
    rng = np.random.default_rng(width)
    mask = np.zeros((6, 7, width + 8), bool)
    mask[1:5, 1:6, offset : offset + width] = rng.random((4, 5, width)) < 0.7
    np.testing.assert_array_equal(skeletonize(mask, method="lee_skimage"), skimage.morphology.skeletonize(mask))
    for plane in mask:
        np.testing.assert_array_equal(skeletonize(plane), skimage.morphology.skeletonize(plane))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_lee_equals_its_literal_definition(ndim, kind, device):
    for seed in range(4):
        mask = random_mask(kind, ndim, seed, size=9)
        skeleton = skeletonize(torch.from_numpy(mask).to(device), method="lee")
        np.testing.assert_array_equal(skeleton.cpu(), lee.thin(mask))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_lee_keeps_the_topology(ndim, kind, device):
    for seed in range(40):
        mask = random_mask(kind, ndim, seed, size=24 if seed % 2 else 8)
        skeleton = skeletonize(torch.from_numpy(mask).to(device), method="lee", spatial_dims=ndim).cpu().numpy()
        assert not (skeleton & ~mask).any()
        assert lee.betti_numbers(skeleton) == lee.betti_numbers(mask)


@settings(max_examples=300, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=3, max_side=6)))
def test_lee_keeps_the_topology_of_small_masks(mask):
    assert lee.betti_numbers(skeletonize(mask, method="lee")) == lee.betti_numbers(mask)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_lee_leaves_nothing_to_delete(ndim, kind):
    for seed in range(5):
        mask = random_mask(kind, ndim, seed, size=16)
        skeleton = skeletonize(mask, method="lee")
        np.testing.assert_array_equal(skeletonize(skeleton, method="lee"), skeleton)
        volume = np.pad(skeleton if ndim == 3 else skeleton[None], 1)
        for z, y, x in np.argwhere(volume):
            assert not lee.is_deletable(volume[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2])


@pytest.mark.parametrize("method", ["zhang", "thin", "lee", "lee_skimage"])
@pytest.mark.parametrize("kind", ["tubes", "noise", "boxes"])
def test_padding_cropping_and_shifting_change_nothing(method, kind, device):
    ndim = 2 if method in ("zhang", "thin") else 3
    backend = "cpu" if method == "lee_skimage" else "auto"
    mask = np.pad(random_mask(kind, ndim, 1), 1)  # of one plane, scikit-image thins in other directions
    expected = skeletonize(mask, method=method)
    for before, after in ((1, 0), (0, 3), (5, 64)):
        padded = torch.from_numpy(np.pad(mask, (before, after))).to(device)
        skeleton = skeletonize(padded, method=method, backend=backend).cpu().numpy()
        inside = (slice(before, -after or None),) * ndim
        np.testing.assert_array_equal(skeleton[inside], expected)
        assert skeleton.sum() == expected.sum()


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("radius", [0, 1, 2, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, bool])
def test_tubed_skeleton_equals_the_definition(ndim, kind, radius, dtype, device):
    label = random_label(kind, ndim, seed=radius).astype(dtype)
    tubes = tubed_skeleton(torch.from_numpy(label).to(device), radius=radius, spatial_dims=ndim)
    assert tubes.device.type == device.type
    thin = partial(skeletonize, spatial_dims=ndim)
    np.testing.assert_array_equal(tubes.cpu(), oracle.tubed_skeleton(label, radius, thin), strict=True)
    tubes = tubed_skeleton(label, radius=radius, method=AS_SCIKIT_IMAGE[ndim], spatial_dims=ndim)
    np.testing.assert_array_equal(tubes, oracle.tubed_skeleton(label, radius), strict=True)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_per_class_is_the_definition_applied_to_each_class(ndim, kind, device):
    label = random_label(kind, ndim, seed=3)
    expected = sum(oracle.tubed_skeleton(label * (label == c), 2, skeletonize) for c in np.unique(label)) + 0 * label
    tubes = tubed_skeleton(torch.from_numpy(label).to(device), per_class=True)
    np.testing.assert_array_equal(tubes.cpu(), expected)


def test_per_class_gives_every_class_a_skeleton():
    label = np.ones((9, 21), np.uint8)
    label[3:6] = 2  # the wall of a vessel has no part in the skeleton of the whole
    assert set(np.unique(tubed_skeleton(label, radius=0))) == {0, 2}
    assert set(np.unique(tubed_skeleton(label, radius=0, per_class=True))) == {0, 1, 2}


@pytest.mark.parametrize("ignore_index", [255, 3, -1])
@pytest.mark.parametrize("ndim", [2, 3])
def test_ignored_voxels_are_background(ignore_index, ndim, device):
    label = random_label("blobs", ndim, seed=0).astype(np.int16)
    label[label == 3] = ignore_index
    background = np.where(label == ignore_index, 0, label)
    tubes = tubed_skeleton(torch.from_numpy(label).to(device), ignore_index=ignore_index)
    np.testing.assert_array_equal(tubes.cpu(), oracle.tubed_skeleton(background, 2, skeletonize))


def test_negative_ignore_index_does_not_wrap_round_to_255(device):
    label = torch.full((9, 9), 255, dtype=torch.uint8, device=device)
    assert tubed_skeleton(label, ignore_index=-1).max() == 255
    assert tubed_skeleton(label, ignore_index=255).max() == 0


@settings(max_examples=200, deadline=None)
@given(SMALL_LABELS, st.integers(0, 3), st.booleans())
def test_a_tube_stays_in_its_class_and_holds_the_skeleton(label, radius, per_class):
    tubes = tubed_skeleton(label, radius=radius, per_class=per_class)
    assert ((tubes == 0) | (tubes == label)).all()
    bare = tubed_skeleton(label, radius=0, per_class=per_class)
    assert (tubes[bare > 0] > 0).all()


@settings(max_examples=200, deadline=None)
@given(SMALL_LABELS)
def test_a_skeleton_lies_within_the_mask(label):
    assert not skeletonize(label)[label == 0].any()


@pytest.mark.parametrize("ndim", [2, 3])
def test_leading_axes_count_independent_images(ndim, device):
    labels = np.stack([np.resize(random_label(kind, ndim, 0), (13,) * ndim) for kind in KINDS[:6]])
    batch = torch.from_numpy(labels.reshape(2, 3, *labels.shape[1:])).to(device)
    for function in (skeletonize, tubed_skeleton):
        result = function(batch, spatial_dims=ndim)
        assert result.shape == batch.shape
        for item, expected in zip(result.flatten(0, 1), batch.flatten(0, 1), strict=True):
            assert torch.equal(item, function(expected))


@pytest.mark.parametrize("function", [skeletonize, tubed_skeleton])
@pytest.mark.parametrize("shape", [(0, 5), (5, 0, 5), (0, 0)])
def test_empty_shapes(function, shape, device):
    assert function(torch.zeros(shape, device=device)).shape == shape
    assert function(torch.zeros(0, 2, 5, 5, device=device), spatial_dims=2).shape == (0, 2, 5, 5)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int32", "uint32", "int64", "float16", "float64"])
def test_numpy_keeps_its_kind(dtype):
    label = random_label("tubes", 2, 0).astype(dtype)
    tubes = tubed_skeleton(label)
    assert type(tubes) is np.ndarray
    np.testing.assert_array_equal(tubes, oracle.tubed_skeleton(label, 2), strict=True)
    assert skeletonize(label).dtype == bool


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.uint16, torch.int32, torch.half, torch.bfloat16])
def test_tensors_keep_their_kind(dtype, device):
    label = torch.from_numpy(random_label("tubes", 3, 0)).to(device, dtype)
    tubes = tubed_skeleton(label)
    assert type(tubes) is torch.Tensor
    assert tubes.dtype == dtype
    assert tubes.device == label.device
    assert skeletonize(label).dtype == torch.bool


def test_metatensors_keep_their_metadata():
    affine = torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0]))
    label = MetaTensor(torch.ones(5, 5, 5), affine=affine, meta={"filename_or_obj": "a.nii.gz"})
    for result in (tubed_skeleton(label), skeletonize(label)):
        assert isinstance(result, MetaTensor)
        assert torch.equal(result.affine, label.affine)
        assert result.meta["filename_or_obj"] == "a.nii.gz"


def test_inputs_are_left_alone_and_outputs_are_fresh(device):
    label = torch.from_numpy(random_label("full", 2, 0)).to(device)
    before = label.clone()
    tubes = tubed_skeleton(label, radius=50)
    tubes.zero_()
    assert torch.equal(label, before)


def test_non_contiguous_and_gradient_inputs(device):
    label = torch.from_numpy(random_label("blobs", 3, 1)).to(device).float()
    expected = tubed_skeleton(label.transpose(0, 2).contiguous())
    assert torch.equal(tubed_skeleton(label.transpose(0, 2)), expected)
    assert torch.equal(tubed_skeleton(label.transpose(0, 2).requires_grad_()), expected)
    numpy_view = label.cpu().numpy()[::-1, ::2]
    np.testing.assert_array_equal(tubed_skeleton(numpy_view), tubed_skeleton(numpy_view.copy()))


def test_a_read_only_array():
    label = random_label("tubes", 2, 0)
    label.setflags(write=False)
    np.testing.assert_array_equal(tubed_skeleton(label), oracle.tubed_skeleton(label, 2))


def test_an_id_that_half_types_cannot_hold_is_nowhere():
    label = torch.from_numpy(random_label("tubes", 2, 0)).half()
    assert torch.equal(tubed_skeleton(label, ignore_index=100_000), tubed_skeleton(label))


@pytest.mark.parametrize(
    ("dtype", "held"), [(torch.float16, 2**11), (torch.bfloat16, 2**8), (torch.float32, 2**24), (torch.float64, 2**53)]
)
def test_an_id_is_not_rounded_to_one_that_the_type_holds(dtype, held):
    label = torch.full((5, 5), held, dtype=dtype)
    assert torch.equal(tubed_skeleton(label, ignore_index=held + 1), tubed_skeleton(label))
    assert not tubed_skeleton(label, ignore_index=held).any()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32, torch.float64])
@pytest.mark.parametrize("ignore_index", [10**30, -(10**30), 10**400])
def test_an_id_that_no_type_holds_is_nowhere(dtype, ignore_index):
    label = torch.ones(5, 5, dtype=dtype)
    assert torch.equal(tubed_skeleton(label, ignore_index=ignore_index), tubed_skeleton(label))


def test_big_endian_array():
    label = random_label("tubes", 2, 0).astype(">i4")
    np.testing.assert_array_equal(tubed_skeleton(label), tubed_skeleton(label.astype("i4")))


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (skeletonize, {"mask": [[1]]}, TypeError, r"`mask` to be a torch.Tensor or a numpy.ndarray .* got list"),
        (skeletonize, {"mask": np.array([["a"]])}, TypeError, r"`mask` .* got an array of <U1"),
        (skeletonize, {"mask": torch.zeros(3, 3, dtype=torch.cfloat)}, TypeError, "`mask` .* got torch.complex64"),
        (skeletonize, {"mask": torch.zeros(4)}, ValueError, r"`mask` to have 2 or 3 axes, got shape \(4,\)"),
        (
            skeletonize,
            {"mask": torch.zeros(1, 1, 4, 4)},
            ValueError,
            "for leading batch or channel axes pass `spatial_",
        ),
        (skeletonize, {"mask": torch.zeros(4, 4), "spatial_dims": 3}, ValueError, "at least 3 axes, got shape"),
        (
            skeletonize,
            {"mask": torch.zeros(4, 4), "spatial_dims": 1},
            ValueError,
            "`spatial_dims` to be one of 2, 3, got 1",
        ),
        (skeletonize, {"mask": torch.full((3, 3), torch.nan)}, ValueError, "`mask` to be finite, got NaN or infinity"),
        (
            skeletonize,
            {"mask": torch.zeros(4, 4), "method": "hilditch"},
            ValueError,
            "'zhang', 'lee', 'thin', 'lee_skimage' in 2-D, got 'hilditch'",
        ),
        (
            skeletonize,
            {"mask": torch.zeros(4, 4, 4), "method": "zhang"},
            ValueError,
            "'lee', 'lee_skimage' in 3-D, got 'zhang'",
        ),
        (skeletonize, {"mask": torch.zeros(4, 4), "backend": "gpu"}, ValueError, "'auto', 'cpu', 'cuda', got 'gpu'"),
        (
            skeletonize,
            {"mask": torch.zeros(4, 4), "kind": "line"},
            ValueError,
            "`kind` to be one of 'curve', 'surface'",
        ),
        (
            skeletonize,
            {"mask": torch.zeros(4, 4), "kind": "surface"},
            ValueError,
            "a volume for kind='surface', got an im",
        ),
        (
            skeletonize,
            {"mask": torch.zeros(4, 4, 4), "kind": "surface", "method": "lee_skimage"},
            ValueError,
            "`method` to be 'lee' with kind='surface', got 'lee_skimage'",
        ),
        (
            skeletonize,
            {"mask": torch.zeros(4, 4, 4), "kind": "surface", "prune": 3},
            ValueError,
            "with kind='curve' only: a surface has no branches",
        ),
        (skeletonize, {"mask": torch.zeros(4, 4), "prune": -1}, ValueError, "`prune` to be at least 0, got -1"),
        (skeletonize, {"mask": torch.zeros(4, 4), "prune": "3"}, TypeError, "`prune` to be a number, got str"),
        (skeletonize, {"mask": torch.zeros(4, 4), "prune_factor": -0.5}, ValueError, "`prune_factor` to be at least 0"),
        (skeletonize, {"mask": torch.zeros(4, 4), "prune": 3, "spacing": 0}, ValueError, "`spacing` to be a positive"),
        (tubed_skeleton, {"label": None}, TypeError, "`label` to be a torch.Tensor .* got NoneType"),
        (tubed_skeleton, {"label": torch.zeros(4, 4), "radius": -1}, ValueError, "`radius` to be at least 0, got -1"),
        (tubed_skeleton, {"label": torch.zeros(4, 4), "radius": 1.5}, TypeError, "`radius` to be an int, .* got float"),
        (tubed_skeleton, {"label": torch.zeros(4, 4), "radius": True}, TypeError, "`radius` to be an int, got bool"),
        (
            tubed_skeleton,
            {"label": torch.tensor([[0, -2]])},
            ValueError,
            "`label` to hold no negative class ids, got -2",
        ),
        (tubed_skeleton, {"label": torch.tensor([[0.5, 1]])}, ValueError, "`label` to hold class ids.*mode='nearest'"),
        (tubed_skeleton, {"label": torch.tensor([[torch.inf, 1]])}, ValueError, "`label` to hold class ids"),
        (tubed_skeleton, {"label": np.zeros((4, 4), np.longdouble)}, TypeError, "`label` .* got an array of "),
        (tubed_skeleton, {"label": torch.zeros(4, 4), "spatial_dims": 2.0}, TypeError, "`spatial_dims` to be an int"),
        (tubed_skeleton, {"label": torch.tensor([[torch.nan, 1]])}, ValueError, "`label` to hold class ids"),
        (
            tubed_skeleton,
            {"label": torch.zeros(4, 4), "ignore_index": 0},
            ValueError,
            "than 0, which is the background",
        ),
        (tubed_skeleton, {"label": torch.zeros(4, 4), "ignore_index": 1.0}, TypeError, "`ignore_index` to be an int"),
        (
            skeletonize,
            {"mask": torch.zeros(4, 4), "method": np.zeros(2)},
            ValueError,
            "`method` to be one of 'zhang', .* got array",
        ),
        (
            skeletonize,
            {"mask": torch.zeros(4, 4), "backend": np.zeros(2)},
            ValueError,
            "`backend` to be one of 'auto', .* got array",
        ),
    ],
)
def test_bad_inputs_are_named(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(**arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vesselexpress_patch", "pinky40_neurites"])
def test_real_volumes(name, real_data):
    import nibabel

    (path,) = (real_data / name / "labels").glob("*.nii.gz")
    label = np.asarray(nibabel.load(path).dataobj).astype(np.int32)
    masks = [label[:128, :128, :128] > 0]
    if name == "pinky40_neurites":
        counts = np.bincount(label.ravel())
        neurites = np.argsort(counts)[::-1][2:22]  # the largest fill much of the volume
        for neurite in neurites:
            mask = label == neurite
            low, high = np.argwhere(mask).min(axis=0), np.argwhere(mask).max(axis=0) + 1
            masks.append(np.pad(mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], 2))
    for mask in masks:
        skeleton = skeletonize(mask, method="lee_skimage", spatial_dims=3)
        np.testing.assert_array_equal(skeleton, skimage.morphology.skeletonize(mask))
        skeleton = skeletonize(mask)
        labels = [skimage.measure.label(m, connectivity=3, return_num=True)[1] for m in (mask, skeleton)]
        assert labels[0] == labels[1]
        euler = [skimage.measure.euler_number(m, connectivity=3) for m in (mask, skeleton)]
        assert euler[0] == euler[1]
    tubes = tubed_skeleton(label[:128, :128, :128], method="lee_skimage")
    np.testing.assert_array_equal(tubes, oracle.tubed_skeleton(label[:128, :128, :128], 2))


@pytest.mark.slow
def test_real_images(real_data):
    paths = sorted((real_data / "topomortar" / "dataset").rglob("accurate/*.png"))
    assert len(paths) == 120
    for path in paths:
        mask = skimage.io.imread(path) > 0
        np.testing.assert_array_equal(skeletonize(mask), skimage.morphology.skeletonize(mask))


def test_a_bool_label_ignores_nothing_else():
    label = torch.ones(9, 9, dtype=torch.bool)
    assert torch.equal(tubed_skeleton(label, ignore_index=255), tubed_skeleton(label))
    assert not tubed_skeleton(label, ignore_index=1).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (1, 1, 4)])
def test_flipped_axis_of_length_one(shape):
    mask = np.ones(shape, bool)
    np.testing.assert_array_equal(skeletonize(np.flip(mask, 0)), skeletonize(mask))
    np.testing.assert_array_equal(tubed_skeleton(np.flip(mask, 0)), tubed_skeleton(mask))
