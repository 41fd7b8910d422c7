"""Critical components of the mistakes of a segmentation: those that split or merge objects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_connectivity, check_ignore_index, check_num_classes
from monai_topoloss._checks.tensors import check_same_device, check_same_shape, check_spatial_dims, check_tensor, like
from monai_topoloss._labels import has_id
from monai_topoloss.backends import backend_for
from monai_topoloss.topology._items import as_ids, as_items, from_items

__all__ = ["CriticalComponentsResult", "critical_components"]


class CriticalComponentsResult(NamedTuple):
    """What `critical_components` returns."""

    splits: Tensor | NDArray[np.bool_]
    merges: Tensor | NDArray[np.bool_]
    n_splits: Tensor | NDArray[np.int64]
    n_merges: Tensor | NDArray[np.int64]


def critical_components(
    input: Tensor | NDArray[np.generic],
    target: Tensor | NDArray[np.generic],
    *,
    num_classes: int | None = None,
    connectivity: int | None = None,
    object_connectivity: int | None = None,
    mistake_connectivity: int | None = None,
    ignore_index: int | None = None,
    spatial_dims: int | None = None,
    backend: str = "auto",
) -> CriticalComponentsResult:
    """Find the connected components of the mistakes that split or merge objects.

    A mistake is foreground on one side and background on the other. What an object of ``target`` is missing in
    ``input`` falls into connected components; so does what remains of it. A component that touches exactly one
    component of the remainder only makes the object thinner or shorter. One that touches several is a *split*: it
    breaks the object. So is one that touches none: it drops the object. With the sides exchanged, what ``input``
    invents are *merges*: components that join objects, or make new ones. The cost is linear in the size of the image.

    Each component is judged with all other mistakes in place. A ring with two gaps has two splits, although either gap
    alone would leave it in one piece.

    What the ids mean:

    - A mask, or ids with one value besides 0, is one foreground, of which the connected components are the objects.
    - Several ids are instances, told apart where they touch. Two foregrounds with different ids are no mistake: if two
      instances that touch are predicted as one, no voxel is wrong, and there is no merge. Measures such as the
      variation of information and the adapted Rand error see that.
    - With ``num_classes`` they are classes, each taken against the rest: a voxel of class a that is predicted as b is
      missing in a and invented in b.

    Args:
        input: the prediction: bool or ids from 0 on, ``(*spatial)`` in 2-D or 3-D, or ``(..., *spatial)`` with
            ``spatial_dims``; 0 is background.
        target: what is true, likewise and of the same shape.
        num_classes: ids are classes below this number, the background included.
        connectivity: in how many axes at once neighbours may differ, from 1 to the number of spatial axes. Default: all
            of them, which is 8 neighbours in 2-D and 26 in 3-D.
        object_connectivity: that of objects and of what remains of them, instead of ``connectivity``.
        mistake_connectivity: that of mistakes, among themselves and with what remains, instead of ``connectivity``.
            With 1 for objects and all axes for mistakes, results are those of the code that was released with the
            paper, in which what remains of several instances hangs together where they touch.
        ignore_index: a value of ``target`` where nothing counts. Such voxels belong to no object, so that an object
            which runs across them is two; sparse annotations are not what this is made for.
        spatial_dims: how many of the last axes are spatial, 2 or 3. The others count independent images. Default: all
            axes are spatial.
        backend: ``"auto"`` computes on the input's device where that is possible; ``"cpu"`` or ``"cuda"`` force one.

    Returns:
        ``splits`` and ``merges``: bool, of the shape and kind of ``input`` and on its device. ``n_splits`` and
        ``n_merges``: how many components they are, int64, in the shape of the axes that are not spatial; with
        ``num_classes`` there is one more axis, for the classes from 1 on.

    Raises:
        TypeError: if ``input`` or ``target`` is no tensor or array of real numbers, or another argument no int.
        ValueError: if shapes or devices differ, the rank is not 2-D or 3-D, ids are negative, too high or no whole
            numbers, or a connectivity is out of range.
        ImportError: if ``backend="cuda"`` cannot be had.

    Example:
        >>> import numpy as np
        >>> target = np.array([[1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0]], bool)
        >>> input = np.array([[0, 1, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0]], bool)
        >>> critical_components(input, target).splits.astype(int)
        array([[0, 0, 1, 0, 0, 0, 0],
               [0, 0, 0, 0, 0, 0, 0]])

    References:
        A. Grim, J. Chandrashekar and U. Sümbül, Efficient Connectivity-Preserving Instance Segmentation with
        Supervoxel-Based Loss Function, AAAI 2025, arXiv 2501.01022.
    """
    check_num_classes(num_classes)
    check_ignore_index(ignore_index)
    image, truth = check_tensor("input", input), check_tensor("target", target)
    spatial_dims = check_spatial_dims("input", image, spatial_dims)
    check_same_shape("target", truth, image)
    check_same_device("target", truth, image)
    connectivity = check_connectivity("connectivity", connectivity, spatial_dims)
    if object_connectivity is None:
        object_connectivity = connectivity
    if mistake_connectivity is None:
        mistake_connectivity = connectivity
    check_connectivity("object_connectivity", object_connectivity, spatial_dims)
    check_connectivity("mistake_connectivity", mistake_connectivity, spatial_dims)
    if ignore_index is not None:
        ignored = has_id(truth, ignore_index)
        image, truth = image.masked_fill(ignored, 0), truth.masked_fill(ignored, 0)
    check_class_ids("input", image, num_classes=num_classes)
    check_class_ids("target", truth, num_classes=num_classes)
    found = backend_for(image, backend).critical_components(
        as_items(as_ids(image), spatial_dims),
        as_items(as_ids(truth), spatial_dims),
        num_classes=num_classes,
        object_connectivity=object_connectivity,
        mistake_connectivity=mistake_connectivity,
    )
    lead = image.shape[: image.ndim - spatial_dims]
    if num_classes is None:
        counts = (count.reshape(lead) for count in (found.n_splits, found.n_merges))
    else:
        counts = (count[:, 1:].reshape(*lead, num_classes - 1) for count in (found.n_splits, found.n_merges))
    return CriticalComponentsResult(
        *(like(from_items(mask, image), input) for mask in (found.splits, found.merges)),
        *(like(count, input, is_image=False) for count in counts),
    )
