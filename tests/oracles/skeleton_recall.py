"""Skeleton Recall, word for word as it is defined: slow, dense, and obviously right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage
from skimage.morphology import skeletonize


def tubed_skeleton(label: np.ndarray, radius: int, thin: Callable[..., np.ndarray] = skeletonize) -> np.ndarray:
    """Binarise, skeletonize, dilate ``radius`` times by the cross, multiply by the label."""
    skeleton = thin(label > 0)
    if radius:  # SciPy takes 0 iterations for "until nothing changes"
        cross = ndimage.generate_binary_structure(label.ndim, 1)
        skeleton = ndimage.binary_dilation(skeleton, cross, iterations=radius)
    return skeleton.astype(label.dtype) * label


def recall(probabilities: torch.Tensor, skeleton: torch.Tensor, smooth_nr: float, smooth_dr: float) -> torch.Tensor:
    """Recall of each sample and class, (B, C), from dense (B, C, *spatial) probabilities and one-hot skeletons."""
    axes = tuple(range(2, probabilities.ndim))
    skeleton = skeleton.to(probabilities.dtype)
    return ((probabilities * skeleton).sum(axes) + smooth_nr) / (skeleton.sum(axes) + smooth_dr)
