"""The CUDA backend against the CPU's: on a GPU, and with its kernels compiled for the CPU, of the same source."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_topoloss._edges import join_equal
from monai_topoloss.backends.cpu.backend import BACKEND as CPU
from monai_topoloss.backends.cuda.backend import BACKEND
from monai_topoloss.topology._balls import make_ball
from tests.backends.cuda import host
from tests.images import KINDS, random_mask


class OnDevice:
    """The backend, on tensors that are taken to a device and back."""

    def __init__(self, device):
        self.device = device

    def __getattr__(self, name):
        def compute(*tensors, **options):
            result = getattr(BACKEND, name)(*(tensor.to(self.device) for tensor in tensors), **options)
            if isinstance(result, torch.Tensor):
                assert result.device.type == self.device
                return result.cpu()
            parts = [part.cpu() for part in result]
            return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)

        return compute


@pytest.fixture(params=["host", pytest.param("gpu", marks=pytest.mark.gpu)])
def cuda(request, monkeypatch):
    if request.param == "gpu":
        return OnDevice("cuda")
    if host.compiler() is None:
        pytest.skip("needs a C++ compiler")
    for module in ("affinities", "skeleton", "components", "critical", "betti"):
        monkeypatch.setattr(f"monai_topoloss.backends.cuda.{module}.launch", host.launch)
    monkeypatch.setattr("monai_topoloss.backends.cuda.backend.device_for", lambda tensor: tensor.device)
    return OnDevice("cpu")


def make_batch(ndim, seed, count=3, size=20):
    masks = [random_mask(KINDS[(seed + k) % len(KINDS)], ndim, seed + k, size) for k in range(count)]
    batch = np.zeros((count, *np.max([mask.shape for mask in masks], axis=0)), dtype=bool)
    for item, mask in zip(batch, masks, strict=True):
        item[tuple(map(slice, mask.shape))] = mask
    return torch.from_numpy(batch)


def make_ids(ndim, seed, ids, count=2, size=16):
    shape = (count, *(size - axis for axis in range(ndim)))
    return torch.from_numpy(np.random.default_rng(seed).integers(0, ids, shape))


def assert_equal(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(("ndim", "method"), [(2, "zhang"), (2, "thin"), (2, "lee"), (3, "lee"), (3, "lee_surface")])
@pytest.mark.parametrize("seed", range(12))
def test_skeletonize(cuda, ndim, method, seed):
    mask = make_batch(ndim, seed)
    assert_equal(cuda.skeletonize(mask, method=method), CPU.skeletonize(mask, method=method))


@pytest.mark.parametrize("density", [0.05, 0.3, 0.6, 0.9, 1.0])
def test_skeletonize_noise(cuda, density):
    mask = torch.from_numpy(np.random.default_rng(0).random((3, 14, 15, 16)) < density)
    for method in ("lee", "lee_surface"):
        assert_equal(cuda.skeletonize(mask, method=method), CPU.skeletonize(mask, method=method))


@pytest.mark.parametrize(("radius", "spacing"), [(0, None), (2, None), (1.5, 0.5)])
@pytest.mark.parametrize("ndim", [2, 3])
def test_dilate(cuda, ndim, radius, spacing):
    mask = make_batch(ndim, 1) & (
        torch.rand(make_batch(ndim, 1).shape, generator=torch.Generator().manual_seed(0)) < 0.1
    )
    ball = make_ball(radius, spacing, mask.shape[1:])
    assert_equal(cuda.dilate(mask, ball=ball), CPU.dilate(mask, ball=ball))


def test_every_code_is_decided_as_on_the_cpu(cuda):
    """Of many neighbourhoods, those of which the centre goes first."""
    cubes = torch.from_numpy(np.random.default_rng(0).random((4000, 3, 3, 3)) < 0.5)
    cubes[:, 1, 1, 1] = True
    for method in ("lee", "lee_surface"):
        assert_equal(cuda.skeletonize(cubes, method=method), CPU.skeletonize(cubes, method=method))


@pytest.mark.parametrize(
    ("radius", "spacing"), [(0, None), (1, None), (2, None), (5, None), (100, None), (1.5, 0.5), (4.0, (1.3, 2.1, 0.6))]
)
@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_tubed_skeleton(cuda, radius, spacing, per_class, dtype):
    for ndim, method in ((2, "zhang"), (2, "thin"), (3, "lee"), (3, "lee_surface")):
        label = make_batch(ndim, 0).to(dtype)
        label[:, ::2] *= 2
        ball = make_ball(radius, spacing[:ndim] if isinstance(spacing, tuple) else spacing, label.shape[1:])
        options = {"ball": ball, "per_class": per_class, "method": method}
        assert_equal(cuda.tubed_skeleton(label, **options), CPU.tubed_skeleton(label, **options))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("ids", [2, 3, 2**20, 2**61])
def test_label_components(cuda, ndim, ids):
    for seed in range(4):
        image = make_ids(ndim, seed, min(ids, 4)) * max(1, ids // 4)
        for connectivity in range(1, ndim + 1):
            found, expected = (b.label_components(image, connectivity=connectivity) for b in (cuda, CPU))
            assert_equal(found[0], expected[0])
            assert_equal(found[1], expected[1])


@pytest.mark.parametrize(("low", "high"), [(1, 65), (2**30 - 1, 2**31 - 1), (1, 2**31 + 1), (2**30, 2**31)])
def test_ids_that_differ_in_high_bits_are_told_apart(cuda, low, high):
    image = torch.tensor([[[low, low, high, high]]])
    assert cuda.label_components(image, connectivity=2)[0].tolist() == [[[1, 1, 2, 2]]]
    options = {"num_classes": None, "object_connectivity": 2, "mistake_connectivity": 2}
    for gone in ([1, 2], [1]):
        broken = image.clone()
        broken[..., gone] = 0
        assert not cuda.critical_components(broken, image, **options).n_splits.any()


@pytest.mark.parametrize("scale", [1, 2**40])
def test_objects_that_cannot_be_doubled_are_refused(cuda, scale, monkeypatch):
    target = torch.arange(1, 13).reshape(1, 3, 4) * scale
    input = torch.where(target % 5 == 0, 0, target)
    monkeypatch.setattr("monai_topoloss._checks.sizes.HIGHEST", 12)
    assert_equal(cuda.label_components(target, connectivity=1)[0], torch.arange(1, 13).int().reshape(1, 3, 4))
    options = {"num_classes": None, "object_connectivity": 1, "mistake_connectivity": 1}
    few = target.clamp(max=6 * scale)
    assert cuda.critical_components(few * (few > scale), few, **options).n_splits.item() == 1
    with pytest.raises(ValueError, match="`target` to have at most 6 different objects at once on the GPU, got 12"):
        cuda.critical_components(input, target, **options)


def test_euler_numbers_of_any_number_of_voxels(cuda, monkeypatch):
    mask = make_batch(3, 0)
    monkeypatch.setattr("monai_topoloss._checks.sizes.HIGHEST", 5)
    assert_equal(cuda.euler_number(mask, connectivity=3), CPU.euler_number(mask, connectivity=3))


@pytest.mark.parametrize("edges", [[(1, 0), (0, 1), (-3, 4)], [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-2, 0, 5)]])
def test_label_affinities(cuda, edges):
    shape = (2, len(edges), *(10, 11, 12)[: len(edges[0])])
    for density in (0.1, 0.4, 0.9):
        affinity = torch.from_numpy(np.random.default_rng(0).random(shape) < density)
        assert_equal(cuda.label_affinities(affinity, edges=edges), CPU.label_affinities(affinity, edges=edges))


@pytest.mark.parametrize("edges", [[(1, 0), (0, 1), (-3, 4)], [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-2, 0, 5)]])
@pytest.mark.parametrize("wrong", [0.02, 0.2, 0.5, 1.0])
def test_critical_affinities(cuda, edges, wrong):
    rng = np.random.default_rng(0)
    for values in (2, 4, 2**40):
        shape = (3, *(6, 7, 8)[: len(edges[0])])
        target = torch.from_numpy(rng.integers(0, 4, shape)).repeat_interleave(2, dim=-1) * (values // 2)
        truth = join_equal(target, edges)
        input = truth ^ torch.from_numpy(rng.random(truth.shape) < wrong)
        apart = input.transpose(-1, -2).contiguous().transpose(-1, -2)  # as strides may be
        for tolerance in (0, 1, 2):
            expected = CPU.critical_affinities(input, target, edges=edges, tolerance=tolerance)
            for predicted in (input, apart):
                found = cuda.critical_affinities(predicted, target, edges=edges, tolerance=tolerance)
                for name in found._fields:
                    assert_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(("ids", "num_classes"), [(2, None), (4, None), (4, 4), (2, 2)])
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_critical_components(cuda, ndim, ids, num_classes, dtype):
    for seed in range(4):
        target = make_ids(ndim, seed, ids)
        wrong = torch.from_numpy(np.random.default_rng(seed).random(target.shape) < (0.05, 0.2, 0.5, 0.9)[seed])
        input = torch.where(wrong, make_ids(ndim, seed + 50, ids), target)
        for object_connectivity in range(1, ndim + 1):
            for mistake_connectivity in range(1, ndim + 1):
                options = {
                    "num_classes": num_classes,
                    "object_connectivity": object_connectivity,
                    "mistake_connectivity": mistake_connectivity,
                }
                found, expected = (
                    b.critical_components(input.to(dtype), target.to(dtype), **options) for b in (cuda, CPU)
                )
                for name in found._fields:
                    assert_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("connectivities", [(1, 3), (3, 1), (2, 2)])
def test_critical_components_of_masks_and_instances_in_a_batch(cuda, connectivities):
    """Each item is taken for what it is."""
    options = {"object_connectivity": connectivities[0], "mistake_connectivity": connectivities[1], "num_classes": None}
    for seed in range(6):
        input, target = make_ids(3, seed, 4, count=4), make_ids(3, seed + 50, 4, count=4)
        for image in (input, target):
            image[seed % 4] = (image[seed % 4] > 1) * 3
        target[3] = target[3] > 0
        found, expected = (b.critical_components(input, target, **options) for b in (cuda, CPU))
        for name in found._fields:
            assert_equal(getattr(found, name), getattr(expected, name))


def test_more_classes_than_a_byte_holds(cuda):
    input, target = (make_ids(2, seed, 250).to(torch.uint8) for seed in range(2))
    options = {"num_classes": 300, "object_connectivity": 2, "mistake_connectivity": 2}
    found, expected = (b.critical_components(input, target, **options) for b in (cuda, CPU))
    assert_equal(found.n_splits, expected.n_splits)
    assert_equal(found.n_merges, expected.n_merges)


def test_memory_in_another_order(cuda):
    """One plane with its channels last counts as contiguous."""
    mask = torch.from_numpy(np.random.default_rng(0).random((3, 12, 13, 1)) < 0.4).permute(0, 3, 1, 2)
    assert_equal(cuda.skeletonize(mask, method="lee"), CPU.skeletonize(mask, method="lee"))
    assert_equal(cuda.betti_numbers(mask, connectivity=3), CPU.betti_numbers(mask, connectivity=3))
    assert_equal(cuda.betti_numbers(mask.mT, connectivity=1), CPU.betti_numbers(mask.mT, connectivity=1))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_betti_numbers(cuda, ndim, seed):
    mask = make_batch(ndim, seed)
    for connectivity in range(1, ndim + 1):
        for name in ("betti_numbers", "euler_number"):
            found, expected = (getattr(b, name)(mask, connectivity=connectivity) for b in (cuda, CPU))
            assert_equal(found, expected)


@pytest.mark.parametrize("foreground_only", [True, False])
def test_compare_partitions(cuda, foreground_only):
    images = [make_ids(3, seed, 5) for seed in range(2)]
    images[1][1] = 0
    found, expected = (b.compare_partitions(*images, foreground_only=foreground_only) for b in (cuda, CPU))
    for name in found._fields:
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(0, 5, 6), (2, 0, 6), (2, 1, 1), (1, 1, 1, 1), (0, 4, 4, 4), (2, 0, 3, 3)])
def test_without_voxels(cuda, shape):
    mask = torch.ones(shape, dtype=torch.bool)
    ndim = len(shape) - 1
    method = "zhang" if ndim == 2 else "lee"
    assert_equal(cuda.skeletonize(mask, method=method), CPU.skeletonize(mask, method=method))
    options = {"ball": make_ball(2, None, shape[1:]), "per_class": True, "method": method}
    assert_equal(cuda.tubed_skeleton(mask, **options), CPU.tubed_skeleton(mask, **options))
    for found, expected in zip(
        cuda.label_components(mask, connectivity=1), CPU.label_components(mask, connectivity=1), strict=True
    ):
        assert_equal(found, expected)
    options = {"num_classes": None, "object_connectivity": 1, "mistake_connectivity": 1}
    for ids in (mask, mask.to(torch.uint8), mask.long()):
        for found, expected in zip(
            cuda.critical_components(ids, ids, **options), CPU.critical_components(ids, ids, **options), strict=True
        ):
            assert_equal(found, expected)
    assert_equal(cuda.betti_numbers(mask, connectivity=ndim), CPU.betti_numbers(mask, connectivity=ndim))
