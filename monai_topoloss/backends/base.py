"""What a backend can do: the few array operations everything above is built from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

TOLERANCE = 1e-6  # of lengths, relative: three voxels of 0.4 mm are within 1.2 mm, whatever floats make of them


class Critical(NamedTuple):
    """Critical components of a batch."""

    splits: Tensor  # bool, (N, *spatial)
    merges: Tensor
    n_splits: Tensor  # int64, (N, 1), or (N, classes) for each class from 0 on
    n_merges: Tensor


class PartitionErrors(NamedTuple):
    """How the segments of inputs differ from those of targets, float64 ``(N,)``."""

    splits: Tensor  # H(input | target) in bits
    merges: Tensor  # H(target | input)
    rand_error: Tensor  # adapted
    precision: Tensor  # share of the input's pairs of voxels, in one segment, that are a pair of the target
    recall: Tensor  # and the other way round


class Branches(NamedTuple):
    """What the voxels of a skeleton make up.

    Nodes are ends, voxels with one link or none, and junctions: voxels with three and more that are linked to each
    other. A ring without any has a node, too, at its first voxel. Nodes are numbered by their first voxels.
    """

    places: NDArray[np.int64]  # (voxels, axes)
    links: NDArray[np.int64]  # (voxels,), how many each has
    node_of: NDArray[np.int64]  # (voxels,), or -1
    positions: NDArray[np.float64]  # (nodes, axes), in physical units: the mean of each
    path: NDArray[np.int64]  # voxels of all branches, with those of the nodes at both ends
    limits: NDArray[np.int64]  # (branches + 1,), where in the path each begins
    lengths: NDArray[np.float64]  # (branches,), in physical units

    def ends(self) -> NDArray[np.int64]:
        """Return the nodes at both ends of each branch: (branches, 2)."""
        nodes: NDArray[np.int64] = self.node_of[self.path[np.stack([self.limits[:-1], self.limits[1:] - 1], axis=1)]]
        return nodes

    def largest(
        self, voxels: NDArray[np.int64], values: NDArray[np.float64] | NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the largest of the values of some voxels at each node, 0 where there is none: (nodes,)."""
        found = np.zeros(len(self.positions))
        np.maximum.at(found, self.node_of[voxels], values)
        return found


class Backend(Protocol):
    """Topology of a batch of images, one implementation per kind of device.

    Every operation takes and returns plain, detached tensors whose first axis counts independent items and whose other
    two or three axes are spatial. Arguments have been checked by the caller; the result lives where the input lived,
    in fresh memory. All backends return the same bits for the same input, entropies and shares to rounding.
    """

    def skeletonize(self, mask: Tensor, *, method: str) -> Tensor:
        """Thin each item of ``mask``, bool ``(N, *spatial)``, to its skeleton, bool ``(N, *spatial)``."""
        ...

    def tubed_skeleton(self, label: Tensor, *, ball: NDArray[np.int64], per_class: bool, method: str) -> Tensor:
        """Tubed skeleton of each item of ``label``, ``(N, *spatial)`` of any real dtype, in the same dtype.

        ``ball``, ``(z, y)``: how many voxels along x the tube reaches on each side of a skeleton voxel, so many voxels
        away along z and y; -1 where it does not.
        """
        ...

    def dilate(self, mask: Tensor, *, ball: NDArray[np.int64]) -> Tensor:
        """Dilate each item of ``mask``, bool ``(N, *spatial)``, by a ball, see `tubed_skeleton`."""
        ...

    def label_components(
        self, image: Tensor, *, connectivity: int, highest: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Number the components of equal ids of each item of ``image``, ``(N, *spatial)`` of bool or ids from 0 on.

        The labels are int32, ``(N, *spatial)``, or int64 for items of 2^31 voxels or more, and count from 1 on in
        raster order; 0 stays 0. Also their numbers, int64 ``(N,)``. If it is known that no id is above ``highest``,
        that may save work.
        """
        ...

    def label_affinities(self, affinity: Tensor, *, edges: Sequence[Sequence[int]]) -> Tensor:
        """Number the components of each item's graph of voxels, in the same way: ``(N, *spatial)``.

        ``affinity``, bool ``(N, edges, *spatial)``, says whether a voxel is joined to the one an edge further, which
        may be outside. Voxels that are joined to no other are 0.
        """
        ...

    def critical_affinities(
        self, input: Tensor, target: Tensor, *, edges: Sequence[Sequence[int]], tolerance: int
    ) -> Critical:
        """Find mistakes of affinities, bool ``(N, edges, *spatial)``, that split or merge the ids ``(N, *spatial)``.

        Masks are of the shape of ``input``, and counts are ``(N, 1)``: how many objects more or fewer the mistakes
        make, see `monai_topoloss.topology.critical_affinities`.
        """
        ...

    def critical_components(
        self,
        input: Tensor,
        target: Tensor,
        *,
        num_classes: int | None,
        object_connectivity: int,
        mistake_connectivity: int,
    ) -> Critical:
        """Find critical components of items ``(N, *spatial)`` of bool or ids from 0 on."""
        ...

    def betti_numbers(self, mask: Tensor, *, connectivity: int) -> Tensor:
        """Count components, tunnels and in 3-D cavities of items, bool ``(N, *spatial)``: int64 ``(N, ndim)``."""
        ...

    def euler_number(self, mask: Tensor, *, connectivity: int) -> Tensor:
        """Return the Euler characteristic of items, bool ``(N, *spatial)``: int64 ``(N,)``."""
        ...

    def compare_partitions(self, input: Tensor, target: Tensor, *, foreground_only: bool) -> PartitionErrors:
        """Compare items ``(N, *spatial)`` of ids from 0 on; ``foreground_only`` where the target is not 0.

        There, each voxel of the input's background counts as a segment of its own for pairs, but all together as one
        for entropies. No voxels, or no pairs, have no errors.
        """
        ...


class SoftBackend(Protocol):
    """Operations on probabilities of a batch of images, ``(N, *spatial)`` of float32 or float64, and their gradients.

    All backends return the same bits, gradients the same to rounding.
    """

    def soft_skeleton(self, image: Tensor, *, iterations: int) -> Tensor:
        """Soft skeleton of each item, in the same dtype; items of uint8 may hold 0 and 1."""
        ...

    def soft_skeleton_backward(self, image: Tensor, grad: Tensor, *, iterations: int) -> Tensor:
        """Return the gradient at ``image``, given that at its soft skeleton."""
        ...


class GraphBackend(Protocol):
    """Skeletons as graphs, as NumPy arrays: skeletons are small, whatever device they come from.

    Skeletons and masks are bool, ``(*spatial)`` in 2-D or 3-D; ``sizes`` are those of a voxel along each axis.
    """

    def trace_branches(self, skeleton: NDArray[np.bool_], sizes: NDArray[np.float64]) -> Branches:
        """Find nodes and branches, see `monai_topoloss.topology.skeleton_graph`."""
        ...

    def prune(
        self,
        skeleton: NDArray[np.bool_],
        mask: NDArray[np.bool_],
        sizes: NDArray[np.float64],
        *,
        length: float,
        factor: float,
        method: str,
    ) -> NDArray[np.bool_]:
        """Remove end branches shorter than a length, or than so many radii of the mask at their junctions.

        ``method``: by which the skeleton has been thinned.
        """
        ...

    def radii_at(
        self, mask: NDArray[np.bool_], places: NDArray[np.int64], sizes: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Measure how far voxels, ``(n, axes)``, are from the nearest one of the background, or infinity."""
        ...

    def count_steps(self, skeleton: NDArray[np.bool_], mask: NDArray[np.bool_], margin: int = 0) -> NDArray[np.int64]:
        """Count steps along a skeleton, and those of its voxels that are in a mask: ``(steps, 2)``.

        Voxels in the margin on each side are looked at from inside, and not counted.
        """
        ...

    def step_lengths(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how long each of these steps is: ``(steps,)``."""
        ...
