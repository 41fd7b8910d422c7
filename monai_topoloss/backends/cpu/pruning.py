"""End branches that are too short go, and nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.base import TOLERANCE, Branches
from monai_topoloss.backends.cpu.branches import trace_branches
from monai_topoloss.backends.cpu.links import Links, delete, link, link_again, smooth
from monai_topoloss.backends.cpu.radii import radii_at

_PASSING = 2  # branches that meet where there is no junction


def prune(
    skeleton: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    sizes: NDArray[np.float64],
    *,
    length: float,
    factor: float,
    method: str,
) -> NDArray[np.bool_]:
    """Remove short end branches in rounds, see `monai_topoloss.topology.skeletonize`.

    In each, a junction where n branches meet loses its shortest ones, but at most n - 2: then it is none any more, and
    what was two branches is one, whose length counts in the next round. So no junction asks what happens at another,
    and the order in which they come does not matter.

    Args:
        skeleton: (Y, X) or (Z, Y, X).
        mask: that it is the skeleton of.
        sizes: of a voxel along each axis.
        length: that end branches need at least.
        factor: that they need at least, times the radius of the mask at the junction.
        method: of thinning. ``"lee"`` leaves no simple voxel but ends, and so does this then.
    """
    links = link(skeleton)
    while True:
        branches = trace_branches(links, sizes)
        short = _find_short(branches, mask, sizes, length, factor)
        if not _remove(links, branches, short, everywhere=method == "lee"):
            break
        links = link_again(links.volume, links.voxels)
    left: NDArray[np.bool_] = links.volume[1:-1, 1:-1, 1:-1] != 0
    return left if skeleton.ndim == 3 else left[0]


def _find_short(
    branches: Branches, mask: NDArray[np.bool_], sizes: NDArray[np.float64], length: float, factor: float
) -> NDArray[np.int64]:
    """Return the end branches to remove in a round, in order."""
    nodes = branches.ends()
    is_end = np.zeros(len(branches.positions), np.bool_)
    is_end[branches.node_of[branches.links < 2]] = True
    one, other = is_end[nodes].T
    candidates = np.flatnonzero(one != other)
    junctions = np.where(one, nodes[:, 1], nodes[:, 0])[candidates]
    tips = np.where(one, branches.path[branches.limits[:-1]], branches.path[branches.limits[1:] - 1])[candidates]
    radii = _radii_of(branches, junctions if factor else junctions[:0], mask, sizes)
    with np.errstate(invalid="ignore"):  # no times infinity
        needed = np.fmax(length, factor * radii[junctions])
    order = np.lexsort((tips, branches.lengths[candidates], junctions))
    candidates, junctions, needed = candidates[order], junctions[order], needed[order]
    meeting = _count_branches(branches)
    rank = np.arange(len(junctions)) - np.searchsorted(junctions, junctions)
    is_short = branches.lengths[candidates] < needed * (1 - TOLERANCE)
    found: NDArray[np.int64] = candidates[is_short & (rank < meeting[junctions] - _PASSING)]
    return found


def _count_branches(branches: Branches) -> NDArray[np.int64]:
    """Return how many branches end at each node."""
    return np.bincount(branches.ends().reshape(-1), minlength=len(branches.positions))


def _radii_of(
    branches: Branches, nodes: NDArray[np.int64], mask: NDArray[np.bool_], sizes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the radius of the mask at some nodes, the largest at their voxels; 0 at the others."""
    voxels = np.flatnonzero(np.isin(branches.node_of, nodes))
    return branches.largest(voxels, radii_at(mask, branches.places[voxels], sizes))


def _remove(links: Links, branches: Branches, short: NDArray[np.int64], *, everywhere: bool) -> bool:
    """Delete branches from a volume; say if something went.

    Then smooth it, everywhere or where there was a junction that is none any more, as what is left of a branch there
    would count as another one.
    """
    parts, crossings = [], []
    for branch in short:
        part = branches.path[branches.limits[branch] : branches.limits[branch + 1]]
        part = part if branches.links[part[0]] < 2 else part[::-1]
        parts.append(links.voxels[part[:-1]])
        crossings.append(branches.node_of[part[-1]])
    if not parts:
        return False
    starts = np.cumsum([0, *map(len, parts)])
    count = delete(links.volume, np.concatenate(parts), starts)
    left = _count_branches(branches)
    np.subtract.at(left, crossings, 1)
    passages = [node for node in crossings if left[node] <= _PASSING]
    smooth(links.volume, links.voxels[everywhere | np.isin(branches.node_of, passages)])
    return count > 0
