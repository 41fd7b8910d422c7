"""How the voxels of a skeleton hang together: links between neighbours, and the branches that they make.

Neighbours are 26-adjacent, or 8-adjacent in images, but no link leads past a shorter way: none where a third voxel is
nearer to both. So a corner is two steps and no triangle, and a branch leaves a line from one voxel.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.cpu._numba import count_bits, jit, jit_inline, jit_loop
from monai_topoloss.backends.cpu.simple_point import deletable_table, is_deletable

STEPS = np.array([step for step in product((-1, 0, 1), repeat=3) if any(step)])  # to neighbours: z, y, x
_BITS = (STEPS + 1) @ (9, 3, 1)  # of a neighbour in the 27 bits of a neighbourhood
_U = np.uint64
_0, _1, _3, _6, _7, _9, _12, _15, _18, _21, _24 = (_U(i) for i in (0, 1, 3, 6, 7, 9, 12, 15, 18, 21, 24))
_NO_CENTRE = ~_U(1 << 13)


def _find_ways_round() -> NDArray[np.uint64]:
    """Return for each step the neighbours that are nearer to both of its ends, as bits."""
    squares = (STEPS**2).sum(axis=1)
    between = ((STEPS[:, None] - STEPS) ** 2).sum(axis=2)
    is_nearer = (squares < squares[:, None]) & (between < squares[:, None])
    ways: NDArray[np.uint64] = (is_nearer * (_U(1) << _BITS.astype(np.uint64))).sum(axis=1).astype(np.uint64)
    return ways


_WAYS_ROUND = _find_ways_round()


class Links(NamedTuple):
    """The voxels of a skeleton in raster order, and which are linked."""

    volume: NDArray[np.uint8]  # (Z + 2, Y + 2, X + 2), with a border of zeros
    voxels: NDArray[np.int64]  # (n,), places in the flat volume
    steps: NDArray[np.uint64]  # (n,), of `STEPS`, those that are links, as bits

    def places(self) -> NDArray[np.int64]:
        """Return z, y and x of each voxel: (n, 3)."""
        return np.stack(np.unravel_index(self.voxels, self.volume.shape), axis=1) - 1


def link(skeleton: NDArray[np.bool_]) -> Links:
    """Link the voxels of a skeleton, (Y, X) or (Z, Y, X)."""
    volume = np.pad(skeleton if skeleton.ndim == 3 else skeleton[None], 1).view(np.uint8)
    return link_again(volume, np.flatnonzero(volume))


def link_again(volume: NDArray[np.uint8], voxels: NDArray[np.int64]) -> Links:
    """Link those of some voxels of a padded volume that are still there."""
    voxels = voxels[volume.reshape(-1)[voxels] != 0]
    steps = np.empty(len(voxels), np.uint64)
    _find_steps(volume.reshape(-1), voxels, _flat(STEPS, volume), _BITS, _WAYS_ROUND, steps)
    return Links(volume, voxels, steps)


def _flat(steps: NDArray[np.int64], volume: NDArray[np.uint8]) -> NDArray[np.int64]:
    _, height, width = volume.shape
    flat: NDArray[np.int64] = steps @ (height * width, width, 1)
    return flat


@jit_inline
def _neighbourhood(volume: Any, place: Any, row: Any, plane: Any) -> Any:
    """Return the 27 voxels around a place, without itself, as bits 9 z + 3 y + x."""
    code, bit = _0, _0
    for z in range(-1, 2):
        for y in range(-1, 2):
            start = place + z * plane + y * row
            for x in range(-1, 2):
                code |= _U(volume[start + x]) << bit
                bit += _1
    return code & _NO_CENTRE


@jit_loop
def _find_steps(volume: Any, voxels: Any, offsets: Any, bits: Any, ways: Any, steps: Any) -> Any:
    row, plane = -offsets[10], -offsets[4]  # the steps (0, -1, 0) and (-1, 0, 0)
    for k in range(len(voxels)):
        code = _neighbourhood(volume, voxels[k], row, plane)
        found = _0
        for step in range(26):
            if (code >> _U(bits[step])) & _1 and not code & ways[step]:
                found |= _1 << _U(step)
        steps[k] = found


def count_steps(skeleton: NDArray[np.bool_], mask: NDArray[np.bool_], margin: int = 0) -> NDArray[np.int64]:
    """Count the links of a skeleton by the step that they take, from each of their ends.

    Args:
        skeleton: (Y, X) or (Z, Y, X).
        mask: another one of that shape.
        margin: voxels on each side, which are only looked at from those further inside.

    Returns:
        (27, 2): how many there are, and from how many voxels of the mask, of each of `STEPS`; in the last row voxels
        without a link.
    """
    links = link(skeleton)
    places = links.places()[:, 3 - skeleton.ndim :]
    own = np.all((places >= margin) & (places < np.array(skeleton.shape) - margin), axis=1)
    kinds = np.where(mask[tuple(places[own].T)], 1, 0)
    counts = np.zeros((len(STEPS) + 1, 2), np.int64)
    _count_steps(links.steps[own], kinds, counts)
    counts[:, 0] += counts[:, 1]
    return counts


@jit_loop
def _count_steps(steps: Any, kinds: Any, counts: Any) -> Any:
    for k in range(len(steps)):
        for step in range(26):
            counts[step, kinds[k]] += np.int64((steps[k] >> _U(step)) & _1)
        counts[26, kinds[k]] += np.int64(steps[k] == _0)


def step_lengths(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the length that counts for each of what `count_steps` counts, with voxels of some sizes.

    Both voxels of a link have half of it; one without a link is as long as it is wide on average.
    """
    steps = np.linalg.norm(STEPS[:, 3 - len(sizes) :] * sizes, axis=1)
    return np.append(steps / 2, np.mean(sizes))


class Neighbours(NamedTuple):
    """The links as lists: those of voxel k are ``others[starts[k] : starts[k + 1]]``."""

    starts: NDArray[np.int64]
    others: NDArray[np.int64]  # numbers of voxels


def list_neighbours(links: Links) -> Neighbours:
    """Return the numbers of the voxels that each is linked to."""
    starts = np.zeros(len(links.voxels) + 1, np.int64)
    np.cumsum(_count(links.steps), out=starts[1:])
    others = np.empty(starts[-1], np.int64)
    _list_others(links.voxels, links.steps, _flat(STEPS, links.volume), starts, others)
    return Neighbours(starts, others)


def _count(steps: NDArray[np.uint64]) -> NDArray[np.int64]:
    counts = np.empty(len(steps), np.int64)
    _count_into(steps, counts)
    return counts


@jit_loop
def _count_into(steps: Any, counts: Any) -> Any:
    for k in range(len(steps)):
        counts[k] = count_bits(steps[k])


@jit_loop
def _list_others(voxels: Any, steps: Any, offsets: Any, starts: Any, others: Any) -> Any:
    for k in range(len(voxels)):
        end = starts[k]
        for step in range(26):
            if (steps[k] >> _U(step)) & _1:
                others[end] = np.searchsorted(voxels, voxels[k] + offsets[step])
                end += 1


@jit
def walk(starts: Any, others: Any, is_node: Any) -> Any:
    """Walk along all branches, from one node to the next.

    Args:
        starts: see `Neighbours`.
        others: see there.
        is_node: (n,), of each voxel. All others have two neighbours.

    Returns:
        The voxels of all branches with the nodes at both ends, and where each begins; one that meets no node is a ring,
        which begins and ends at its first voxel. Links between nodes are branches, too.
    """
    path = np.empty(len(is_node) + len(others) + 2, np.int64)
    limits = np.empty(len(others) + len(is_node) + 1, np.int64)
    done = is_node.copy()
    end, count = 0, 0
    limits[0] = 0
    for ring in range(2):
        for first in range(len(is_node)):
            if (ring == 0 and not is_node[first]) or (ring == 1 and done[first]):
                continue
            for i in range(starts[first], starts[first + 1]):
                before, here = first, others[i]
                if (is_node[here] and here < first) or (not is_node[here] and done[here]):
                    continue
                path[end] = first
                end += 1
                while not is_node[here] and here != first:
                    done[here] = True
                    path[end] = here
                    end += 1
                    ahead = others[starts[here]]
                    if ahead == before:
                        ahead = others[starts[here] + 1]
                    before, here = here, ahead
                path[end] = here
                end += 1
                count += 1
                limits[count] = end
                done[first] = True
                if ring == 1:
                    break
    return path[:end].copy(), limits[: count + 1].copy()


def delete(volume: NDArray[np.uint8], places: NDArray[np.int64], starts: NDArray[np.int64]) -> int:
    """Delete parts of a skeleton from a padded volume in place, from their tips on, without changing the topology.

    Args:
        volume: see `Links`.
        places: in the flat volume, of all parts, one after the other.
        starts: where in ``places`` each part begins. A part that is no simple voxel any more stays from there on.

    Returns:
        How many voxels have been deleted.
    """
    _, height, width = volume.shape
    count: int = _delete(volume.reshape(-1), places, starts, width, height * width, deletable_table())
    return count


@jit_loop
def _delete(volume: Any, places: Any, starts: Any, row: Any, plane: Any, table: Any) -> Any:
    count = 0
    for part in range(len(starts) - 1):
        for k in range(starts[part], starts[part + 1]):
            code = _neighbourhood(volume, places[k], row, plane)
            is_end = code != _0 and code & (code - _1) == _0
            if not is_end and not _is_deletable(table, code):
                break
            volume[places[k]] = 0
            count += 1
    return count


def smooth(volume: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
    """Delete those of some places in a padded volume, again and again, that are simple and no end."""
    _, height, width = volume.shape
    _smooth(volume.reshape(-1), places, width, height * width, deletable_table())


@jit_loop
def _smooth(volume: Any, places: Any, row: Any, plane: Any, table: Any) -> Any:
    again = True
    while again:
        again = False
        for k in range(len(places)):
            if volume[places[k]] and _is_deletable(table, _neighbourhood(volume, places[k], row, plane)):
                volume[places[k]] = 0
                again = True


@jit_inline
def _is_deletable(table: Any, code: Any) -> Any:
    return is_deletable(
        table, code & _7, (code >> _3) & _7, (code >> _6) & _7, (code >> _9) & _7, (code >> _12) & _7,
        (code >> _15) & _7, (code >> _18) & _7, (code >> _21) & _7, (code >> _24) & _7, _0,
    )  # fmt: skip
