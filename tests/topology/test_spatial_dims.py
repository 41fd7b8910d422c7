"""What all functions of the package have in common: which axes are spatial."""

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
