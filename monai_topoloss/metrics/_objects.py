"""What the metrics that compare objects as sets of voxels have in common."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor

from monai_topoloss._checks.labels import check_instance_maps
from monai_topoloss.backends import backend_for
from monai_topoloss.backends.base import PartitionErrors
from monai_topoloss.metrics._base import check_pair, prepare, set_empty_to_nan
from monai_topoloss.topology import label_components
from monai_topoloss.topology._items import as_ids


def compare_objects(
    y_pred: Any,
    y: Any,
    *,
    include_background: bool,
    ignore_empty: bool,
    instances: bool,
    foreground_only: bool,
    connectivity: int | None,
    backend: str,
) -> PartitionErrors:
    """Compare the objects of prediction and label, which are components of masks or given; float32 ``(B, C)`` each."""
    if instances:
        prediction, label = (as_ids(tensor) for tensor in check_pair(y_pred, y, num_classes=None))
        check_instance_maps("y_pred", prediction)
    else:
        masks = prepare(y_pred, y, include_background=include_background)
        options: dict[str, Any] = {
            "connectivity": connectivity,
            "spatial_dims": masks[0].ndim - 2,
            "backend": backend,
        }
        prediction, label = (cast(Tensor, label_components(mask, **options).labels) for mask in masks)
    errors = backend_for(prediction, backend).compare_partitions(
        prediction.flatten(0, 1), label.flatten(0, 1), foreground_only=foreground_only
    )
    return PartitionErrors(
        *(
            set_empty_to_nan(error.reshape(label.shape[:2]).float(), label, ignore_empty=ignore_empty)
            for error in errors
        )
    )
