from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, RandFlipd

from monai_topoloss import (
    SeparateInstances,
    SeparateInstancesD,
    SeparateInstancesd,
    SeparateInstancesDict,
    separate_instances,
)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, MetaTensor])
@pytest.mark.parametrize("shape", [(1, 9, 20), (2, 6, 9, 20)])
def test_equals_the_function(kind, shape):
    ids = np.broadcast_to(np.arange(1, 5).repeat(5), shape).copy()
    found = SeparateInstances(gap=2)(kind(ids))
    assert type(found) is type(kind(ids))
    np.testing.assert_array_equal(found, [separate_instances(channel, gap=2) for channel in ids])
    assert np.asarray(found).dtype == ids.dtype


def test_dictionary_version():
    assert SeparateInstancesd is SeparateInstancesD is SeparateInstancesDict
    ids = np.arange(1, 5).repeat(5)[None, None].repeat(8, 1)
    sample = {"label": ids, "image": ids}
    found = SeparateInstancesd("label")(sample)
    np.testing.assert_array_equal(found["label"], SeparateInstances()(ids))
    np.testing.assert_array_equal(sample["label"], ids)
    assert found["image"] is ids
    both = SeparateInstancesd("label", prefix="parted_", gap=2, ignore_index=3)(sample)
    np.testing.assert_array_equal(both["label"], ids)
    np.testing.assert_array_equal(both["parted_label"], SeparateInstances(2, ignore_index=3)(ids))
    assert SeparateInstancesd(["label", "none"], allow_missing_keys=True)(sample).keys() == sample.keys()
    Compose([SeparateInstancesd("label"), RandFlipd("label", prob=1)])(sample)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"gap": 0}, ValueError), ({"backend": "tpu"}, ValueError), ({"ignore_index": 1.5}, TypeError)],
)
def test_bad_options(options, error):
    with pytest.raises(error):
        SeparateInstances(**options)
    with pytest.raises(error):
        SeparateInstancesd("label", **options)


def test_bad_images():
    with pytest.raises(ValueError, match="img"):
        SeparateInstances()(np.ones((4, 4)))
