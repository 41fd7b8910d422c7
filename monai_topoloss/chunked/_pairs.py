"""Prediction and label in chunks, as scores compare them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.segmentations import check_ignored_value, check_zero_one
from monai_topoloss._checks.tensors import check_tensor
from monai_topoloss.chunked._tasks import da
from monai_topoloss.chunked._volumes import Volume, as_volume
from monai_topoloss.metrics._base import prepare
from monai_topoloss.topology._items import as_ids


class Pair(NamedTuple):
    """Prediction and label: bool, or ids of objects. Both are 0 where voxels are ignored."""

    prediction: Volume
    label: Volume
    ignored: Volume | None  # bool


def read_pair(y_pred: Any, y: Any, ignore_index: int | None, *, instances: bool | None = None) -> Pair:
    """Check prediction and label, as `monai_topoloss.metrics` do."""
    check_ignored_value(ignore_index, instances=bool(instances))
    prediction = as_volume("y_pred", y_pred)
    label = as_volume("y", y, shape_of=("y_pred", y_pred))
    named = (("y_pred", prediction), ("y", label))
    if ignore_index is None:  # each on its own, so that it is read once
        own = (_read_alone(name, each, instances=instances) for name, each in named)
        return Pair(next(own), next(own), None)
    options: dict[str, Any] = {"ignore_index": ignore_index, "instances": instances}
    return Pair(*(_map(_part, prediction, label, which=which, **options) for which in range(3)))


def _read_alone(name: str, volume: Volume, *, instances: bool | None) -> Volume:
    if volume.array.dtype == np.bool_ and not instances:
        return volume  # there is nothing to check
    return _map(_read_one, volume, argument=name, instances=instances)


def _map(function: Callable[..., Any], *volumes: Volume, **options: Any) -> Volume:
    meta = function(*(np.zeros((0, 0, 0), each.array.dtype) for each in volumes), **options)
    array = da.map_blocks(function, *(each.array for each in volumes), meta=meta, **options)
    return volumes[-1]._replace(array=array)


def _read_one(ids: NDArray[Any], *, argument: str, instances: bool | None) -> NDArray[Any]:
    tensor = check_tensor(argument, ids)
    if instances:
        check_class_ids(argument, tensor)
        return as_ids(tensor).numpy()
    check_zero_one(argument, tensor, has_instances=instances is not None)
    return (tensor != 0).numpy()


def _part(
    y_pred: NDArray[Any], y: NDArray[Any], *, which: int, ignore_index: int | None, instances: bool | None
) -> NDArray[Any]:
    pair = prepare(
        y_pred[None, None], y[None, None], include_background=True, ignore_index=ignore_index, instances=instances
    )
    return cast(Tensor, pair[which])[0, 0].numpy()
