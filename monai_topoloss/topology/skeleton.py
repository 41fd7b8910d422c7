"""Skeletons of masks, and tubed skeletons of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import (
    KINDS,
    check_ignore_index,
    check_method,
    check_pruning,
    check_radius,
    check_spacing,
)
from monai_topoloss._checks.tensors import check_finite, check_mask, check_spatial_dims, check_tensor, like
from monai_topoloss._labels import has_id
from monai_topoloss.backends import backend_for, graph_backend
from monai_topoloss.topology._balls import make_ball
from monai_topoloss.topology._items import as_items, from_items

if TYPE_CHECKING:
    from monai.config import NdarrayTensor

__all__ = ["RADIUS", "skeletonize", "tubed_skeleton"]

RADIUS = 2  # of the tubes, as published


def skeletonize(
    mask: NdarrayTensor,
    *,
    kind: str = KINDS[0],
    prune: float | None = None,
    prune_factor: float | None = None,
    spacing: float | Sequence[float] | None = None,
    method: str | None = None,
    spatial_dims: int | None = None,
    backend: str = "auto",
) -> NdarrayTensor:
    """Thin a mask to its skeleton: centrelines one voxel wide, or surfaces.

    A medial surface is what is left if voxels stay besides that lie in a surface one voxel thick already: none of the
    eight octants around them, 2 x 2 x 2 voxels, holds more than three of the mask, or four that are in no plane. It is
    what to keep of membranes, cortex or papyrus, which centrelines would shrink to a few lines. Like those it has the
    components, tunnels and cavities of the mask.

    Pruning removes end branches, spurs, that are shorter than a length or than so many radii of the mask where they
    begin. It goes in rounds: a junction of n branches loses its shortest ones, n - 2 at most, and what is left of it
    may be one branch then, and long enough. Voxels go from the tip on, and only while that changes no topology, so
    that each component keeps a line. Doing it again with the same radii changes nothing.

    Args:
        mask: ``(*spatial)`` in 2-D or 3-D, or ``(..., *spatial)`` with ``spatial_dims``; nonzero is foreground.
        kind: ``"curve"`` for centrelines; ``"surface"`` for surfaces in the middle of sheets, in 3-D, by Lee's method.
        prune: how long an end branch must be to stay, from its tip to the middle of the junction, in voxels or in the
            units of ``spacing``. Default: none goes.
        prune_factor: how long it must be at least, times the radius there: the largest distance of the junction's
            voxels to the background, as `scipy.ndimage.distance_transform_edt` measures it. Spurs to the surface are
            about 1 radius long. Default: none goes.
        spacing: size of a voxel along each axis, or one for all, by which branches and radii are measured. Default: 1.
        method: ``"zhang"`` (Zhang and Suen 1984, 2-D only, the default there), ``"lee"`` (Lee, Kashyap and Chu 1994,
            the default in 3-D), ``"thin"`` (Guo and Hall 1989, 2-D only) or ``"lee_skimage"``. Zhang's gives what
            `skimage.morphology.skeletonize` gives, Guo and Hall's what `skimage.morphology.thin` gives. Lee's never
            changes the number of components, tunnels and cavities; scikit-image's version of it, which
            ``"lee_skimage"`` reproduces bit for bit, may. Its voxels are taken in an order that counts from the corner
            of the foreground's box, so that cropping, padding and shifting change nothing, but flipping may.
        spatial_dims: how many of the last axes are spatial, 2 or 3. The others count independent images. Default: all
            axes are spatial.
        backend: ``"auto"`` computes on the mask's device where that is possible; ``"cpu"`` or ``"cuda"`` force one.
            ``"lee_skimage"`` is computed on the CPU.

    Returns:
        The skeleton, bool, of the shape and kind of ``mask`` and on its device.

    Raises:
        TypeError: if ``mask`` is no tensor or array of real numbers.
        ValueError: if the rank is not 2-D or 3-D, ``mask`` holds NaN or infinity, the method or kind does not fit
            the rank, a length is negative, a surface is to be pruned, or ``spacing`` is not positive.
        ImportError: if ``backend="cuda"`` cannot be had.

    Example:
        >>> import numpy as np
        >>> bar = np.zeros((5, 9), dtype=bool)
        >>> bar[1:4, 1:8] = True
        >>> skeletonize(bar).astype(int)
        array([[0, 0, 0, 0, 0, 0, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 1, 0, 0],
               [0, 1, 1, 1, 1, 1, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 0, 0, 0]])

    References:
        T. Y. Zhang and C. Y. Suen, A fast parallel algorithm for thinning digital patterns, CACM 27(3), 1984.
        Z. Guo and R. W. Hall, Parallel thinning with two-subiteration algorithms, CACM 32(3), 1989.
        T.-C. Lee, R. L. Kashyap and C.-N. Chu, Building skeleton models via 3-D medial surface/axis thinning
        algorithms, CVGIP 56(6), 1994.
    """
    tensor = check_mask("mask", mask)
    check_finite("mask", tensor)
    spatial_dims = check_spatial_dims("mask", tensor, spatial_dims)
    limits = check_pruning(prune, prune_factor, kind)
    sizes = check_spacing(spacing, spatial_dims)
    method = check_method(method, spatial_dims, kind)
    items = as_items(tensor if tensor.dtype == torch.bool else tensor != 0, spatial_dims)
    skeleton = backend_for(tensor, backend, method).skeletonize(items, method=method)
    if any(limits):
        length, factor = limits
        skeleton = _prune(skeleton, items, np.array(sizes), length=length, factor=factor, method=method)
    return cast("NdarrayTensor", like(from_items(skeleton, tensor), mask))


def _prune(skeletons: Tensor, masks: Tensor, sizes: NDArray[np.float64], **options: Any) -> Tensor:
    """Prune the skeletons of items, ``(N, *spatial)``."""
    backend, pruned = graph_backend(), torch.empty(skeletons.shape, dtype=torch.bool)
    for k, (skeleton, mask) in enumerate(zip(skeletons.cpu(), masks.cpu(), strict=True)):
        pruned[k] = torch.from_numpy(backend.prune(skeleton.numpy(), mask.numpy(), sizes, **options))
    return pruned.to(skeletons.device)


def tubed_skeleton(
    label: NdarrayTensor,
    *,
    radius: float = RADIUS,
    spacing: float | Sequence[float] | None = None,
    per_class: bool = False,
    ignore_index: int | None = None,
    kind: str = KINDS[0],
    prune: float | None = None,
    prune_factor: float | None = None,
    method: str | None = None,
    spatial_dims: int | None = None,
    backend: str = "auto",
) -> NdarrayTensor:
    r"""Thicken the skeleton of a label to a tube that carries the label's classes: the target of Skeleton Recall.

    The skeleton :math:`\operatorname{skel}(Y > 0)` of all classes together is dilated ``radius`` times by the cross,
    which is a ball of the L1 norm, and multiplied by the label: ``tube = dilate(skeletonize(label > 0)) * label``.
    So each voxel of the tube has the class of the label beneath it, and no tube leaves the label.

    With a ``spacing``, the tube is all of the label within ``radius`` of a voxel of the skeleton, in its units: as wide
    in each direction, whatever the voxels.

    Args:
        label: class ids, ``(*spatial)`` in 2-D or 3-D, or ``(..., *spatial)`` with ``spatial_dims``; 0 is background.
        radius: of the ball, in voxels, or with ``spacing`` a length; 0 leaves the bare skeleton.
        spacing: size of a voxel along each axis, or one for all, as in millimetres. Distances between the centres of
            voxels may then be up to ``radius``, but for rounding: a millionth.
        per_class: skeletonize each class on its own instead of their union. A class that is the wall of another then
            gets a skeleton too; classes that continue each other get separate ends.
        ignore_index: an id that is background here.
        kind: ``"curve"``, or for sheets ``"surface"``, see `skeletonize`.
        prune: how long end branches of the skeleton must be to stay, see there; measured as ``radius`` is.
        prune_factor: how long they must be, times the radius of the label there.
        method: thinning method, see there.
        spatial_dims: how many of the last axes are spatial, 2 or 3. The others count independent images, such as the
            channels of a multi-label target. Default: all axes are spatial.
        backend: ``"auto"`` computes on the label's device where that is possible; ``"cpu"`` or ``"cuda"`` force one.

    Returns:
        The tubed skeleton, of the dtype, shape and kind of ``label`` and on its device.

    Raises:
        TypeError: if ``label`` is no tensor or array of real numbers, ``ignore_index`` no int, or ``radius`` no int or
            with ``spacing`` no number.
        ValueError: if the rank is not 2-D or 3-D, ids are negative or no whole numbers, ``radius`` is negative,
            ``spacing`` is not positive, a length is negative, a surface is to be pruned, or the method or kind does not
            fit the rank.
        ImportError: if ``backend="cuda"`` cannot be had.

    Example:
        >>> import numpy as np
        >>> label = np.zeros((5, 9), dtype=np.uint8)
        >>> label[1:4, 1:5], label[1:4, 5:8] = 1, 2
        >>> tubed_skeleton(label, radius=1)
        array([[0, 0, 0, 0, 0, 0, 0, 0, 0],
               [0, 1, 1, 1, 1, 2, 2, 2, 0],
               [0, 1, 1, 1, 1, 2, 2, 0, 0],
               [0, 1, 1, 1, 1, 2, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 0, 0, 0]], dtype=uint8)
        >>> tubed_skeleton(label, radius=1.0, spacing=(1.2, 0.5))
        array([[0, 0, 0, 0, 0, 0, 0, 0, 0],
               [0, 0, 0, 0, 1, 2, 2, 2, 0],
               [0, 1, 1, 1, 1, 2, 2, 2, 0],
               [0, 0, 0, 0, 0, 0, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 0, 0, 0]], dtype=uint8)

    References:
        Y. Kirchhoff, M. R. Rokuss et al., Skeleton Recall Loss for Connectivity Conserving and Resource Efficient
        Segmentation of Thin Tubular Structures, ECCV 2024.
    """
    check_radius(radius, spacing)
    check_ignore_index(ignore_index)
    tensor = check_tensor("label", label)
    if ignore_index is not None:
        tensor = tensor.masked_fill(has_id(tensor, ignore_index), 0)
    check_class_ids("label", tensor)
    spatial_dims = check_spatial_dims("label", tensor, spatial_dims)
    length, factor = check_pruning(prune, prune_factor, kind)
    method = check_method(method, spatial_dims, kind)
    items = as_items(tensor, spatial_dims)
    ball = make_ball(radius, spacing, items.shape[1:])
    thinning = backend_for(tensor, backend, method)
    if length or factor:
        sizes, tubes = np.array(check_spacing(spacing, spatial_dims)), torch.zeros_like(items)
        for mask in [items == value for value in items.unique() if value] if per_class else [items != 0]:
            skeletons = thinning.skeletonize(mask, method=method)
            skeletons = _prune(skeletons, mask, sizes, length=length, factor=factor, method=method)
            tubes = torch.where(thinning.dilate(skeletons, ball=ball) & mask, items, tubes)
    else:
        tubes = thinning.tubed_skeleton(items, ball=ball, per_class=per_class, method=method)
    return cast("NdarrayTensor", like(from_items(tubes, tensor), label, same_dtype=True))
