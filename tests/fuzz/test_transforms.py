"""Transforms: what the functions give, in the kind and type of the image."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from monai.data import MetaTensor

from monai_topoloss import topology, transforms
from tests.fuzz.properties import as_array, assert_result, call, fuzz
from tests.fuzz.strategies import images, masks, pairs, shapes


@st.composite
def channel_first(draw, channels=(1, 1, 2, 3, 0)):
    return (draw(st.sampled_from(channels)), *draw(shapes()))


def keep_operations(image):
    if isinstance(image, MetaTensor):
        image.applied_operations = [{"class": "Earlier"}]
    return image


def apply(transform, dictionary, image, *others):
    """Transform an image by itself, and within a dictionary, which is left alone."""
    keep_operations(image)
    result = call(transform, image, *others)
    items = {"image": image, **({"truth": others[0]} if others else {}), "name": "case"}
    found = dictionary(items)
    assert list(items) == ["image", *(["truth"] if others else []), "name"]
    assert all(found[key] is items[key] for key in items)
    new = [found[key] for key in found if key not in items]
    for one, other in zip(new, result if others else [result], strict=True):
        np.testing.assert_array_equal(as_array(one), as_array(other), strict=True)
        assert type(one) is type(other)
        if isinstance(one, MetaTensor):
            assert one.applied_operations == image.applied_operations
    return result


@fuzz(data=st.data(), method=st.sampled_from([None, "lee", "lee_skimage"]))
def test_skeletonize(data, method):
    image = data.draw(masks(data.draw(channel_first())))
    dictionary = transforms.Skeletonized("image", method=method)
    found = apply(transforms.Skeletonize(method=method), dictionary, image.argument)
    expected = topology.skeletonize(image.values, method=method, spatial_dims=image.values.ndim - 1)
    assert_result(found, image.argument, expected, dtype="same")


@fuzz(
    data=st.data(),
    options=st.fixed_dictionaries(
        {"radius": st.integers(0, 3), "per_class": st.booleans(), "ignore_index": st.sampled_from([None, 2, -1])}
    ),
)
def test_tubed_skeletonize(data, options):
    image = data.draw(images(data.draw(channel_first())))
    dictionary = transforms.TubedSkeletonized("image", **options)
    found = apply(transforms.TubedSkeletonize(**options), dictionary, image.argument)
    expected = topology.tubed_skeleton(image.values, spatial_dims=image.values.ndim - 1, **options)
    assert_result(found, image.argument, expected, dtype="same")


@pytest.mark.parametrize("num_classes", [None, 5])
@fuzz(
    data=st.data(),
    options=st.fixed_dictionaries(
        {
            "per_class": st.booleans(),
            "include_background": st.booleans(),
            "connectivity": st.sampled_from([None, 1, 2]),
            "ignore_index": st.sampled_from([None, 3]),
        }
    ),
)
def test_critical_components(num_classes, data, options):
    shape = data.draw(channel_first((1,) if num_classes else (1, 1, 2, 3, 0)))
    numbers = {"numbers": (1, 2, 3, 4)} if num_classes else {}
    image, truth = data.draw(pairs(shape, **numbers))
    transform = transforms.CriticalComponents(num_classes=num_classes, **options)
    dictionary = transforms.CriticalComponentsd("image", "truth", num_classes=num_classes, **options)
    found = apply(transform, dictionary, image.argument, truth.argument)
    values = [side.values.astype(np.int64) for side in (image, truth)]
    if shape[0] > 1 and not options["include_background"]:
        values = [side[1:] for side in values]
    if options["ignore_index"]:
        values = [np.where(values[1] == options["ignore_index"], 0, side) for side in values]
    if num_classes and options["per_class"]:
        values = [np.concatenate([side == k for k in range(1, num_classes)]) for side in values]
        num_classes = None
    expected = topology.critical_components(
        *values, num_classes=num_classes, connectivity=options["connectivity"], spatial_dims=len(shape) - 1
    )
    for mask, count, whole, number in zip(found[:2], found[2:], expected[:2], expected[2:], strict=True):
        union = whole if options["per_class"] else whole.any(axis=0, keepdims=True)
        assert_result(mask, image.argument, union.astype(np.uint8))
        assert_result(count, image.argument, number.reshape(-1), is_image=False)
