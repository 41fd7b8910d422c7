"""Maps of class ids as a mask for each class."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._labels import has_id


def split_classes(
    image: Tensor, truth: Tensor, num_classes: int, ignore_index: int | None, names: tuple[str, str]
) -> tuple[Tensor, Tensor]:
    """Return masks of the classes from 1 on, bool ``(num_classes - 1, *spatial)``, empty where the truth is ignored."""
    if ignore_index is not None:
        ignored = has_id(truth, ignore_index)
        image, truth = image.masked_fill(ignored, 0), truth.masked_fill(ignored, 0)
    for name, ids in zip(names, (image, truth), strict=True):
        check_class_ids(name, ids, num_classes=num_classes)
    classes = torch.arange(1, num_classes, device=image.device).view(-1, *[1] * image.ndim)
    return image == classes, truth == classes
