"""Array transforms: channel-first images in, images of the same kind out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from monai.config import NdarrayOrTensor
from monai.data import MetaTensor
from monai.data.utils import affine_to_spacing
from monai.transforms import Transform
from monai.utils import TransformBackends, convert_to_dst_type
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids, check_one_map
from monai_topoloss._checks.options import (
    KINDS,
    UNITS,
    check_ignore_index,
    check_int,
    check_method,
    check_num_classes,
    check_option,
    check_pruning,
    check_radius,
    check_units,
)
from monai_topoloss._checks.tensors import (
    check_channel_first,
    check_same_device,
    check_same_shape,
    check_tensor,
    like,
)
from monai_topoloss._labels import has_id
from monai_topoloss.backends import BACKENDS
from monai_topoloss.topology import (
    CriticalComponentsResult,
    critical_components,
    skeletonize,
    soft_skeleton,
    tubed_skeleton,
)
from monai_topoloss.topology._classes import split_classes
from monai_topoloss.topology.skeleton import RADIUS
from monai_topoloss.topology.soft_skeleton import ITERATIONS

__all__ = ["CriticalComponents", "Skeletonize", "SoftSkeletonize", "TubedSkeletonize"]


class Skeletonize(Transform):
    """Thin a mask to its skeleton, channel by channel.

    Shapes: ``(C, *spatial)`` to ``(C, *spatial)`` in 2-D and 3-D. NumPy arrays and tensors keep their kind, a
    MetaTensor its affine and applied operations, and the image its dtype: skeleton voxels are 1, others 0.

    A bare skeleton does not survive resampling: nearest-neighbour rotation or zoom breaks it. Skeletonize after spatial
    transforms, or use `TubedSkeletonize`.

    Args:
        kind: ``"curve"`` for centrelines, or in 3-D ``"surface"``, see `monai_topoloss.topology.skeletonize`.
        prune: how long end branches must be to stay, in voxels or in the units of ``spacing``, see there.
        prune_factor: how long they must be, times the radius there.
        spacing: size of a voxel along each axis, or one for all.
        units: ``"mm"`` takes the spacing from the affine of each image, a MetaTensor.
        method: ``"zhang"`` (2-D), ``"lee"`` or ``"lee_skimage"``, see there.
        backend: where to compute, ``"auto"`` follows the image.

    Example:
        >>> import torch
        >>> skeleton = Skeletonize()(torch.ones(1, 5, 9))
        >>> skeleton.shape, skeleton.dtype, bool(skeleton.sum() < 45)
        (torch.Size([1, 5, 9]), torch.float32, True)
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(
        self,
        kind: str = KINDS[0],
        prune: float | None = None,
        prune_factor: float | None = None,
        spacing: float | Sequence[float] | None = None,
        units: str = UNITS[0],
        method: str | None = None,
        backend: str = "auto",
    ) -> None:
        check_units(units, spacing)
        check_method(method, kind=kind)
        check_pruning(prune, prune_factor, kind)
        check_option("backend", backend, BACKENDS)
        self.kind = kind
        self.prune = prune
        self.prune_factor = prune_factor
        self.spacing = spacing
        self.units = units
        self.method = method
        self.compute_backend = backend  # `backend` itself is MONAI's list of what a transform accepts

    def __call__(self, img: NdarrayOrTensor) -> NdarrayOrTensor:
        """Skeletonize each channel of ``img``, where nonzero is foreground.

        Raises:
            TypeError: if ``img`` is no tensor or array of real numbers, or with ``units="mm"`` no MetaTensor.
            ValueError: if ``img`` is not ``(C, *spatial)`` in 2-D or 3-D, or not finite, or a surface is asked for in
                2-D.
        """
        spatial_dims = check_channel_first("img", img)
        skeleton = skeletonize(
            img,
            kind=self.kind,
            prune=self.prune,
            prune_factor=self.prune_factor,
            spacing=self.spacing if self.units == UNITS[0] else _spacing_of(img, spatial_dims),
            method=self.method,
            spatial_dims=spatial_dims,
            backend=self.compute_backend,
        )
        return convert_to_dst_type(skeleton, img)[0]


class TubedSkeletonize(Transform):
    """Make the target of Skeleton Recall: the skeleton of a label as a tube that carries the label's classes.

    Shapes: ``(C, *spatial)`` to ``(C, *spatial)`` in 2-D and 3-D, dtype kept. A label map (C = 1, class ids) is thinned
    as the union of its classes; the channels of a multi-label target are thinned one by one. NumPy arrays and tensors
    keep their kind, a MetaTensor its affine and applied operations. The transform is deterministic, so that
    ``CacheDataset`` and ``PersistentDataset`` cache it.

    Where to put it in a ``Compose``:

    - *Before* random spatial transforms it runs once a case and is cached. While training, it costs only the
      transforms of one more key, with ``mode="nearest"`` as for the label. A tube of radius 2 mostly survives
      a nearest-neighbour rotation in one piece where the label is as wide; a bare skeleton (``radius=0``) is shattered.
    - *After* them it costs one skeletonization a sample, and is the exact tube of the label that the network sees: use
      it with strong zooms and elastic deformations.
    - *Before* one-hot encoding: a one-hot label has no union of classes any more, so each channel, background included,
      would get a skeleton of its own.

    Args:
        radius: of the tube, in voxels or with ``spacing`` or ``units="mm"`` a length; 0 leaves the bare skeleton.
        spacing: size of a voxel along each axis, or one for all: the tube is all of the label within ``radius`` of the
            skeleton.
        units: ``"mm"`` takes the spacing from the affine of each label, a MetaTensor, whatever ``Spacingd``,
            ``Orientationd`` or rotations made of it.
        per_class: skeletonize each class of a label map on its own.
        ignore_index: an id that is background here; give the loss the same.
        kind: ``"curve"``, or in 3-D for sheets ``"surface"``, see `monai_topoloss.topology.skeletonize`.
        prune: how long end branches of the skeleton must be to stay, measured as ``radius`` is, see there.
        prune_factor: how long they must be, times the radius of the label there.
        method: thinning method, see `monai_topoloss.topology.skeletonize`.
        backend: where to compute, ``"auto"`` follows the label.

    Example:
        >>> import torch
        >>> label = torch.zeros(1, 32, 32, dtype=torch.uint8)
        >>> label[:, 8:24] = 1
        >>> label[:, :, 16:] *= 2  # another class
        >>> tube = TubedSkeletonize(radius=2)(label)
        >>> tube.unique().tolist(), bool(((tube == 0) | (tube == label)).all())
        ([0, 1, 2], True)
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(
        self,
        radius: float = RADIUS,
        spacing: float | Sequence[float] | None = None,
        units: str = UNITS[0],
        per_class: bool = False,
        ignore_index: int | None = None,
        kind: str = KINDS[0],
        prune: float | None = None,
        prune_factor: float | None = None,
        method: str | None = None,
        backend: str = "auto",
    ) -> None:
        check_units(units, spacing)
        check_pruning(prune, prune_factor, kind)
        check_radius(radius, spacing if units == UNITS[0] else 1)
        check_ignore_index(ignore_index)
        check_method(method, kind=kind)
        check_option("backend", backend, BACKENDS)
        self.radius = radius
        self.spacing = spacing
        self.units = units
        self.per_class = per_class
        self.ignore_index = ignore_index
        self.kind = kind
        self.prune = prune
        self.prune_factor = prune_factor
        self.method = method
        self.compute_backend = backend  # `backend` itself is MONAI's list of what a transform accepts

    def __call__(self, img: NdarrayOrTensor) -> NdarrayOrTensor:
        """Make the tubed skeleton of the label ``img``.

        Raises:
            TypeError: if ``img`` is no tensor or array of real numbers, or with ``units="mm"`` no MetaTensor.
            ValueError: if ``img`` is not ``(C, *spatial)`` in 2-D or 3-D, or holds negative or fractional class ids.
        """
        spatial_dims = check_channel_first("img", img)
        return tubed_skeleton(
            img,
            radius=self.radius,
            spacing=self.spacing if self.units == UNITS[0] else _spacing_of(img, spatial_dims),
            per_class=self.per_class,
            ignore_index=self.ignore_index,
            kind=self.kind,
            prune=self.prune,
            prune_factor=self.prune_factor,
            method=self.method,
            spatial_dims=spatial_dims,
            backend=self.compute_backend,
        )


def _spacing_of(img: NdarrayOrTensor, spatial_dims: int) -> list[float]:
    """Return the size of a voxel along each axis, as the affine of a MetaTensor says it."""
    if not isinstance(img, MetaTensor):
        raise TypeError(f"Expected a MetaTensor with `units='mm'`, got {type(img).__name__}: pass `spacing` instead.")
    spacing: list[float] = affine_to_spacing(img.affine, r=spatial_dims).tolist()
    return spacing


class SoftSkeletonize(Transform):
    """Make the target's soft skeleton for `SoftCenterlineDiceLoss`, once before training.

    Shapes: ``(C, *spatial)`` to ``(C, *spatial)`` in 2-D and 3-D, dtype kept, or with ``num_classes`` a channel of 0
    and 1 for each. Each class of a label map (C = 1, class ids) has a skeleton of its own, and so has each channel of a
    multi-label target. NumPy arrays and tensors keep their kind, a MetaTensor its affine and applied operations.

    It is deterministic, so that ``CacheDataset`` and ``PersistentDataset`` cache it. Without it, the loss makes it in
    each step. Flips, turns by right angles and crops leave it as it would be, but near what a crop cuts; resampling
    does not.

    Args:
        iterations: how often to erode: ``iter_`` of the loss.
        num_classes: of a label map, the background included. Give it for a loss that counts the background.
        ignore_index: an id that is background here; give the loss the same.

    Example:
        >>> import torch
        >>> label = torch.zeros(1, 32, 32, dtype=torch.uint8)
        >>> label[:, 8:24] = 1
        >>> SoftSkeletonize(iterations=10)(label).sum()
        tensor(64)
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(
        self, iterations: int = ITERATIONS, num_classes: int | None = None, ignore_index: int | None = None
    ) -> None:
        check_int("iterations", iterations, minimum=0)
        check_num_classes(num_classes)
        check_ignore_index(ignore_index)
        self.iterations = iterations
        self.num_classes = num_classes
        self.ignore_index = ignore_index

    def __call__(self, img: NdarrayOrTensor) -> NdarrayOrTensor:
        """Make the soft skeleton of the label ``img``.

        Raises:
            TypeError: if ``img`` is no tensor or array of real numbers.
            ValueError: if ``img`` is not ``(C, *spatial)`` in 2-D or 3-D, or holds negative or fractional class ids, or
                with ``num_classes`` several channels or other ids.
        """
        spatial_dims = check_channel_first("img", img)
        check_one_map("img", img, self.num_classes)
        label = check_tensor("img", img)
        ignored = None if self.ignore_index is None else has_id(label, self.ignore_index)
        if ignored is not None:
            label = label.masked_fill(ignored, 0)
        check_class_ids("img", label, num_classes=self.num_classes)
        if self.num_classes is not None:
            masks = label == torch.arange(self.num_classes, device=label.device).reshape(-1, *[1] * spatial_dims)
            if ignored is not None:
                masks &= ~ignored
            found = soft_skeleton(masks, iterations=self.iterations, spatial_dims=spatial_dims).to(label.dtype)
            return cast(NdarrayOrTensor, like(found, img, same_dtype=True))
        skeleton = torch.zeros_like(label, dtype=torch.bool)
        for value in label[label != 0].unique():
            skeleton |= soft_skeleton(label == value, iterations=self.iterations, spatial_dims=spatial_dims)
        return cast(NdarrayOrTensor, like(label * skeleton, img, same_dtype=True))


class CriticalComponents(Transform):
    """Show where a prediction splits or merges objects: two maps of errors, to look at or to save, and their numbers.

    Shapes: ``(C, *spatial)`` to ``(1, *spatial)`` in 2-D and 3-D, or a channel for each class. One channel is a mask,
    a map of instance ids, or with ``num_classes`` a map of class ids. Several channels are one mask for each class.
    NumPy arrays and tensors keep their kind, a MetaTensor its affine and applied operations.

    Args:
        num_classes: the one channel holds class ids below this number, the background included.
        include_background: whether channel 0 of several counts.
        per_class: give the maps a channel for each class that counts. Default: one channel, the union of the classes.
        connectivity: in how many axes at once neighbours may differ. Default: all.
        ignore_index: a value of the label where nothing counts.
        backend: where to compute, ``"auto"`` follows the prediction.

    Example:
        >>> import torch
        >>> label = torch.zeros(1, 3, 9)
        >>> label[0, 1] = 1
        >>> prediction = label.clone()
        >>> prediction[0, 1, 4] = 0  # breaks the line
        >>> found = CriticalComponents()(prediction, label)
        >>> int(found.splits.sum()), found.n_splits.tolist(), found.n_merges.tolist()
        (1, [1], [0])
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(
        self,
        num_classes: int | None = None,
        include_background: bool = False,
        per_class: bool = False,
        connectivity: int | None = None,
        ignore_index: int | None = None,
        backend: str = "auto",
    ) -> None:
        check_num_classes(num_classes)
        if connectivity is not None:
            check_int("connectivity", connectivity, minimum=1)
        check_ignore_index(ignore_index)
        check_option("backend", backend, BACKENDS)
        self.num_classes = num_classes
        self.include_background = include_background
        self.per_class = per_class
        self.connectivity = connectivity
        self.ignore_index = ignore_index
        self.compute_backend = backend  # `backend` itself is MONAI's list of what a transform accepts

    def __call__(  # type: ignore[override]  # as other transforms of MONAI with two arguments
        self, img: NdarrayOrTensor, label: NdarrayOrTensor
    ) -> CriticalComponentsResult:
        """Find the critical components of the prediction ``img``.

        Returns:
            ``splits`` and ``merges``: the voxels of splits and those of merges, see
            `monai_topoloss.topology.critical_components`, as 1 in uint8, of the kind of ``img``. ``n_splits`` and
            ``n_merges``: how many there are of each class that counts, int64 ``(classes,)``, of ids or a mask
            ``(1,)``.

        Raises:
            TypeError: if ``img`` or ``label`` is no tensor or array of real numbers.
            ValueError: if they are not ``(C, *spatial)`` in 2-D or 3-D and of one shape, or hold other values than ids.
        """
        spatial_dims = check_channel_first("img", img)
        check_same_shape("label", label, img, "img")
        check_one_map("img", img, self.num_classes)
        image, truth = check_tensor("img", img), check_tensor("label", label)
        num_classes, ignore_index = self.num_classes, self.ignore_index
        if len(image) > 1 and not self.include_background:
            image, truth = image[1:], truth[1:]
        if self.per_class and num_classes is not None:
            check_same_device("label", truth, image)
            image, truth = split_classes(image[0], truth[0], num_classes, ignore_index, ("img", "label"))
            num_classes = ignore_index = None
        found = critical_components(
            image,
            truth,
            num_classes=num_classes,
            connectivity=self.connectivity,
            ignore_index=ignore_index,
            spatial_dims=spatial_dims,
            backend=self.compute_backend,
        )
        maps = (cast(Tensor, mask) for mask in (found.splits, found.merges))
        counts = (cast(Tensor, count).flatten() for count in (found.n_splits, found.n_merges))
        return CriticalComponentsResult(
            *(like((mask if self.per_class else mask.any(0, keepdim=True)).to(torch.uint8), img) for mask in maps),
            *(like(count, img, is_image=False) for count in counts),
        )
