"""Adapted Rand error: are voxels of one object kept together, and those of several apart?"""

from __future__ import annotations

from torch import Tensor

from monai_topoloss._checks.options import check_option
from monai_topoloss.metrics._base import SegmentationMetric
from monai_topoloss.metrics._objects import compare_objects

__all__ = ["AdaptedRandErrorMetric", "compute_adapted_rand_error"]

SCORES = ("error", "precision", "recall")


def compute_adapted_rand_error(
    y_pred: Tensor,
    y: Tensor,
    include_background: bool = False,
    ignore_empty: bool = True,
    score: str = "error",
    instances: bool = False,
    foreground_only: bool = True,
    connectivity: int | None = None,
    ignore_index: int | None = None,
    backend: str = "auto",
) -> Tensor:
    r"""Compute the adapted Rand error of each image and channel.

    .. math::

        \mathrm{ARE} = 1 - \frac{2 \cdot \mathrm{precision} \cdot \mathrm{recall}}{\mathrm{precision} + \mathrm{recall}}

    where precision is the share of the pairs of voxels in one object of the prediction that are in one object of the
    label too, and recall the other way round. (What scikit-image returns as precision is this recall.)

    Args:
        y_pred: prediction, one-hot or with a channel of 0 and 1 for each class, ``(B, C, *spatial)`` in 2-D or 3-D,
            whose objects are the components of each channel; or with ``instances`` a map of ids, ``(B, 1, *spatial)``.
        y: label, likewise and of the same shape.
        include_background: whether channel 0 of several counts.
        ignore_empty: give NaN where the label is empty, which reductions leave out.
        score: ``"error"``; or ``"precision"``, which is low where objects are merged, or ``"recall"``, where they are
            split.
        instances: take ``y_pred`` and ``y`` for maps of objects' ids, where 0 is background. Objects need not be
            connected.
        foreground_only: compare voxels of the label's objects only, as the contest that it comes from does: each voxel
            of them that the prediction lacks is an object of its own there, and what it has outside of them does not
            count. Otherwise all voxels are compared, and the background is an object.
        connectivity: of components: in how many axes at once neighbours may differ. Default: all.
        ignore_index: a value of ``y`` where nothing counts: such voxels are neither compared, nor part of an object.
        backend: where to compute, ``"auto"`` follows the prediction.

    Returns:
        The error or share, from 0 to 1, float32 ``(B, C)``, or ``(B, C - 1)`` without the background of several
        channels. A label without objects has nothing to compare with ``foreground_only``, and scores as if it were met.

    Raises:
        TypeError: if ``y_pred`` or ``y`` is no tensor.
        ValueError: if shapes or devices differ, the rank is not 2-D or 3-D, masks hold other values than 0 and 1 or
            instance maps such as are no ids, or ``score`` or ``connectivity`` is unknown.

    Example:
        >>> import torch
        >>> line = torch.zeros(1, 1, 5, 9)
        >>> line[..., 2, :] = 1
        >>> halves = line.clone()
        >>> halves[..., 4] = 0
        >>> compute_adapted_rand_error(halves, line, score="precision").item()
        1.0

    References:
        I. Arganda-Carreras et al., Crowdsourcing the creation of image segmentation algorithms for connectomics,
        Frontiers in Neuroanatomy 9, 2015.
    """
    check_option("score", score, SCORES)
    errors = compare_objects(
        y_pred,
        y,
        include_background=include_background,
        ignore_empty=ignore_empty,
        instances=instances,
        foreground_only=foreground_only,
        connectivity=connectivity,
        ignore_index=ignore_index,
        backend=backend,
    )
    return {"error": errors.rand_error, "precision": errors.precision, "recall": errors.recall}[score]


class AdaptedRandErrorMetric(SegmentationMetric, function=compute_adapted_rand_error):
    """Adapted Rand error over a data set, see `compute_adapted_rand_error`.

    Example:
        >>> import torch
        >>> metric = AdaptedRandErrorMetric()
        >>> line = torch.zeros(1, 1, 5, 9)
        >>> line[..., 2, :] = 1
        >>> _ = metric(line, line)
        >>> metric.aggregate().item()
        0.0
    """

    def _check(self) -> None:
        super()._check()
        check_option("score", self.score, SCORES)
