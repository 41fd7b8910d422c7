from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.losses.cldice import soft_skel

from monai_topoloss.backends import soft_backend_for
from monai_topoloss.backends.cpu.backend import BACKEND as CPU
from monai_topoloss.backends.portable.backend import BACKEND as PORTABLE
from monai_topoloss.topology import label_components, skeletonize, soft_skeleton
from tests.oracles import soft_skeleton as oracle

SHAPES = [(17, 23), (9, 11, 13), (1, 12), (12, 1), (1, 1), (7, 2), (1, 6, 9), (6, 1, 9), (2, 9, 1), (3, 3, 3)]


def make_image(shape, kind, seed=0):
    """Probabilities: all different, with many equal ones, of 0 and 1 only, or smooth."""
    image = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    if kind == "equal":
        return (4 * image).round() / 4
    if kind == "mask":
        return (image > 0.3).float()
    if kind == "smooth":
        for axis in range(len(shape)):
            image = (image + image.roll(1, axis) + image.roll(2, axis)) / 3
    return image


def monais(image, iterations, grad):
    """What MONAI computes, and its gradient."""
    image = image.clone().requires_grad_()
    skeleton = soft_skel(image[None, None], iterations)[0, 0]
    skeleton.backward(grad)
    return skeleton.detach(), image.grad


@pytest.mark.parametrize("kind", ["different", "equal", "mask", "smooth"])
@pytest.mark.parametrize("iterations", [0, 1, 3, 10])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_monais(shape, iterations, kind, device):
    image = make_image(shape, kind).to(device)
    grad = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(device)
    expected, expected_grad = monais(image, iterations, grad)
    image.requires_grad_()
    skeleton = soft_skeleton(image, iterations=iterations)
    assert torch.equal(skeleton, expected)
    skeleton.backward(grad)
    torch.testing.assert_close(image.grad, expected_grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(image.grad.sum(), expected_grad.sum(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(7, 8), (4, 5, 6)])
@pytest.mark.parametrize("iterations", [0, 2])
def test_values_are_those_of_the_definition(shape, iterations):
    image = make_image(shape, "different").double()
    expected = torch.from_numpy(oracle.soft_skeleton(image.numpy(), iterations))
    torch.testing.assert_close(soft_skeleton(image, iterations=iterations), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 7), (3, 5, 4)])
def test_gradcheck(shape):
    image = torch.randperm(int(np.prod(shape)), generator=torch.Generator().manual_seed(0)).reshape(shape)
    image = ((image + 1) / (image.numel() + 2)).double().requires_grad_()  # none are near each other
    assert torch.autograd.gradcheck(lambda x: soft_skeleton(x, iterations=2), image, eps=1e-6)


@pytest.mark.parametrize("shape", [(12, 20), (6, 9, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_backends_agree(shape, dtype):
    image = torch.stack([make_image(shape, kind) for kind in ("different", "equal", "mask")]).to(dtype)
    grad = torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    skeletons = [backend.soft_skeleton(image, iterations=4) for backend in (CPU, PORTABLE)]
    assert torch.equal(*skeletons)
    gradients = [backend.soft_skeleton_backward(image, grad, iterations=4) for backend in (CPU, PORTABLE)]
    torch.testing.assert_close(*gradients)
    mask = (image > 0.5).to(torch.uint8)
    skeletons = [backend.soft_skeleton(mask, iterations=4) for backend in (CPU, PORTABLE)]
    assert torch.equal(*skeletons)
    assert [skeleton.dtype for skeleton in skeletons] == [torch.uint8] * 2


def test_the_cpu_has_kernels_and_other_devices_pytorchs_operations():
    assert soft_backend_for(torch.zeros(1)) is CPU
    assert soft_backend_for(torch.zeros(1, device="meta")) is PORTABLE


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_masks_keep_their_type(dtype, device):
    mask = make_image((9, 14), "mask").to(dtype).to(device)
    skeleton = soft_skeleton(mask)
    assert skeleton.dtype == dtype
    assert torch.equal(skeleton.float(), soft_skeleton(mask.float()))
    assert ((skeleton != 0) <= (mask != 0)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_give_float32(dtype, device):
    image = make_image((9, 14), "different").to(dtype).to(device).requires_grad_()
    skeleton = soft_skeleton(image)
    assert skeleton.dtype == torch.float32
    assert torch.equal(skeleton, soft_skeleton(image.detach().float()))
    skeleton.sum().backward()
    assert image.grad.dtype == dtype


def test_other_axes_count_images(device):
    images = torch.stack([make_image((8, 9), "different", seed) for seed in range(6)]).reshape(2, 3, 8, 9).to(device)
    skeletons = soft_skeleton(images, spatial_dims=2)
    for index in np.ndindex(2, 3):
        assert torch.equal(skeletons[index], soft_skeleton(images[index]))


def test_arrays_and_metadata_are_kept():
    image = make_image((8, 9), "different")
    array = soft_skeleton(image.numpy())
    assert isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array, soft_skeleton(image).numpy())
    meta = soft_skeleton(MetaTensor(image, affine=2 * torch.eye(4)))
    assert isinstance(meta, MetaTensor)
    assert meta.affine[0, 0] == 2


@pytest.mark.parametrize("layout", ["transposed", "expanded", "strided"])
def test_memory_layouts(layout, device):
    image = make_image((12, 10), "different").to(device)
    image = {"transposed": image.t(), "expanded": image[:1].expand(12, 10), "strided": image[::2, ::2]}[layout]
    copy = image.contiguous().clone().requires_grad_()
    image = image.detach().requires_grad_()
    for each in (image, copy):
        soft_skeleton(each).square().sum().backward()
    torch.testing.assert_close(image.grad, copy.grad)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 4, 4)])
def test_nothing_at_all(shape, device):
    image = torch.zeros(shape, device=device, requires_grad=True)
    skeleton = soft_skeleton(image)
    assert skeleton.shape == shape
    skeleton.sum().backward()
    assert image.grad.shape == shape


def test_nan_shows(device):
    image = make_image((9, 9), "different").to(device)
    image[4, 4] = torch.nan
    assert soft_skeleton(image)[4, 4].isnan()
    assert soft_skeleton(torch.full((5, 5), torch.nan, device=device)).isnan().all()


def test_nothing_but_the_image_is_kept(device):
    image = make_image((32, 32), "different").to(device).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        soft_skeleton(image, iterations=10)
    assert [tensor.untyped_storage().data_ptr() for tensor in kept] == [image.untyped_storage().data_ptr()]


def test_a_mask_need_not_stay_connected_unlike_with_thinning():
    mask = torch.zeros(12, 24, dtype=torch.bool)
    mask[2:10, :8] = mask[5:7, 8:] = True
    assert soft_skeleton(mask, iterations=6).sum() > skeletonize(mask).sum()
    assert label_components(soft_skeleton(mask, iterations=6)).counts > 1 == label_components(skeletonize(mask)).counts


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"image": "image"}, TypeError, "Expected `image` to be a torch.Tensor"),
        ({"image": torch.full((4, 4), 2.0)}, ValueError, r"Expected `image` to hold probabilities in \[0, 1\], got"),
        ({"image": torch.full((4, 4), 3)}, ValueError, r"Expected `image` to hold probabilities in \[0, 1\], got"),
        ({"image": torch.rand(2, 3, 4, 4)}, ValueError, "Expected `image` to have 2 or 3 axes"),
        ({"iterations": -1}, ValueError, "Expected `iterations` to be at least 0, got -1"),
        ({"iterations": 1.0}, TypeError, "Expected `iterations` to be an int, got float"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        soft_skeleton(**{"image": torch.rand(4, 4), **arguments})
