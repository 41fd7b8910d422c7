"""Computes on the CPU, on NumPy views of the tensors; tensors of other devices are copied there and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss._checks.sizes import type_of_numbers
from monai_topoloss.backends.base import Critical, PartitionErrors
from monai_topoloss.backends.cpu import affinities, betti, components, critical, partitions, skeleton, soft_skeleton
from monai_topoloss.backends.cpu.threads import for_each

__all__ = ["BACKEND", "CpuBackend"]


class CpuBackend:
    """Implements `Backend` and `SoftBackend` of `monai_topoloss.backends` with NumPy and numba kernels."""

    def skeletonize(self, mask: Tensor, *, method: str) -> Tensor:
        """See `Backend.skeletonize`."""
        return _map_items(partial(skeleton.skeletonize, method=method), mask)

    def tubed_skeleton(self, label: Tensor, *, ball: NDArray[np.int64], per_class: bool, method: str) -> Tensor:
        """See `Backend.tubed_skeleton`."""
        function = partial(skeleton.tubed_skeleton, ball=ball, per_class=per_class, method=method)
        return _map_items(function, label)

    def dilate(self, mask: Tensor, *, ball: NDArray[np.int64]) -> Tensor:
        """See `Backend.dilate`."""
        return _map_items(partial(skeleton.dilate, ball=ball), mask)

    def label_components(
        self,
        image: Tensor,
        *,
        connectivity: int,
        highest: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See `Backend.label_components`."""
        items = _as_volumes(image)
        labels, counts = _zeros_for_numbers(items.shape), np.zeros(len(items), np.int64)

        def label(index: int) -> None:
            counts[index] = components.label_components(items[index], labels[index], connectivity, highest)

        for_each(label, range(len(items) if items.size else 0))
        return _to_tensor(labels.reshape(image.shape), image), _to_tensor(counts, image)

    def label_affinities(self, affinity: Tensor, *, edges: Sequence[Sequence[int]]) -> Tensor:
        """See `Backend.label_affinities`."""
        items, steps = _as_graphs(affinity, edges)
        labels = _zeros_for_numbers((len(items), *items.shape[2:]))

        def label(index: int) -> None:
            affinities.label_affinities(items[index], steps, labels[index])

        for_each(label, range(len(items) if items.size else 0))
        return _to_tensor(labels.reshape(len(affinity), *affinity.shape[2:]), affinity)

    def critical_affinities(
        self, input: Tensor, target: Tensor, *, edges: Sequence[Sequence[int]], tolerance: int
    ) -> Critical:
        """See `Backend.critical_affinities`."""
        inputs, steps = _as_graphs(input, edges)
        targets = _as_volumes(target)
        masks = np.zeros((2, *inputs.shape), np.bool_)
        counts = np.zeros((2, len(inputs), 1), np.int64)

        def find(index: int) -> None:
            counts[:, index, 0] = affinities.critical_affinities(
                inputs[index], targets[index], steps, masks[0, index], masks[1, index], tolerance
            )

        for_each(find, range(len(inputs) if inputs.size else 0))
        splits, merges = (_to_tensor(mask.reshape(input.shape), input) for mask in masks)
        return Critical(splits, merges, *(_to_tensor(count, input) for count in counts))

    def critical_components(
        self,
        input: Tensor,
        target: Tensor,
        *,
        num_classes: int | None,
        object_connectivity: int,
        mistake_connectivity: int,
    ) -> Critical:
        """See `Backend.critical_components`."""
        inputs, targets = _as_volumes(input), _as_volumes(target)
        masks = np.zeros((2, *inputs.shape), np.bool_)
        counts = np.zeros((2, len(inputs), 1 if num_classes is None else num_classes), np.int64)

        def find(index: int) -> None:
            counts[0, index], counts[1, index] = critical.critical_components(
                inputs[index],
                targets[index],
                masks[0, index],
                masks[1, index],
                classes=num_classes,
                object_connectivity=object_connectivity,
                mistake_connectivity=mistake_connectivity,
            )

        for_each(find, range(len(inputs) if inputs.size else 0))
        splits, merges = (_to_tensor(mask.reshape(input.shape), input) for mask in masks)
        return Critical(splits, merges, *(_to_tensor(count, input) for count in counts))

    def betti_numbers(self, mask: Tensor, *, connectivity: int) -> Tensor:
        """See `Backend.betti_numbers`."""
        items, ndim = _as_volumes(mask), mask.ndim - 1
        numbers = np.zeros((len(items), ndim), np.int64)

        def count(index: int) -> None:
            numbers[index] = betti.betti_numbers(items[index], connectivity, ndim)

        for_each(count, range(len(items) if items.size else 0))
        return _to_tensor(numbers, mask)

    def euler_number(self, mask: Tensor, *, connectivity: int) -> Tensor:
        """See `Backend.euler_number`."""
        items = _as_volumes(mask)
        numbers = np.zeros(len(items), np.int64)

        def count(index: int) -> None:
            numbers[index] = betti.euler_number(items[index], connectivity)

        for_each(count, range(len(items) if items.size else 0))
        return _to_tensor(numbers, mask)

    def compare_partitions(self, input: Tensor, target: Tensor, *, foreground_only: bool) -> PartitionErrors:
        """See `Backend.compare_partitions`."""
        inputs, targets = input.numpy(force=True), target.numpy(force=True)
        errors = np.zeros((len(PartitionErrors._fields), len(inputs)))

        def compare(index: int) -> None:
            errors[:, index] = partitions.compare_partitions(
                inputs[index], targets[index], foreground_only=foreground_only
            )

        for_each(compare, range(len(inputs)))
        return PartitionErrors(*(_to_tensor(error, input) for error in errors))

    def soft_skeleton(self, image: Tensor, *, iterations: int) -> Tensor:
        """See `SoftBackend.soft_skeleton`."""
        return _map_items(partial(soft_skeleton.soft_skeleton, iterations=iterations), image)

    def soft_skeleton_backward(self, image: Tensor, grad: Tensor, *, iterations: int) -> Tensor:
        """See `SoftBackend.soft_skeleton_backward`."""
        return _map_items(partial(soft_skeleton.soft_skeleton_backward, iterations=iterations), image, grad)


BACKEND = CpuBackend()


def _map_items(function: Callable[..., None], batch: Tensor, *others: Tensor) -> Tensor:
    """Let ``function`` write its result for each item of batches into zeros of the first's shape and dtype."""
    batches = [np.ascontiguousarray(each.numpy(force=True)) for each in (batch, *others)]
    # Zeros from NumPy cost nothing where they are not written to, and skeletons are sparse.
    result = np.zeros(batches[0].shape, batches[0].dtype)
    if result.size:
        for_each(lambda index: function(*(items[index] for items in batches), result[index]), range(len(result)))
    return _to_tensor(result, batch)


def _as_volumes(batch: Tensor) -> NDArray[Any]:
    """Return items (N, *spatial) as volumes (N, Z, Y, X); images have one plane."""
    items = np.ascontiguousarray(batch.numpy(force=True))
    return items if items.ndim == 4 else items[:, None]


def _zeros_for_numbers(shape: tuple[int, ...]) -> NDArray[Any]:
    """Return zeros (N, Z, Y, X) of a type that can number the voxels of an item."""
    return np.zeros(shape, type_of_numbers(math.prod(shape[1:])))


def _as_graphs(affinity: Tensor, edges: Sequence[Sequence[int]]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return affinities (N, edges, *spatial) as (N, edges, Z, Y, X), and edges as steps in z, y and x."""
    volumes = _as_volumes(affinity.flatten(0, 1))
    flat = 5 - affinity.ndim  # axes that an image lacks
    steps = np.array([(0,) * flat + tuple(edge) for edge in edges], np.int64)
    return volumes.reshape(len(affinity), len(edges), *volumes.shape[1:]), steps


def _to_tensor(array: NDArray[Any], like: Tensor) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor if like.is_cpu else tensor.to(like.device)
