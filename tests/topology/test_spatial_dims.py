"""What all functions of the package have in common: which axes are spatial, and what is an array."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from monai_topoloss import topology

FUNCTIONS = {
    "skeletonize": topology.skeletonize,
    "tubed_skeleton": topology.tubed_skeleton,
    "label_components": topology.label_components,
    "betti_numbers": topology.betti_numbers,
    "euler_number": topology.euler_number,
    "critical_components": lambda image, **options: topology.critical_components(image, image, **options),
}
NAMES = {"label_components": "image", "tubed_skeleton": "label", "critical_components": "input"}


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch):
    monkeypatch.setattr("monai_topoloss._checks.tensors._warned_of", set())


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_channels_are_not_taken_for_slices_without_a_word(name, kind):
    function, image = FUNCTIONS[name], kind(np.ones((3, 16, 20), dtype=np.uint8))
    message = rf"`{NAMES.get(name, 'mask')}` of shape \(3, 16, 20\) was taken for a volume of 3 slices; pass `spatial_d"
    with pytest.warns(UserWarning, match=message) as caught:
        function(image)
    assert caught[0].filename == __file__  # where the user called, through however many functions


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_who_says_which_axes_are_spatial_is_not_warned(name, spatial_dims):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FUNCTIONS[name](np.ones((3, 16, 20), dtype=np.uint8), spatial_dims=spatial_dims)


@pytest.mark.parametrize(
    ("shape", "warns"),
    [
        ((1, 16, 16), True),
        ((4, 16, 16), True),
        ((5, 16, 16), False),
        ((4, 15, 16), False),
        ((4, 16, 15), False),
        ((16, 16, 3), False),
        ((3, 16), False),
    ],
)
def test_what_looks_like_channels(shape, warns):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        topology.euler_number(np.ones(shape, bool))
    assert len(caught) == warns


def test_once_in_a_process():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            for number, function in enumerate(FUNCTIONS.values()):
                function(np.ones((3, 16 + number, 16), dtype=np.uint8))
    assert len(caught) == 1


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("name", ["skeletonize", "betti_numbers", "euler_number"])
def test_the_highest_numbers_are_foreground(name, kind):
    mask = np.zeros((5, 7), np.uint64)
    mask[1:4, 1:6] = [[2**64 - 1], [2**63], [2**63 - 1]]
    np.testing.assert_array_equal(FUNCTIONS[name](kind(mask)), FUNCTIONS[name](mask != 0))


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("options", [{}, {"ignore_index": -1}, {"ignore_index": 2**64 - 1}])
@pytest.mark.parametrize("name", ["label_components", "tubed_skeleton", "critical_components"])
def test_ids_of_64_bits_do_not_wrap_round(name, options, kind):
    if name == "label_components":
        options = {}
    image = kind(np.array([[0, 1], [2**64 - 1, 1]], np.uint64))
    with pytest.raises(ValueError, match=rf"Expected `{NAMES[name]}` to hold numbers below 2 \*\* 63, got {2**64 - 1}"):
        FUNCTIONS[name](image, **options)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_of_8_bits(name, dtype):
    image = torch.tensor([[1, 1, 0], [0, 2, 2], [2, 2, 2]])
    image = (image > 0) * 1 if name == "critical_components" else image
    found, expected = FUNCTIONS[name](image.to(getattr(torch, dtype))), FUNCTIONS[name](image)
    if isinstance(found, tuple):
        found, expected = found[0], expected[0]
    torch.testing.assert_close(found.to(expected.dtype), expected)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: torch.zeros(3, 3).to_sparse(), TypeError, "to be a dense tensor of real numbers, got torch.float32 w"),
        (lambda: torch.zeros(3, 3).to_mkldnn(), TypeError, "to be a dense tensor of real numbers, got torch.float32 w"),
        (
            lambda: torch.nested.nested_tensor([torch.zeros(3, 3), torch.zeros(2, 3)]),
            TypeError,
            "to be a dense tensor of real numbers, got a nested one",
        ),
        (lambda: torch.empty(3, 3, dtype=torch.bits8), TypeError, "to be a dense tensor .* got torch.bits8"),
        (lambda: torch.zeros(3, 3, device="meta"), ValueError, "to have values, got a tensor on the device 'meta'"),
    ],
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_tensors_without_a_number_at_each_place(name, make, error, message):
    with pytest.raises(error, match=f"Expected `{NAMES.get(name, 'mask')}` {message}"):
        FUNCTIONS[name](make())
