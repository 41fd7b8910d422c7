"""What all functions have in common: voxels that 32 bits cannot number, with bits that hold a few numbers only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_topoloss import losses, metrics, topology, transforms
from monai_topoloss._checks import sizes
from monai_topoloss.backends.cuda.backend import BACKEND
from monai_topoloss.backends.portable.backend import BACKEND as PORTABLE
from monai_topoloss.losses.deep_supervision import downsample_skeleton

EDGES = {2: [(1, 0), (0, 1), (-2, 3)], 3: [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, -2, 3)]}


@pytest.fixture
def set_highest(monkeypatch):
    """Set the highest number of "32 bits"."""
    return lambda highest: monkeypatch.setattr(sizes, "HIGHEST", highest)


def make_ids(ndim, scale=1):
    rng = np.random.default_rng(0)
    shape = (9, 70) if ndim == 2 else (5, 6, 67)
    return rng.integers(1, 5, shape) * (rng.random(shape) < 0.7) * scale


def damage(ids):
    return np.where(np.random.default_rng(1).random(ids.shape) < 0.1, np.zeros((), ids.dtype), ids)


def join(ids):
    return topology.affinities(ids, EDGES[ids.ndim])


def pair(ids):
    return [torch.from_numpy(each)[None, None] for each in (damage(ids), ids)]


# Functions of ids and a connectivity.
FUNCTIONS = {
    "skeletonize": lambda ids, _: topology.skeletonize(ids),
    "lee_skimage": lambda ids, _: topology.skeletonize(ids, method="lee_skimage"),
    "tubed_skeleton": lambda ids, _: topology.tubed_skeleton(ids),
    "separate_instances": lambda ids, _: topology.separate_instances(ids),
    "label_components": lambda ids, n: topology.label_components(ids, connectivity=n),
    "betti_numbers": lambda ids, n: topology.betti_numbers(ids, connectivity=n),
    "euler_number": lambda ids, n: topology.euler_number(ids, connectivity=n),
    "soft_skeleton": lambda ids, _: topology.soft_skeleton(ids > 0),
    "critical_components": lambda ids, n: topology.critical_components(damage(ids), ids, connectivity=n),
    "two_connectivities": lambda ids, n: topology.critical_components(damage(ids), ids, object_connectivity=n),
    "affinities": lambda ids, _: join(ids),
    "label_affinities": lambda ids, _: topology.label_affinities(join(damage(ids)), EDGES[ids.ndim]),
    "critical_affinities": lambda ids, n: topology.critical_affinities(
        join(damage(ids)), ids, EDGES[ids.ndim], tolerance=n - 1
    ),
    "variation_of_information": lambda ids, _: metrics.compute_variation_of_information(*pair(ids), instances=True),
    "adapted_rand_error": lambda ids, _: metrics.compute_adapted_rand_error(*pair(ids), instances=True),
    "instance_score": lambda ids, _: metrics.compute_instance_score(*pair(ids)),
    "instances": lambda ids, n: transforms.AffinitiesToInstances(EDGES[ids.ndim], min_size=3 * n)(1.0 * join(ids)),
}


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_on_the_cpu_nothing_changes(name, ndim, dtype):
    scale = {np.int32: 100, np.int64: 2**40}.get(dtype, 1)
    ids, function = make_ids(ndim, scale).astype(dtype), FUNCTIONS[name]
    for connectivity in range(1, ndim + 1):
        expected = function(ids, connectivity)
        for highest in (5, 300):  # below and above the number of ids, both below that of voxels
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sizes, "HIGHEST", highest)
                found = function(ids, connectivity)
            for one, other in zip(_parts(found), _parts(expected), strict=True):
                np.testing.assert_array_equal(one, other)


def _parts(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize(("highest", "dtype"), [(12, np.int32), (11, np.int64)])
def test_labels_are_as_wide_as_numbers_of_an_image(highest, dtype, set_highest):
    set_highest(highest)
    images = np.ones((5, 3, 4), bool)
    edges = [(1, 0), (0, 1)]
    affinity = topology.affinities(images, edges)
    assert topology.label_components(images, spatial_dims=2).labels.dtype == dtype
    assert topology.label_affinities(affinity, edges).dtype == dtype
    assert transforms.AffinitiesToInstances(edges)(affinity[0].astype(np.float32)).dtype == dtype


def test_the_limit():
    assert sizes.type_of_numbers(2**31 - 1) == np.int32
    assert sizes.type_of_numbers(2**31) == np.int64
    sizes.check_size("mask", (1, 2**31 - 1, 1))
    with pytest.raises(ValueError, match="`mask` to have at most 2147483647 voxels at once on the GPU, got 2147483648"):
        sizes.check_size("mask", (2, 2**30, 1))
    sizes.check_size("mask", (1, 1288, 1288, 1288), border=1)
    with pytest.raises(ValueError, match="2147483647 voxels, with a border, at once on the GPU, got 2151685171: split"):
        sizes.check_size("mask", (1, 1289, 1289, 1289), border=1)
    with pytest.raises(ValueError, match="got 2147483655: split the batch, or compute on the CPU"):
        sizes.check_size("mask", (1, 238609293, 1), border=1)  # an image is a volume of one plane


@pytest.fixture
def _gpu(monkeypatch):
    """Let the backend of the GPU take tensors of the CPU, as far as it gets without a kernel."""
    monkeypatch.setattr("monai_topoloss.backends._load", lambda _: BACKEND)
    monkeypatch.setattr("monai_topoloss.backends.cuda.backend.device_for", lambda tensor: tensor.device)


IMAGES = torch.ones(2, 1, 4, 6, dtype=torch.uint8)  # 48 voxels, with borders 144 * 2
EDGE = [(0, 1)]
OPTIONS = {"spatial_dims": 2, "backend": "cuda"}
ON_GPU = {
    "skeletonize": ("mask", 288, lambda: topology.skeletonize(IMAGES, **OPTIONS)),
    "tubed_skeleton": ("label", 288, lambda: topology.tubed_skeleton(IMAGES, **OPTIONS)),
    "separate_instances": ("label", 288, lambda: topology.separate_instances(IMAGES, **OPTIONS)),
    "label_components": ("image", 48, lambda: topology.label_components(IMAGES, **OPTIONS)),
    "betti_numbers": ("mask", 48, lambda: topology.betti_numbers(IMAGES, **OPTIONS)),
    "cavities": ("mask", 192, lambda: topology.betti_numbers(IMAGES[:, 0], spatial_dims=3, backend="cuda")),
    "critical_components": ("input", 48, lambda: topology.critical_components(IMAGES, IMAGES, **OPTIONS)),
    "label_affinities": ("affinity", 48, lambda: topology.label_affinities(IMAGES, EDGE, backend="cuda")),
    "critical_affinities": (
        "target", 48, lambda: topology.critical_affinities(IMAGES, IMAGES[:, 0], EDGE, backend="cuda"),
    ),
    "skeleton_trees": ("mask", 144, lambda: topology.skeleton_trees(IMAGES[0, 0], backend="cuda")),
    "variation_of_information": (
        "y_pred", 24, lambda: metrics.compute_variation_of_information(IMAGES, IMAGES, instances=True, backend="cuda"),
    ),
    "adapted_rand_error": (
        "y_pred", 24, lambda: metrics.compute_adapted_rand_error(IMAGES, IMAGES, instances=True, backend="cuda"),
    ),
    "of_components": ("image", 48, lambda: metrics.compute_adapted_rand_error(IMAGES, IMAGES, backend="cuda")),
    "betti_error": ("mask", 48, lambda: metrics.compute_betti_error(IMAGES, IMAGES, backend="cuda")),
    "centerline_dice": ("mask", 288, lambda: metrics.compute_centerline_dice(IMAGES, IMAGES, backend="cuda")),
    "critical_error": ("input", 48, lambda: metrics.compute_critical_error(IMAGES, IMAGES, backend="cuda")),
    "skeleton_score": ("mask", 144, lambda: metrics.compute_skeleton_score(IMAGES, IMAGES, backend="cuda")),
    "skeleton_recall": ("label", 288, lambda: losses.SkeletonRecallLoss(backend="cuda")(1.0 * IMAGES, IMAGES)),
    "supervoxel": ("input", 48, lambda: losses.SupervoxelLoss(backend="cuda")(1.0 * IMAGES, IMAGES)),
    "supervoxel_affinity": (
        "target", 48, lambda: losses.SupervoxelAffinityLoss(EDGE, backend="cuda")(1.0 * IMAGES, IMAGES),
    ),
    "instances": (
        "affinity", 24, lambda: transforms.AffinitiesToInstances(EDGE, backend="cuda")(1.0 * IMAGES[0]),
    ),
}  # fmt: skip


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize("name", ON_GPU)
def test_on_the_gpu_they_are_refused_by_name(name, set_highest):
    argument, count, function = ON_GPU[name]
    set_highest(count - 1)
    border = ", with a border," if count > 48 else ""
    message = (
        f"`{argument}` to have at most {count - 1} voxels{border} at once on the GPU, got {count}: split the batch, o"
    )
    with pytest.raises(ValueError, match=message):
        function()


# What PyTorch computes: the module whose function it is, which looks where the tensor is.
OFF_CPU = {
    "losses.neighbor_penalty": (
        "input", 48, lambda: losses.NeighborPenalty(torch.nn.BCEWithLogitsLoss())(1.0 * IMAGES, 1.0 * IMAGES),
    ),
    "losses.deep_supervision": ("skeleton", 48, lambda: downsample_skeleton(IMAGES, (3, 4))),
    "metrics.instance_score": ("y_pred", 24, lambda: metrics.compute_instance_score(IMAGES, IMAGES)),
}  # fmt: skip


@pytest.mark.parametrize("module", OFF_CPU)
def test_where_pytorch_numbers_voxels_too(module, set_highest, monkeypatch):
    argument, count, function = OFF_CPU[module]
    set_highest(count - 1)
    function()
    monkeypatch.setattr(
        f"monai_topoloss.{module}.check_size_off_cpu",
        lambda name, tensor: sizes.check_size_off_cpu(name, tensor.to("meta")),
    )
    with pytest.raises(
        ValueError, match=f"`{argument}` to have at most {count - 1} voxels at once on the GPU, got {count}"
    ):
        function()


def test_soft_skeletons_off_the_cpu(set_highest):
    set_highest(23)
    image = torch.rand(2, 3, 4)
    with pytest.raises(ValueError, match="`image` to have at most 23 voxels at once on the GPU, got 24"):
        PORTABLE.soft_skeleton(image, iterations=1)


@pytest.mark.parametrize(("highest", "works"), [(7, True), (6, False)])
def test_skeletons_as_graphs(highest, works, set_highest):
    line = np.zeros((3, 9), np.uint8)
    line[1, 1:8] = 1
    set_highest(highest)
    if works:
        assert topology.skeleton_trees(line).number_of_nodes() == 7
    else:
        with pytest.raises(
            ValueError, match="skeletons of `instances` with at most 6 nodes and edges, got 7 and 6: ta"
        ):
            topology.skeleton_trees(line)
