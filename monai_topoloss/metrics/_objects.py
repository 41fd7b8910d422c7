"""What the metrics that compare objects as sets of voxels have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from monai_topoloss.backends import backend_for
from monai_topoloss.backends.base import PartitionErrors
from monai_topoloss.metrics._base import prepare, set_empty_to_nan
from monai_topoloss.topology import label_components


def compare_objects(
    y_pred: Any,
    y: Any,
    *,
    include_background: bool,
    ignore_empty: bool,
    instances: bool,
    foreground_only: bool,
    connectivity: int | None,
    ignore_index: int | None,
    backend: str,
) -> PartitionErrors:
    """Compare the objects of prediction and label, which are components of masks or given; float32 ``(B, C)`` each."""
    prediction, label, ignored = prepare(
        y_pred, y, include_background=include_background, ignore_index=ignore_index, instances=instances
    )
    if not instances:
        options: dict[str, Any] = {
            "connectivity": connectivity,
            "spatial_dims": label.ndim - 2,
            "backend": backend,
        }
        prediction, label = (cast(Tensor, label_components(mask, **options).labels) for mask in (prediction, label))
    compare = partial(backend_for(prediction, backend).compare_partitions, foreground_only=foreground_only)
    if ignored is None:
        errors = compare(prediction.flatten(0, 1), label.flatten(0, 1))
    else:
        errors = _compare_others(compare, *(tensor.flatten(0, 1) for tensor in (prediction, label, ignored)))
    values = torch.stack(errors).reshape(len(errors), *label.shape[:2]).float()
    return PartitionErrors(*set_empty_to_nan(values, label, ignore_empty=ignore_empty))


def _compare_others(
    compare: Callable[[Tensor, Tensor], PartitionErrors], prediction: Tensor, label: Tensor, ignored: Tensor
) -> PartitionErrors:
    """Compare the voxels of each item that are not ignored; where they lie does not matter to a partition."""
    each = [
        compare(*(ids[~hidden].reshape(1, 1, -1) for ids in (predicted, true)))
        for predicted, true, hidden in zip(prediction, label, ignored, strict=True)
    ]
    if not each:
        return compare(prediction, label)
    return PartitionErrors(*map(torch.cat, zip(*each, strict=True)))
