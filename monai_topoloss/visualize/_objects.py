"""What a picture of what is critical shows: the objects of each class, and where they are split or merge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from torch import Tensor

from monai_topoloss._checks.affinities import check_edges
from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.options import check_num_classes
from monai_topoloss._checks.pictures import check_channels, check_one_image, check_only_instances
from monai_topoloss._checks.tensors import check_same_device, check_same_shape, check_spatial_dims, check_tensor
from monai_topoloss._edges import either_end
from monai_topoloss.topology import affinities, critical_affinities, critical_components
from monai_topoloss.topology._classes import split_classes


class Objects(NamedTuple):
    """Prediction and label, ``(*spatial)``, and their splits and merges: where, and how many."""

    name: str
    prediction: Tensor
    label: Tensor
    splits: Tensor
    merges: Tensor
    n_splits: int
    n_merges: int
    are_instances: bool = False  # each with a colour of its own


def find_objects(
    prediction: Any,
    label: Any,
    *,
    num_classes: int | None,
    edges: Sequence[Sequence[int]] | None,
    tolerance: int,
    spatial_dims: int | None,
    connectivity: int | None,
    backend: str,
) -> Objects:
    """Find what is critical in a pair of masks, instances or class maps; of classes their union."""
    found = check_tensor("prediction", prediction)
    if edges is not None:
        return _find_instances(found, label, edges, tolerance, num_classes, spatial_dims, connectivity, backend)
    check_one_image("prediction", found, spatial_dims)
    spatial_dims = check_spatial_dims("prediction", found, spatial_dims)
    truth = _check_label(label, found, num_classes)
    critical = critical_components(
        found, truth, num_classes=num_classes, connectivity=connectivity, spatial_dims=spatial_dims, backend=backend
    )
    splits, merges, n_splits, n_merges = (cast(Tensor, part) for part in critical)
    return Objects("", found, truth, splits, merges, int(n_splits.sum()), int(n_merges.sum()))


def find_objects_of_classes(
    prediction: Any,
    label: Any,
    *,
    num_classes: int | None,
    include_background: bool,
    edges: Sequence[Sequence[int]] | None,
    tolerance: int,
    spatial_dims: int | None,
    connectivity: int | None,
    backend: str,
) -> list[Objects]:
    """Find what is critical in each class of a class map, in each channel, or else in a pair as it is."""
    found = check_tensor("prediction", prediction)
    if edges is not None:
        if spatial_dims is not None and found.ndim == spatial_dims + 1 and len(found) == 1:
            found, label = found[0], check_tensor("label", label)[0]
        return [_find_instances(found, label, edges, tolerance, num_classes, spatial_dims, connectivity, backend)]
    spatial_dims = check_spatial_dims("prediction", found, spatial_dims)
    check_channels("prediction", found, spatial_dims, num_classes)
    truth = _check_label(label, found, num_classes)
    first = 1
    if num_classes is not None:
        if found.ndim > spatial_dims:
            found, truth = found[0], truth[0]
        found, truth = split_classes(found, truth, num_classes, None, ("prediction", "label"))
    elif found.ndim == spatial_dims:
        found, truth = found[None], truth[None]
    elif include_background or len(found) == 1:
        first = 0
    else:
        found, truth = found[1:], truth[1:]
    critical = critical_components(found, truth, connectivity=connectivity, spatial_dims=spatial_dims, backend=backend)
    names = [f"class {first + number}" for number in range(len(found))] if len(found) > 1 else [""]
    critical_maps = (cast(Tensor, mask) for mask in (critical.splits, critical.merges))
    counts = (cast(Tensor, count).tolist() for count in (critical.n_splits, critical.n_merges))
    return [Objects(*parts) for parts in zip(names, found, truth, *critical_maps, *counts, strict=True)]


def _find_instances(
    found: Tensor,
    label: Any,
    edges: Sequence[Sequence[int]],
    tolerance: int,
    num_classes: int | None,
    spatial_dims: int | None,
    connectivity: int | None,
    backend: str,
) -> Objects:
    """Find critical affinities of a pair of maps of instances, and the voxels at their ends."""
    edges = check_edges(edges)
    check_only_instances(found, edges, num_classes, spatial_dims, connectivity)
    truth = _check_label(label, found, None)
    joined = cast(Tensor, affinities(found, edges))
    critical = critical_affinities(joined, truth, edges, tolerance=tolerance, backend=backend)
    splits, merges = (either_end(cast(Tensor, mask), edges) for mask in (critical.splits, critical.merges))
    counts = int(critical.n_splits), int(critical.n_merges)
    return Objects("", found, truth, splits, merges, *counts, are_instances=True)


def _check_label(label: Any, found: Tensor, num_classes: int | None) -> Tensor:
    """Return the label as a tensor that matches the prediction; check the ids of both."""
    check_num_classes(num_classes)
    truth = check_tensor("label", label)
    check_same_shape("label", truth, found, "prediction")
    check_same_device("label", truth, found)
    for name, ids in (("prediction", found), ("label", truth)):
        check_class_ids(name, ids, num_classes=num_classes)
    return truth
