"""Deep supervision whose low resolutions keep thin structures connected."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from monai.losses import DeepSupervisionLoss
from torch import Tensor, nn

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.losses import check_weights
from monai_topoloss._checks.options import check_option
from monai_topoloss._checks.sizes import check_size_off_cpu
from monai_topoloss._checks.targets import check_outputs, check_skeleton_of_label, split_target
from monai_topoloss._labels import drop_ignored
from monai_topoloss.losses._common import Target

__all__ = ["SkeletonDeepSupervisionLoss", "downsample_skeleton", "downsample_target"]

_MANY = 1 << 16  # class ids from here on are numbered anew before they are counted


class SkeletonDeepSupervisionLoss(DeepSupervisionLoss):
    """Apply a Skeleton Recall loss to each output of a deeply supervised network.

    `monai.losses.DeepSupervisionLoss` resamples labels by the nearest neighbour, which shatters thin structures, and
    takes neither pairs nor integer labels. Here the skeleton is made once at full resolution and pooled for each
    output; the resampled label is set to the class of the pooled skeleton where there is one, so that the recall and
    the other terms of the loss ask for the same. Labels of any dtype will do.

    Args:
        loss: takes ``(input, (label, skeleton))``, such as `SkeletonRecallLoss` or `DiceCESkeletonRecallLoss`. Its
            attributes ``softmax`` (one-hot targets stay one-hot) and ``ignore_index`` are respected.
        weight_mode: ``"exp"`` (1, 1/2, 1/4, ... but at least 1/16), ``"two"`` (1, 1/2, 1/2, ...) or ``"same"``.
        weights: of the outputs, instead of ``weight_mode``.

    Raises:
        ValueError: if ``weight_mode`` is none of these.

    Example:
        >>> import torch
        >>> from monai_topoloss.losses import DiceCESkeletonRecallLoss
        >>> loss = SkeletonDeepSupervisionLoss(DiceCESkeletonRecallLoss(softmax=True, to_onehot_y=True))
        >>> label = torch.ones(1, 1, 16, 16, dtype=torch.uint8)
        >>> loss([torch.zeros(1, 2, 16, 16), torch.zeros(1, 2, 8, 8)], label).ndim
        0
    """

    def __init__(self, loss: nn.Module, weight_mode: str = "exp", weights: Sequence[float] | None = None) -> None:
        check_option("weight_mode", weight_mode, ("exp", "two", "same"))
        if weights is not None:
            weights = list(check_weights(weights))
        super().__init__(loss, weight_mode, weights)  # type: ignore[arg-type]

    def forward(self, input: Tensor | Sequence[Tensor], target: Target) -> Tensor:  # type: ignore[override]
        """Compute the weighted sum over the outputs.

        Args:
            input: outputs ``(B, C, *spatial)`` of any sizes up to the label's in a sequence, or full-size ones stacked
                as DynUNet does, ``(B, outputs, C, *spatial)``, or a single output.
            target: the label at full resolution, or a pair of the label and its precomputed tubed skeleton.

        Returns:
            The weighted sum of what ``loss`` returns.

        Raises:
            TypeError: if ``target`` is no tensor or pair of tensors, or needs a skeleton that ``loss`` cannot make.
            ValueError: if there is no output, or shapes do not fit.
        """
        label, skeleton = split_target(target)
        outputs = check_outputs(input, label)
        if skeleton is None:
            check_class_ids("target", label, ignore_index=getattr(self.loss, "ignore_index", None))
            skeleton = self._skeleton(label, outputs[0])
        else:
            check_skeleton_of_label(skeleton, label, outputs[0].shape[1])
            skeleton = drop_ignored(skeleton, label, getattr(self.loss, "ignore_index", None))
        total = torch.zeros((), device=label.device)
        for weight, output in zip(self.get_weights(len(outputs)), outputs, strict=True):
            if weight:
                pair = downsample_target(
                    label, skeleton, output.shape[2:], exclusive=bool(getattr(self.loss, "softmax", False))
                )
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


def downsample_target(
    label: Tensor, skeleton: Tensor, size: Sequence[int], *, exclusive: bool
) -> tuple[Tensor, Tensor]:
    """Resample a label by the nearest neighbour, and set it to the class of the pooled skeleton where there is one.

    Args:
        label: ``(B, 1, *spatial)`` with class ids, or ``(B, C, *spatial)`` with a channel for each class.
        skeleton: ``(B, 1 or C, *spatial)``, likewise.
        size: spatial size of the result.
        exclusive: whether the channels exclude each other, so that a voxel is of one class only.

    Returns:
        Label and skeleton at that size, of the dtypes given. Exclusive skeletons come as a map of class ids.
    """
    if label.shape[2:] == torch.Size(size):
        return label, skeleton
    if not exclusive and label.shape[1] == skeleton.shape[1] > 1:  # overlapping classes, one by one
        skeleton = _max_pool((skeleton != 0).to(torch.uint8), size).to(skeleton.dtype)
        return torch.where(skeleton != 0, skeleton.to(label.dtype), _nearest(label, size)), skeleton
    if skeleton.shape[1] > 1:
        skeleton = skeleton.to(torch.uint8).argmax(dim=1, keepdim=True)  # 0 where there is none
    skeleton = downsample_skeleton(skeleton, size)
    classes = skeleton
    if label.shape[1] > 1:
        classes = skeleton == torch.arange(label.shape[1], device=label.device).reshape(-1, *[1] * len(size))
    return torch.where(skeleton != 0, classes.to(label.dtype), _nearest(label, size)), skeleton


def downsample_skeleton(skeleton: Tensor, size: Sequence[int]) -> Tensor:
    """Pool a tubed skeleton without breaking it: a new voxel is skeleton if anything beneath it was.

    So the union of all classes stays in one piece. Where several classes lie beneath a new voxel, the one with the
    smallest skeleton in the sample takes it, the lower id in a tie: the thinnest structure is never broken.

    Args:
        skeleton: ``(B, 1, *spatial)`` with class ids; 0 and less are background.
        size: spatial size of the result.

    Returns:
        The skeleton, ``(B, 1, *size)`` of the dtype given.
    """
    ids, values = skeleton.long().clamp(min=0).flatten(1), None
    number = int(ids.max()) + 1 if ids.numel() else 1
    if number > _MANY:
        values, ids = F.pad(ids, (1, 0)).unique(return_inverse=True)  # with the background first
        ids, number = ids[:, 1:], len(values)
    offsets = number * torch.arange(len(ids), device=ids.device).unsqueeze(1)
    volumes = torch.bincount((ids + offsets).flatten(), minlength=len(ids) * number).reshape(-1, number)
    # A rank for each class, the highest for the smallest; then the maximum beneath a new voxel is the one to keep.
    by_rank = 1 + volumes[:, 1:].flip(1).argsort(dim=1, descending=True, stable=True).sub_(number - 2).neg_()
    by_rank = F.pad(by_rank, (1, 0))  # the background first
    ranks = by_rank.argsort(dim=1).to(torch.int32)
    low = _max_pool(ranks.gather(1, ids).reshape(skeleton.shape), size)
    low = by_rank.gather(1, low.long().flatten(1)).reshape(low.shape)
    return (low if values is None else values[low]).to(skeleton.dtype)


def _nearest(label: Tensor, size: Sequence[int]) -> Tensor:
    """Resample by the nearest neighbour, by integer arithmetic: exact for every dtype, unlike `interpolate`."""
    for axis, out in enumerate(size, start=2):
        centre = torch.arange(out, device=label.device) * 2 + 1
        label = label.index_select(axis, (centre * label.shape[axis]).div(2 * out, rounding_mode="floor"))
    return label


def _max_pool(volume: Tensor, size: Sequence[int]) -> Tensor:
    """Return the maximum of all that lies beneath a new voxel, even in part."""
    if not volume.numel():
        return volume.new_zeros(*volume.shape[:2], *size)
    if all(length % out == 0 for length, out in zip(volume.shape[2:], size, strict=True)):
        for axis, out in enumerate(size, start=2):
            volume = volume.unflatten(axis, (out, -1)).amax(dim=axis + 1)
        return volume
    check_size_off_cpu("skeleton", volume)
    pool: Callable[..., Tensor] = F.adaptive_max_pool2d if len(size) == 2 else F.adaptive_max_pool3d
    return pool(volume.float(), tuple(size)).to(volume.dtype)
