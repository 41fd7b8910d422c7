"""Deep supervision whose low resolutions keep thin structures connected."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from monai.losses import DeepSupervisionLoss
from torch import Tensor, nn

from monai_topoloss._checks import split_target
from monai_topoloss._labels import drop_ignored
from monai_topoloss.losses.skeleton_recall import Target

__all__ = ["SkeletonDeepSupervisionLoss", "downsample_label", "downsample_skeleton"]


class SkeletonDeepSupervisionLoss(DeepSupervisionLoss):
    """Apply a Skeleton Recall loss to each output of a deeply supervised network.

    `monai.losses.DeepSupervisionLoss` resamples labels by the nearest neighbour, which shatters thin structures, and
    takes neither pairs nor integer labels. Here the skeleton is made once at full resolution and pooled for each
    output, see `downsample_skeleton`; the resampled label is set to the class of the pooled skeleton where there is
    one, so that the recall and the other terms of the loss ask for the same. Labels of any dtype will do.

    Args:
        loss: takes ``(input, (label, skeleton))``, such as `SkeletonRecallLoss` or `DiceCESkeletonRecallLoss`.
        weight_mode: ``"exp"`` (1, 1/2, 1/4, ... but at least 1/16), ``"two"`` (1, 1/2, 1/2, ...) or ``"same"``.
        weights: of the outputs, instead of ``weight_mode``.

    Example:
        >>> import torch
        >>> from monai_topoloss.losses import DiceCESkeletonRecallLoss
        >>> loss = SkeletonDeepSupervisionLoss(DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=True))
        >>> label = torch.ones(1, 1, 16, 16, dtype=torch.uint8)
        >>> loss([torch.zeros(1, 2, 16, 16), torch.zeros(1, 2, 8, 8)], label).ndim
        0
    """

    def __init__(self, loss: nn.Module, weight_mode: str = "exp", weights: Sequence[float] | None = None) -> None:
        super().__init__(loss, weight_mode, None if weights is None else list(weights))  # type: ignore[arg-type]

    def forward(self, input: Tensor | Sequence[Tensor], target: Target) -> Tensor:  # type: ignore[override]
        """Compute the weighted sum over the outputs.

        Args:
            input: outputs ``(B, C, *spatial)`` of any sizes in a sequence, or full-size ones stacked as DynUNet does,
                ``(B, outputs, C, *spatial)``, or a single output.
            target: the label at full resolution, or a pair of the label and its precomputed tubed skeleton.

        Returns:
            The weighted sum of what ``loss`` returns.

        Raises:
            TypeError: if ``target`` is no tensor or pair of tensors, or needs a skeleton that ``loss`` cannot make.
            ValueError: if there is no output, or shapes do not fit.
        """
        label, skeleton = split_target(target)
        outputs = _outputs(input, label)
        if skeleton is None:
            skeleton = self._skeleton(label, outputs[0])
        else:
            skeleton = drop_ignored(skeleton, label, getattr(self.loss, "ignore_index", None))
        total = torch.zeros((), device=label.device)
        for weight, output in zip(self.get_weights(len(outputs)), outputs, strict=True):
            if weight:
                pair = downsample_target(label, skeleton, output.shape[2:])
                total = total + weight * self.loss(output, pair)
        return total

    def _skeleton(self, label: Tensor, output: Tensor) -> Tensor:
        tubed_skeleton = getattr(self.loss, "tubed_skeleton", None)
        if tubed_skeleton is None:
            raise TypeError(
                "Expected `target` to be a pair (label, skeleton), as the wrapped"
                f" {type(self.loss).__name__} has no method `tubed_skeleton` to make the skeleton."
            )
        skeleton: Tensor = tubed_skeleton(label, output.shape[1])
        return skeleton


def downsample_target(label: Tensor, skeleton: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Resample a label and its skeleton, consistently: see `SkeletonDeepSupervisionLoss`.

    Args:
        label: ``(B, 1 or C, *spatial)``.
        skeleton: ``(B, 1 or C, *spatial)``.
        size: spatial size of the result.

    Returns:
        Label and skeleton, ``(B, 1 or C, *size)`` of the dtypes given.
    """
    if label.shape[2:] == torch.Size(size):
        return label, skeleton
    skeleton = downsample_skeleton(skeleton, size)
    return downsample_label(label, skeleton), skeleton


def downsample_label(label: Tensor, skeleton: Tensor) -> Tensor:
    """Resample a label by the nearest neighbour, and set it to the class of a downsampled skeleton where there is one.

    Args:
        label: ``(B, 1 or C, *spatial)`` at full resolution: class ids, or a channel for each class.
        skeleton: ``(B, 1 or C, *size)``, from `downsample_skeleton`: class ids, or a channel for each of the label's.

    Returns:
        The label, ``(B, 1 or C, *size)`` of the dtype given.

    Raises:
        ValueError: if a skeleton of several channels comes with a label map.
    """
    low = label
    for axis, out in enumerate(skeleton.shape[2:], start=2):
        # The position of each new voxel's centre, in integers: exact for every dtype, unlike `interpolate`.
        centre = torch.arange(out, device=label.device) * 2 + 1
        low = low.index_select(axis, (centre * label.shape[axis]).div(2 * out, rounding_mode="floor"))
    if low.shape[1] == skeleton.shape[1]:
        classes = skeleton.to(low.dtype)
    elif skeleton.shape[1] == 1:
        ids = torch.arange(low.shape[1], device=low.device).reshape(-1, *[1] * (low.ndim - 2))
        classes = (skeleton == ids).to(low.dtype)
    else:
        raise ValueError(
            f"Expected `skeleton` with one channel of class ids like `target`, got {skeleton.shape[1]} channels."
        )
    return torch.where(skeleton != 0, classes, low)


def downsample_skeleton(skeleton: Tensor, size: Sequence[int]) -> Tensor:
    """Pool a tubed skeleton without breaking it: a new voxel is skeleton if anything beneath it was.

    Among several classes beneath a voxel of a map of class ids, the one with the largest share wins, the lower id in a
    tie. The channels of a multi-label skeleton are pooled one by one.

    Args:
        skeleton: ``(B, 1, *spatial)`` with class ids, or ``(B, C, *spatial)`` with a channel for each class.
        size: spatial size of the result.

    Returns:
        The skeleton, ``(B, 1 or C, *size)`` of the dtype given.
    """
    if skeleton.shape[1] > 1:
        return (_mean_pool(skeleton != 0, size) > 0).to(skeleton.dtype)
    low = skeleton.new_zeros((*skeleton.shape[:2], *size))
    largest = torch.zeros(low.shape, device=low.device)
    for class_id in skeleton.unique():
        if class_id != 0:
            share = _mean_pool(skeleton == class_id, size)
            low = torch.where(share > largest, class_id, low)
            largest = torch.maximum(share, largest)
    return low


def _mean_pool(mask: Tensor, size: Sequence[int]) -> Tensor:
    pool: Callable[..., Tensor] = F.adaptive_avg_pool2d if len(size) == 2 else F.adaptive_avg_pool3d
    return pool(mask.float(), tuple(size))


def _outputs(input: Tensor | Sequence[Tensor], label: Tensor) -> Sequence[Tensor]:
    """Return the outputs of a network as a sequence, full resolution first."""
    if isinstance(input, Tensor):
        return input.unbind(1) if input.ndim == label.ndim + 1 else [input]
    if not isinstance(input, list | tuple) or not input:
        raise ValueError(f"Expected `input` to be a tensor or a sequence of at least one, got {input!r}.")
    return input
