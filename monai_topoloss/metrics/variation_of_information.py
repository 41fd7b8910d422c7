"""Variation of information: how much does one segmentation say about the other?"""

from __future__ import annotations

from torch import Tensor

from monai_topoloss._checks.options import check_option
from monai_topoloss.metrics._base import SegmentationMetric
from monai_topoloss.metrics._objects import compare_objects

__all__ = ["VariationOfInformationMetric", "compute_variation_of_information"]

SCORES = ("sum", "split", "merge")


def compute_variation_of_information(
    y_pred: Tensor,
    y: Tensor,
    include_background: bool = False,
    ignore_empty: bool = True,
    score: str = "sum",
    instances: bool = False,
    foreground_only: bool = False,
    connectivity: int | None = None,
    ignore_index: int | None = None,
    backend: str = "auto",
) -> Tensor:
    r"""Compute the variation of information of each image and channel, in bits.

    .. math::

        \mathrm{VI} = H(P \mid L) + H(L \mid P), \qquad
        H(P \mid L) = -\sum_{i, j} p_{ij} \log_2 \frac{p_{ij}}{\sum_k p_{kj}}

    with the share :math:`p_{ij}` of voxels that are in object i of the prediction P and j of the label L. The first
    term is high where objects of the label are split, the second where they are merged.

    Args:
        y_pred: prediction, one-hot or with a channel of 0 and 1 for each class, ``(B, C, *spatial)`` in 2-D or 3-D,
            whose objects are the components of each channel; or with ``instances`` a map of ids, ``(B, 1, *spatial)``.
        y: label, likewise and of the same shape.
        include_background: whether channel 0 of several counts.
        ignore_empty: give NaN where the label is empty, which reductions leave out.
        score: ``"split"`` for :math:`H(P \mid L)`, ``"merge"`` for :math:`H(L \mid P)`, or ``"sum"``, which is the
            variation of information.
        instances: take ``y_pred`` and ``y`` for maps of objects' ids, where 0 is background. Objects need not be
            connected.
        foreground_only: compare voxels of the label's objects only, as challenges of connectomics do. All that the
            prediction lacks of them is one object there, so that a label of one object is met by an empty prediction,
            and what it has outside of them does not count. By default all voxels are compared, and the background is
            an object.
        connectivity: of components: in how many axes at once neighbours may differ. Default: all.
        ignore_index: a value of ``y`` where nothing counts: such voxels are neither compared, nor part of an object.
        backend: where to compute, ``"auto"`` follows the prediction.

    Returns:
        The entropy, float32 ``(B, C)``, or without the background of several channels ``(B, C - 1)``. A label without
        objects has nothing to compare with ``foreground_only``, and scores 0.

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
        >>> round(compute_variation_of_information(halves, line, foreground_only=True).item(), 3)
        1.392

    References:
        M. Meila, Comparing clusterings - an information based distance, Journal of Multivariate Analysis 98(5), 2007.
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
    if score == "sum":
        return errors.splits + errors.merges
    return errors.splits if score == "split" else errors.merges


class VariationOfInformationMetric(SegmentationMetric, function=compute_variation_of_information):
    """Variation of information over a data set, see `compute_variation_of_information`.

    Example:
        >>> import torch
        >>> metric = VariationOfInformationMetric()
        >>> line = torch.zeros(1, 1, 5, 9)
        >>> line[..., 2, :] = 1
        >>> _ = metric(line, line)
        >>> metric.aggregate().item()
        0.0
    """

    def _check(self) -> None:
        super()._check()
        check_option("score", self.score, SCORES)
