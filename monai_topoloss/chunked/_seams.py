"""What of the blocks of a volume belongs together: the pieces that components have in several of them.

Each block is labelled on its own. What is kept of it are its six faces, with keys and labels. Where blocks meet, the
last voxels of one and the first of the next are put together again: a slab of two planes where two blocks meet, a beam
of two by two rows where four do, and a cube of eight voxels. Voxels of different blocks that are neighbours are in one
of these, whatever the connectivity. So it is labelled too, and what of the blocks has a component of it in common is
one. All that is left is small: pairs of numbers, which one task joins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations, product
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu.joins import find_roots
from monai_topoloss.backends.cpu.partitions import count_pairs
from monai_topoloss.chunked._tasks import Index, Key, Tasks
from monai_topoloss.chunked._volumes import Volume

AXES = (0, 1, 2)
_BITS = 32  # of a node's number are for its label, the others for its block


class Rule(Protocol):
    """Which voxels are of one component."""

    def join(self, keys: NDArray[Any]) -> tuple[NDArray[np.int32], int, NDArray[np.int64]]:
        """Label a block (Z, Y, X) from 1 on.

        Returns:
            The labels, how many they are, and pairs of labels, (K, 2), of what is not one, but matters to each other.
        """
        ...


class Plane(NamedTuple):
    """A plane of a block, as stretches of equal values: faces of all blocks may have to be kept at once."""

    shape: tuple[int, ...]
    begins: NDArray[np.int32]  # of stretches, in raster order
    values: NDArray[Any]

    def unpack(self) -> NDArray[Any]:
        """Return the plane."""
        lengths = np.diff(self.begins, append=np.int32(np.prod(self.shape)))
        return np.repeat(self.values, lengths).reshape(self.shape)


def pack_plane(plane: NDArray[Any]) -> Plane:
    """Pack a plane."""
    row = plane.reshape(-1)
    begins = np.flatnonzero(np.append(row.size > 0, row[1:] != row[:-1])).astype(np.int32)
    return Plane(plane.shape, begins, row[begins])


class Faces(NamedTuple):
    """Keys and labels of the first and the last plane of a block along each axis."""

    keys: dict[tuple[int, int], Plane]
    labels: dict[tuple[int, int], Plane]


class Joins(NamedTuple):
    """Pieces of components that are joined, or touch: pairs of nodes, int64 (K, 2)."""

    joined: NDArray[np.int64]
    touching: NDArray[np.int64]


def take_faces(keys: NDArray[Any], label: Callable[[int, int], NDArray[np.int32]] | None = None) -> Faces:
    """Take the faces of a block, and their labels from a function of axis and index, 0 or -1."""
    sides = [(axis, index) for axis in AXES for index in (0, -1) if keys.shape[axis]]
    planes = {side: pack_plane(np.moveaxis(keys, side[0], 0)[side[1]]) for side in sides}
    return Faces(planes, {} if label is None else {side: pack_plane(label(*side)) for side in sides})


class Joined(NamedTuple):
    """What is known of a block when it has been joined with those behind it."""

    joins: Joins
    survey: tuple[Any, ...]  # of the block, without its faces


def join_blocks(tasks: Tasks, volume: Volume, surveys: dict[Index, Key], rule: Key, faces: int) -> list[Key]:
    """Add tasks that find what is `Joined`, one for each block.

    Args:
        tasks: to add to.
        volume: of the blocks.
        surveys: tasks that return tuples.
        rule: task that returns a `Rule`.
        faces: where in the tuples are the `Faces` to join.
    """
    return visit(tasks, volume, surveys, _join, rule, faces=faces)


def visit(
    tasks: Tasks, volume: Volume, blocks: dict[Index, Key], function: Callable[..., Any], *others: Key, **options: Any
) -> list[Key]:
    """Add a task for each block: a call with what is known of it and of those behind it, see `seams_at`."""
    results = []
    for index in blocks:
        steps = [step for step in product((0, 1), repeat=3) if _add(index, step) in blocks]
        met = [_add(index, step) for step in steps]
        options |= {"steps": steps, "blocks": [volume.number(each) for each in met]}
        results.append(tasks.add(function, [blocks[each] for each in met], *others, **options))
    return results


def _add(index: Index, step: Sequence[int]) -> Index:
    return (index[0] + step[0], index[1] + step[1], index[2] + step[2])


def _join(surveys: list[tuple[Any, ...]], rule: Rule, *, steps: list[Index], blocks: list[int], faces: int) -> Joined:
    """Join what meets behind a block, along each axis and diagonal."""
    joined, touching = [np.zeros((0, 2), np.int64)], [np.zeros((0, 2), np.int64)]
    for _, keys, nodes in seams_at(steps, blocks, [each[faces] for each in surveys]):
        labels, count, pairs = rule.join(keys)
        if count:
            # Each pair of a label here and a node, once.
            ours, theirs, _ = count_pairs(labels.reshape(-1).astype(np.int64), nodes().reshape(-1), True)  # noqa: FBT003
            order = np.argsort(ours, kind="stable")
            ours, theirs = ours[order], theirs[order]
            alike = ours[1:] == ours[:-1]
            joined.append(np.stack([theirs[:-1][alike], theirs[1:][alike]], axis=1))
            first = theirs[np.append(True, ~alike)]
            touching.append(first[pairs - 1])
    own = tuple(None if isinstance(part, Faces) else part for part in surveys[0])
    return Joined(Joins(np.concatenate(joined), np.concatenate(touching)), own)


def seams_at(
    steps: list[Index], blocks: list[int], faces: list[Faces]
) -> Iterator[tuple[tuple[int, ...], NDArray[Any], Callable[[], NDArray[np.int64]]]]:
    """Yield the slabs, beams and the cube where a block meets those behind it.

    Args:
        steps: to the blocks that are there, itself included, 0 or 1 along each axis.
        blocks: their numbers.
        faces: theirs.

    Yields:
        The axes along which there are two planes, one of either block; the keys; and a function that returns the nodes.
    """
    of_step = dict(zip(steps, zip(blocks, faces, strict=True), strict=True))
    for axes in (axes for n in (1, 2, 3) for axes in combinations(AXES, n)):
        if tuple(int(axis in axes) for axis in AXES) in of_step and all(each.keys for each in faces):
            yield axes, _put_together(axes, of_step, _keys), partial(_put_together, axes, of_step, _nodes)


def _keys(number: int, faces: Faces, side: tuple[int, int]) -> NDArray[Any]:  # noqa: ARG001 -- one of two of a kind
    return faces.keys[side].unpack()


def _nodes(number: int, faces: Faces, side: tuple[int, int]) -> NDArray[Any]:
    labels = faces.labels[side]
    return labels._replace(values=np.where(labels.values != 0, nodes_of(number, labels.values), 0)).unpack()


def _put_together(axes: tuple[int, ...], of_step: dict[Index, tuple[int, Faces]], take: Callable[..., Any]) -> Any:
    """Return an array in which two planes meet along each of the axes, one of either block."""

    def part(sides: tuple[int, ...]) -> Any:
        if len(sides) < len(axes):
            return np.concatenate([part((*sides, 0)), part((*sides, 1))], axis=axes[len(sides)])
        step = [0, 0, 0]
        for axis, side in zip(axes, sides, strict=True):
            step[axis] = side
        face = np.expand_dims(take(*of_step[(step[0], step[1], step[2])], (axes[0], sides[0] - 1)), axes[0])
        for axis, side in zip(axes[1:], sides[1:], strict=True):
            face = face.take([side - 1], axis)
        return face

    return np.ascontiguousarray(part(()))


class Roots(NamedTuple):
    """To which component pieces belong: of all blocks one after the other."""

    root: NDArray[np.int64]  # the first piece of the component
    begins: NDArray[np.int64]  # where the pieces of each block begin

    def places(self, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places of nodes."""
        places: NDArray[np.int64] = self.begins[nodes >> _BITS] + (nodes & (2**_BITS - 1)) - 1
        return places


def find_components(counts: Sequence[int], joins: Sequence[Joins]) -> Roots:
    """Join the pieces of all blocks."""
    roots = Roots(np.zeros(0, np.int64), np.cumsum([0, *counts]))
    pairs = roots.places(np.concatenate([np.zeros((0, 2), np.int64), *(each.joined for each in joins)]))
    return roots._replace(root=find_roots(roots.begins[-1], pairs[:, 0].copy(), pairs[:, 1].copy()))


def nodes_of(number: int, labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return nodes of labels of a block."""
    nodes: NDArray[np.int64] = labels.astype(np.int64) + (number << _BITS)
    return nodes
