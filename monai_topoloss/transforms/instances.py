"""Transforms between instances and affinities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.config.type_definitions import KeysCollection
from monai.transforms import Transform
from monai.transforms.utils import distance_transform_edt
from monai.utils import TransformBackends, optional_import
from torch import Tensor

from monai_topoloss._checks.affinities import check_affinity_image, check_channel_of_ids, check_edges, check_n_joining
from monai_topoloss._checks.options import check_finite_number, check_ignore_index, check_int, check_option
from monai_topoloss._checks.sizes import type_of_numbers
from monai_topoloss._checks.tensors import check_finite, check_no_nan, like
from monai_topoloss._edges import join_equal
from monai_topoloss.backends import BACKENDS
from monai_topoloss.topology import label_affinities
from monai_topoloss.topology.affinity import clean_ids
from monai_topoloss.transforms._derived import DerivedOne

__all__ = [
    "AFFINITY_PREFIX",
    "INSTANCE_PREFIX",
    "AffinitiesToInstances",
    "AffinitiesToInstancesD",
    "AffinitiesToInstancesDict",
    "AffinitiesToInstancesd",
    "InstancesToAffinities",
    "InstancesToAffinitiesD",
    "InstancesToAffinitiesDict",
    "InstancesToAffinitiesd",
]

AFFINITY_PREFIX = "affinities_"
INSTANCE_PREFIX = "instances_"
_METHODS = ("components", "mutex_watershed")


class InstancesToAffinities(Transform):
    """Make affinities of instances: a channel for each edge, which says where both of its ends are of one instance.

    Shapes: ``(1, *spatial)`` to ``(edges, *spatial)`` in 2-D and 3-D, 0 and 1 in float32. NumPy arrays and tensors keep
    their kind, a MetaTensor its affine and applied operations.

    Put it after spatial transforms: a flip moves ids, but affinities to the other end of their edge.
    `monai_topoloss.losses.SupervoxelAffinityLoss` takes ids and needs no such transform.

    Args:
        edges: steps from a voxel to another one, ``[(1, 0), (0, 1)]`` for instance, see
            `monai_topoloss.topology.affinities`.
        ignore_index: an id that is background here.

    Example:
        >>> import torch
        >>> InstancesToAffinities([(1, 0), (0, 1)])(torch.ones(1, 4, 4, dtype=torch.int32)).sum(dim=(1, 2))
        tensor([12., 12.])
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(self, edges: Sequence[Sequence[int]], ignore_index: int | None = None) -> None:
        check_ignore_index(ignore_index)
        self.edges = check_edges(edges)
        self.ignore_index = ignore_index

    def __call__(self, img: NdarrayOrTensor) -> NdarrayOrTensor:
        """Make the affinities of the ids ``img``; 0 is background.

        Raises:
            TypeError: if ``img`` is no tensor or array of real numbers.
            ValueError: if ``img`` is not ``(1, *spatial)`` of as many axes as an edge has steps, or holds negative or
                fractional ids.
        """
        ids = clean_ids("img", check_channel_of_ids("img", img, self.edges)[0], self.edges, self.ignore_index)
        return cast(NdarrayOrTensor, like(join_equal(ids, self.edges).float(), img))


class AffinitiesToInstances(Transform):
    """Make instances of predicted affinities, for postprocessing.

    Shapes: ``(edges, *spatial)`` to ``(1, *spatial)`` in 2-D and 3-D, ids in int32 that count from 1 on in raster
    order, or in int64 where there are 2^31 voxels or more. NumPy arrays and tensors keep their kind, a MetaTensor its
    affine and applied operations, so that ``Invertd`` and ``SaveImaged`` work.

    Volumes beyond what a network takes at once come from `monai.inferers.SlidingWindowInferer`, which puts affinities
    together as it does classes; make instances of the whole.

    Args:
        edges: steps from a voxel to another one, a channel each.
        threshold: affinities above join: 0 for logits, 0.5 for probabilities.
        n_joining: how many edges, the first ones, join voxels. The others only part, with ``"mutex_watershed"``, or do
            nothing. Default: all join.
        min_size: instances of fewer voxels become background.
        growth: how far instances grow into background, in voxels (L2): a voxel goes to the nearest one. For networks
            that were trained on instances with gaps, see `SeparateInstances`. Computed on the CPU.
        method: ``"components"``, all that is joined is one, see `monai_topoloss.topology.label_affinities`; or
            ``"mutex_watershed"``, in which affinities below the threshold keep voxels apart, and the ones furthest from
            it decide first. It needs the package mwatershed (extra ``instances``), computes on the CPU in one thread,
            and takes a hundred times as long or more.
        backend: where components are computed, ``"auto"`` follows the affinities.

    Example:
        >>> import torch
        >>> affinity = torch.full((2, 4, 4), 3.0)
        >>> affinity[1, :, 1] = -3  # between the second and the third column
        >>> AffinitiesToInstances([(1, 0), (0, 1)])(affinity)[0, 0]
        tensor([1, 1, 2, 2], dtype=torch.int32)

    References:
        S. Wolf, C. Pape et al., The Mutex Watershed: Efficient, Parameter-Free Image Partitioning, ECCV 2018.
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(
        self,
        edges: Sequence[Sequence[int]],
        threshold: float = 0.0,
        n_joining: int | None = None,
        min_size: int = 0,
        growth: int = 0,
        method: str = "components",
        backend: str = "auto",
    ) -> None:
        check_int("min_size", min_size, minimum=0)
        check_int("growth", growth, minimum=0)
        check_option("method", method, _METHODS)
        check_option("backend", backend, BACKENDS)
        self.edges = check_edges(edges)
        self.threshold = check_finite_number("threshold", threshold)
        self.n_joining = check_n_joining(n_joining, self.edges)
        self.min_size = min_size
        self.growth = growth
        self.method = method
        self.compute_backend = backend  # `backend` itself is MONAI's list of what a transform accepts

    def __call__(self, img: NdarrayOrTensor) -> NdarrayOrTensor:
        """Make instances of the affinities ``img``.

        Raises:
            TypeError: if ``img`` is no tensor or array of real numbers.
            ValueError: if ``img`` is not ``(edges, *spatial)`` of as many axes as an edge has steps, or holds NaN, or
                with ``"mutex_watershed"`` infinity.
            ImportError: if ``method="mutex_watershed"`` and mwatershed is missing; the message says what to install.
        """
        affinity = check_affinity_image("img", img, self.edges)
        if self.method == "components":
            check_no_nan("img", affinity)
            joined = affinity[: self.n_joining] > self.threshold
            found = label_affinities(joined, self.edges[: self.n_joining], backend=self.compute_backend)
            labels = cast(Tensor, found)
        else:
            check_finite("img", affinity)
            labels = _mutex_watershed(affinity.double() - self.threshold, self.edges, self.n_joining).to(
                affinity.device
            )
        labels = _grow(_drop_small(labels, self.min_size), self.growth)
        return cast(NdarrayOrTensor, like(labels.unsqueeze(0), img))


class InstancesToAffinitiesd(DerivedOne):
    """Dictionary version of `InstancesToAffinities`.

    Args:
        keys: keys of the instances.
        edges: see `InstancesToAffinities`.
        prefix: goes in front of a key to name the affinities: ``label`` gives ``affinities_label``. An empty one
            overwrites.
        ignore_index: see `InstancesToAffinities`.
        allow_missing_keys: do not raise if a key is missing.

    Raises:
        TypeError: if ``prefix`` is no str, and see `InstancesToAffinities`.
        ValueError: if it makes a name that MONAI takes for metadata, and see `InstancesToAffinities`.

    Example:
        >>> import torch
        >>> sample = {"label": torch.ones(1, 8, 8, dtype=torch.uint8)}
        >>> sorted(InstancesToAffinitiesd("label", edges=[(1, 0), (0, 1)])(sample))
        ['affinities_label', 'label']
    """

    backend = InstancesToAffinities.backend

    def __init__(
        self,
        keys: KeysCollection,
        edges: Sequence[Sequence[int]],
        prefix: str = AFFINITY_PREFIX,
        ignore_index: int | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, prefix, allow_missing_keys)
        self.transform = InstancesToAffinities(edges, ignore_index)


class AffinitiesToInstancesd(DerivedOne):
    """Dictionary version of `AffinitiesToInstances`.

    Args:
        keys: keys of the affinities.
        edges: see `AffinitiesToInstances`.
        prefix: goes in front of a key to name the instances: ``pred`` gives ``instances_pred``. An empty one
            overwrites.
        threshold: see `AffinitiesToInstances`.
        n_joining: see `AffinitiesToInstances`.
        min_size: see `AffinitiesToInstances`.
        growth: see `AffinitiesToInstances`.
        method: see `AffinitiesToInstances`.
        backend: see `AffinitiesToInstances`.
        allow_missing_keys: do not raise if a key is missing.

    Raises:
        TypeError: if ``prefix`` is no str, and see `AffinitiesToInstances`.
        ValueError: if it makes a name that MONAI takes for metadata, and see `AffinitiesToInstances`.

    Example:
        >>> import torch
        >>> sorted(AffinitiesToInstancesd("pred", edges=[(1, 0), (0, 1)])({"pred": torch.ones(2, 8, 8)}))
        ['instances_pred', 'pred']
    """

    backend = AffinitiesToInstances.backend

    def __init__(
        self,
        keys: KeysCollection,
        edges: Sequence[Sequence[int]],
        prefix: str = INSTANCE_PREFIX,
        threshold: float = 0.0,
        n_joining: int | None = None,
        min_size: int = 0,
        growth: int = 0,
        method: str = "components",
        backend: str = "auto",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, prefix, allow_missing_keys)
        self.transform = AffinitiesToInstances(edges, threshold, n_joining, min_size, growth, method, backend)


def _mutex_watershed(affinity: Tensor, edges: Sequence[tuple[int, ...]], n_joining: int) -> Tensor:
    """Number what affinities of both signs make, from 1 on in raster order; single voxels are 0."""
    mwatershed, is_there = optional_import("mwatershed")
    if not is_there:
        raise ImportError('The mutex watershed needs mwatershed: pip install "monai-topoloss[instances]".')
    signed = affinity.numpy(force=True)
    signed[n_joining:] = np.minimum(signed[n_joining:], 0)
    shape = signed.shape[1:]
    inside = [k for k, edge in enumerate(edges) if all(abs(s) < n for s, n in zip(edge, shape, strict=True))]
    if not inside:  # nor would it take edges that are longer than the image
        return torch.zeros(shape, dtype=torch.int32)
    found: Any = mwatershed.agglom(np.ascontiguousarray(signed[inside]), [list(edges[k]) for k in inside])
    ids, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    rank = np.empty(len(ids), type_of_numbers(found.size))
    rank[np.argsort(np.where(ids == 0, -1, first))] = np.arange(len(ids)) + (0 not in ids)
    return torch.from_numpy(rank[inverse].reshape(found.shape))


def _drop_small(labels: Tensor, min_size: int) -> Tensor:
    """Leave instances of at least so many voxels, in the same order."""
    is_kept = torch.bincount(labels.flatten(), minlength=1) >= min_size
    is_kept[0] = False
    number = is_kept.cumsum(dim=0, dtype=labels.dtype) * is_kept
    return number[labels.long()]


def _grow(labels: Tensor, growth: int) -> Tensor:
    """Give voxels of background at most so far from an instance to the nearest one."""
    if not growth or not labels.any():
        return labels
    ids = labels.numpy(force=True)
    found: Any = distance_transform_edt(ids[None] == 0, return_distances=True, return_indices=True)
    distance, nearest = (np.asarray(each) for each in found)
    of_nearest = ids[tuple(nearest.astype(np.intp).reshape(ids.ndim, *ids.shape))]
    grown = np.where(distance.reshape(ids.shape) <= growth, of_nearest, ids)
    return torch.from_numpy(grown).to(labels.device)


AffinitiesToInstancesD = AffinitiesToInstancesDict = AffinitiesToInstancesd
InstancesToAffinitiesD = InstancesToAffinitiesDict = InstancesToAffinitiesd
