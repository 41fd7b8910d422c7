"""What is asked of every function, whatever it computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from monai.data import MetaTensor


def fuzz(*, slow=1, **strategies):
    """Run a test on many examples; on fewer if they are slow."""
    profile = settings.get_profile("fuzz")
    profile = settings(profile, max_examples=max(1, profile.max_examples // slow))
    return lambda test: profile(given(**strategies)(test))


def as_array(value: Any) -> np.ndarray:
    """Values of a tensor or array; those of half types that NumPy lacks in float32."""
    if isinstance(value, np.ndarray):
        return value
    tensor = value.as_tensor() if isinstance(value, MetaTensor) else value
    is_small = tensor.is_floating_point() and tensor.dtype not in (torch.float16, torch.float32, torch.float64)
    return (tensor.float() if is_small else tensor).numpy(force=True)


def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function, which must leave alone what it gets."""
    before = [(as_array(each).copy(), describe(each)) for each in arguments]
    result = function(*arguments, **options)
    for each, (values, description) in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(as_array(each), values)
        assert describe(each) == description
    return result


def describe(value: Any) -> tuple[Any, ...]:
    if isinstance(value, np.ndarray):
        return value.dtype, value.strides, value.flags.writeable, value.flags.aligned
    affine = value.affine.tolist() if isinstance(value, MetaTensor) else None
    return value.dtype, value.stride(), value.requires_grad, value.device, value.grad is None, affine


def assert_result(result: Any, source: Any, expected: Any, *, is_image: bool = True, dtype: str | None = None) -> None:
    """A result has the kind of its source, the metadata if it is an image, and the expected values, shape and dtype."""
    expected = np.asarray(expected)
    np.testing.assert_array_equal(as_array(result), expected, strict=dtype is None)
    assert as_array(result).shape == expected.shape
    if isinstance(source, np.ndarray):
        assert type(result) is np.ndarray
        assert dtype is None or result.dtype == (source.dtype if dtype == "same" else dtype)
        assert not np.shares_memory(result, source)
        return
    assert isinstance(result, MetaTensor) == (is_image and isinstance(source, MetaTensor))
    assert not result.requires_grad
    assert result.device == source.device
    assert dtype is None or result.dtype == (source.dtype if dtype == "same" else getattr(torch, dtype))
    if isinstance(result, MetaTensor):
        assert torch.equal(result.affine, source.affine)


def by_item(function: Callable[[np.ndarray], Any], values: np.ndarray, spatial_dims: int) -> np.ndarray:
    """Results for each of the images in leading axes."""
    lead, spatial = values.shape[: values.ndim - spatial_dims], values.shape[values.ndim - spatial_dims :]
    results = [np.asarray(function(item)) for item in values.reshape(int(np.prod(lead)), *spatial)]
    if not results:
        results = [np.asarray(function(np.zeros(spatial, values.dtype)))]
        return np.zeros((*lead, *results[0].shape), results[0].dtype)
    return np.stack(results).reshape((*lead, *results[0].shape))


def assert_refused(function: Callable[[], Any], name: str) -> None:
    """What is not valid raises an error that names the argument."""
    error = error_of(function)
    assert error is not None, f"{name} was accepted"
    assert_names(error, name)


def error_of(function: Callable[[], Any]) -> Exception | None:
    """Return the error that a call raises, which is of a kind for arguments."""
    try:
        function()
    except (TypeError, ValueError) as error:
        return error
    return None


def assert_names(error: Exception, *names: str) -> None:
    """A message of ours names an argument, what was expected and what came."""
    assert str(error).startswith("Expected "), repr(error)
    assert any(f"`{name}`" in str(error) for name in names), repr(error)
