"""Connected components of masks and instance maps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_connectivity
from monai_topoloss._checks.tensors import IDS, check_spatial_dims, check_tensor, like
from monai_topoloss.backends import backend_for
from monai_topoloss.topology._items import as_ids, as_items, from_items

__all__ = ["Components", "label_components"]


class Components(NamedTuple):
    """What `label_components` returns."""

    labels: Tensor | NDArray[np.int32 | np.int64]
    counts: Tensor | NDArray[np.int64]


def label_components(
    image: Tensor | NDArray[np.generic],
    *,
    connectivity: int | None = None,
    spatial_dims: int | None = None,
    backend: str = "auto",
) -> Components:
    """Number the connected components of a mask, or of each id of an instance map or class map.

    Adjacent voxels with different ids are in different components.

    Args:
        image: bool or ids from 0 on, ``(*spatial)`` in 2-D or 3-D, or ``(..., *spatial)`` with ``spatial_dims``; 0 is
            background.
        connectivity: in how many axes at once neighbours may differ, from 1 to the number of spatial axes, as in
            `skimage.measure.label`. Default: all of them, which is 8 neighbours in 2-D and 26 in 3-D.
        spatial_dims: how many of the last axes are spatial, 2 or 3. The others count independent images. Default: all
            axes are spatial.
        backend: ``"auto"`` computes on the image's device where that is possible; ``"cpu"`` or ``"cuda"`` force one.

    Returns:
        ``labels``, int32 of the shape of ``image``: components count from 1 on in raster order. They are int64 for
        images of 2^31 voxels or more. ``counts``, int64: how many they are, in the shape of the axes that are not
        spatial. Both of the kind of ``image`` and on its device.

    Raises:
        TypeError: if ``image`` is no tensor or array of real numbers, or ``connectivity`` no int.
        ValueError: if the rank is not 2-D or 3-D, ids are negative or no whole numbers, or ``connectivity`` is out of
            range.
        ImportError: if ``backend="cuda"`` cannot be had.

    Example:
        >>> import numpy as np
        >>> label_components(np.array([[1, 1, 0, 1], [0, 2, 0, 1]])).labels
        array([[1, 1, 0, 2],
               [0, 3, 0, 2]], dtype=int32)
    """
    tensor = check_tensor("image", image, keep=IDS)
    spatial_dims = check_spatial_dims("image", tensor, spatial_dims)
    connectivity = check_connectivity("connectivity", connectivity, spatial_dims)
    highest = check_class_ids("image", tensor)
    items = as_items(as_ids(tensor), spatial_dims)
    labels, counts = backend_for(tensor, backend).label_components(items, connectivity=connectivity, highest=highest)
    lead = tensor.shape[: tensor.ndim - spatial_dims]
    return Components(
        like(from_items(labels, tensor), image),
        like(counts.reshape(lead), image, is_image=False),
    )
