"""The transform that carries skeletons through nnU-Net's data loaders, as further channels of the segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from batchgeneratorsv2.transforms.base.basic_transform import SegOnlyTransform
from torch import Tensor

from monai_topoloss._checks.options import KINDS
from monai_topoloss.losses.deep_supervision import downsample_target
from monai_topoloss.topology import tubed_skeleton

__all__ = ["AddSkeletonTransform"]


class AddSkeletonTransform(SegOnlyTransform):  # type: ignore[misc]
    """Append the tubed skeleton to a segmentation, and make one of both for each output of deep supervision.

    The low resolutions keep structures connected along their skeleton; nnU-Net's nearest neighbours break thin ones.
    What is ignored stays so.

    Args:
        scales: of the outputs along each axis; None for a single one.
        regions: how many channels of regions there are, which may overlap; 0 for a map of class ids. A further channel
            marks what is ignored.
        ignore_label: class id of what is ignored, where there are no regions.
        radius: of the tubes, in voxels, or with ``spacing`` a length.
        spacing: size of a voxel along each axis.
        kind: of skeletons, see `monai_topoloss.topology.skeletonize`.
        append: whether the skeleton is wanted; without it, it only keeps the low resolutions connected.
    """

    def __init__(
        self, scales: Sequence[Sequence[float] | float] | None, *, regions: int, ignore_label: int | None,
        radius: float, spacing: Sequence[float] | None = None, kind: str = KINDS[0], append: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.scales = scales
        self.regions = regions
        self.ignore_label = ignore_label
        self.radius, self.spacing, self.kind = radius, spacing, kind
        self.append = append

    def _apply_to_segmentation(self, segmentation: Tensor, **_: object) -> Tensor | list[Tensor]:
        """Return ``(channels + skeletons, *spatial)``, or a list of such."""
        spatial = segmentation.shape[1:]
        label, ignored = segmentation, segmentation[:0]
        if self.regions:
            label, ignored = segmentation[: self.regions], segmentation[self.regions :]
        visible = label * (ignored == 0).all(dim=0) if len(ignored) else label
        skeleton = tubed_skeleton(
            visible, radius=self.radius, spacing=self.spacing, kind=self.kind, spatial_dims=len(spatial),
            ignore_index=None if self.regions else self.ignore_label,
        )  # fmt: skip
        if self.scales is None:
            return self._join(label, ignored, skeleton)
        results = []
        for scale in self.scales:
            factors = scale if isinstance(scale, Sequence) else [scale] * len(spatial)
            size = [round(length * factor) for length, factor in zip(spatial, factors, strict=True)]
            results.append(self._downsample(label, ignored, skeleton, size))
        return results

    def _downsample(self, label: Tensor, ignored: Tensor, skeleton: Tensor, size: Sequence[int]) -> Tensor:
        (small,), (tube,) = downsample_target(label[None], skeleton[None], size, exclusive=not self.regions)
        unknown = _nearest(ignored, size)
        if len(unknown):
            tube = tube.masked_fill(unknown.amax(dim=0) != 0, 0)
        elif self.ignore_label is not None and not self.regions:  # a skeleton must not grow into what is ignored
            outside = _nearest((label == self.ignore_label).to(label.dtype), size) != 0
            small, tube = small.masked_fill(outside, self.ignore_label), tube.masked_fill(outside, 0)
        return self._join(small, unknown, tube)

    def _join(self, label: Tensor, ignored: Tensor, skeleton: Tensor) -> Tensor:
        return torch.cat([label, ignored, skeleton] if self.append else [label, ignored])


def _nearest(channels: Tensor, size: Sequence[int]) -> Tensor:
    if not len(channels):
        return channels.new_zeros((0, *size))
    resampled = torch.nn.functional.interpolate(channels[None].float(), tuple(size), mode="nearest-exact")
    return resampled[0].to(channels.dtype)
