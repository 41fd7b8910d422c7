from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage
from skimage import measure

from monai_topoloss.topology import betti_numbers, euler_number
from tests.images import KINDS, random_mask
from tests.oracles import homology


def all_masks(shape):
    bits = np.arange(2 ** np.prod(shape))[:, None] >> np.arange(np.prod(shape))
    return (bits & 1).astype(bool).reshape(-1, *shape)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 2), (2, 3), (3, 3), (3, 4), (4, 4)])
@pytest.mark.parametrize("connectivity", [1, 2])
def test_every_small_image(shape, connectivity):
    masks = all_masks(shape)
    found = betti_numbers(masks, connectivity=connectivity, spatial_dims=2)
    turned = [np.rot90(masks, k, axes=(1, 2)) for k in range(4)]
    alike = [m for each in turned for m in (each, each.swapaxes(1, 2)) if m.shape == masks.shape]
    names = np.min([m.reshape(len(masks), -1) @ (1 << np.arange(masks[0].size)) for m in alike], axis=0)
    _, first, of_name = np.unique(names, return_index=True, return_inverse=True)
    known = np.array([homology.betti_numbers(masks[k], closed=connectivity == 2) for k in first])
    np.testing.assert_array_equal(found, known[of_name])


@pytest.mark.parametrize("connectivity", [1, 3])
@pytest.mark.parametrize("seed", range(100))
def test_small_volumes(connectivity, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 6, 3)) < rng.uniform(0.2, 0.8)
    expected = homology.betti_numbers(mask, closed=connectivity == 3)
    assert betti_numbers(mask, connectivity=connectivity).tolist() == expected


def test_all_but_0_is_foreground():
    image = np.array([[-1.0, 0, 0.25], [-2, 0, 3]])
    assert betti_numbers(image).tolist() == [2, 0]
    assert euler_number(image) == 2


@pytest.mark.parametrize("seed", range(50))
def test_neighbours_across_faces_and_edges(seed):
    """Cubes that share no more than a corner are parted there, by taking a little off: twice the resolution."""
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(2, 5, 3)) < rng.uniform(0.2, 0.8)
    fine = np.kron(mask, np.ones((4, 4, 4), bool))
    padded = np.pad(mask, 1)
    for corner in product(*(range(1, size) for size in mask.shape)):
        octet = padded[tuple(slice(c, c + 2) for c in corner)]
        if octet.sum() == 2 and any(octet[i] and octet[tuple(1 - k for k in i)] for i in product((0, 1), repeat=3)):
            fine[tuple(slice(4 * c - 1, 4 * c + 1) for c in corner)] = False
    assert betti_numbers(mask, connectivity=2).tolist() == betti_numbers(fine, connectivity=3).tolist()


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_larger_images_against_scikit_image(ndim, kind):
    for seed in range(4):
        mask = random_mask(kind, ndim, seed, size=80 if ndim == 2 else 30)
        for connectivity in (1, ndim):
            euler = measure.euler_number(mask, connectivity)
            dual = ndim + 1 - connectivity
            components = measure.label(mask, connectivity=connectivity).max()
            cavities = measure.label(np.pad(~mask, 1, constant_values=True), connectivity=dual).max() - 1
            expected = [components, cavities] if ndim == 2 else [components, components + cavities - euler, cavities]
            assert euler_number(mask, connectivity=connectivity, spatial_dims=ndim) == euler
            assert betti_numbers(mask, connectivity=connectivity, spatial_dims=ndim).tolist() == expected


def tube(points, radius, shape):
    """The voxels within a radius of a curve."""
    curve = np.zeros(shape, bool)
    curve[tuple(np.rint(points).astype(int).T)] = True
    return ndimage.distance_transform_edt(~curve) <= radius


def test_known_shapes():
    t = np.linspace(0, 2 * np.pi, 2000)[:, None]
    circle = np.hstack([np.cos(t), np.sin(t), 0 * t])
    torus = tube(20 + 12 * circle, 3, (40, 40, 40))
    assert betti_numbers(torus).tolist() == [1, 1, 0]
    grid = np.indices((21, 21, 21)) - 10
    distance = np.sqrt((grid**2).sum(axis=0))
    assert betti_numbers((distance < 9) & (distance > 5)).tolist() == [1, 0, 1]
    other = circle[:, [0, 2, 1]] + [1, 0, 0]
    link = tube(25 + 12 * circle, 2, (60, 50, 50)) | tube(25 + 12 * other, 2, (60, 50, 50))
    assert betti_numbers(link).tolist() == [2, 2, 0]
    trefoil = np.hstack([np.sin(t) + 2 * np.sin(2 * t), np.cos(t) - 2 * np.cos(2 * t), -np.sin(3 * t)])
    assert betti_numbers(tube(40 + 10 * trefoil, 2, (80, 80, 80))).tolist() == [1, 1, 0]
    shell = np.ones((5, 5, 5), bool)
    shell[2, 2, 2] = shell[0, 2, 2] = False
    assert betti_numbers(shell).tolist() == [1, 0, 1]
    shell[1, 2, 2] = False  # opened
    assert betti_numbers(shell).tolist() == [1, 0, 0]


@pytest.mark.parametrize("name", ["vesselexpress_patch", "pinky40_neurites"])
def test_real_volumes(name, real_data):
    import nibabel

    (path,) = (real_data / name / "labels").glob("*.nii.gz")
    volume = np.asarray(nibabel.load(path).dataobj)[:128, :128, :128] > 0
    for connectivity in (1, 3):
        euler = measure.euler_number(volume, connectivity)
        components = measure.label(volume, connectivity=connectivity).max()
        cavities = measure.label(np.pad(~volume, 1, constant_values=True), connectivity=4 - connectivity).max() - 1
        expected = [components, components + cavities - euler, cavities]
        assert betti_numbers(volume, connectivity=connectivity).tolist() == expected


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_kinds_shapes_and_devices(device, dtype):
    batch = (torch.rand(2, 3, 5, 6, 7, device=device) < 0.5).to(dtype)
    found = betti_numbers(batch, spatial_dims=3)
    assert found.shape == (2, 3, 3)
    assert euler_number(batch, spatial_dims=3).shape == (2, 3)
    assert found.device.type == device.type
    assert found.dtype == torch.int64
    torch.testing.assert_close(found[..., 0] - found[..., 1] + found[..., 2], euler_number(batch, spatial_dims=3))
    assert betti_numbers(batch, spatial_dims=2).shape == (2, 3, 5, 2)
    assert isinstance(betti_numbers(batch[0, 0].cpu().numpy()), np.ndarray)
    assert not isinstance(betti_numbers(MetaTensor(batch[0, 0])), MetaTensor)
    assert betti_numbers(batch[:0], spatial_dims=3).shape == (0, 3, 3)
    assert betti_numbers(np.zeros((3, 0), bool)).tolist() == [0, 0]


@pytest.mark.parametrize("function", [betti_numbers, euler_number])
@pytest.mark.parametrize(
    ("mask", "options", "error", "message"),
    [
        ("mask", {}, TypeError, "Expected `mask` to be a torch.Tensor or a numpy.ndarray"),
        (np.zeros(3), {}, ValueError, "Expected `mask` to have 2 or 3 axes"),
        (np.full((3, 3), np.nan), {}, ValueError, "Expected `mask` to be finite"),
        (np.zeros((3, 3)), {"connectivity": 3}, ValueError, "Expected `connectivity` from 1 to 2"),
    ],
)
def test_bad_arguments(function, mask, options, error, message):
    with pytest.raises(error, match=message):
        function(mask, **options)
