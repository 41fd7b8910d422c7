"""Graphs of skeletons beside skan, pruning too, and tubes in physical units beside a distance transform; in turns.

python benchmarks/graphs.py [--label FILE] [--sizes 128 256]

Both sides thin with our kernel, so that the times are those of the rest. For radii, skan is given SciPy's distance
transform. Its way to prune is to leave out short end branches until there are none.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import skan
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from timing import compare

from monai_topoloss import skeleton_graph, skeletonize, tubed_skeleton
from monai_topoloss.cli.files import read_picture
from monai_topoloss.datasets import synthetic_vessels

SPACING = (1.0, 0.4, 0.4)
RADIUS = 1.2
PRUNE = 5.0
_KINDS = {0: ("end", "end"), 1: ("end", "junction"), 2: ("junction", "junction"), 3: ("ring", "ring")}  # skan's types

Mask = NDArray[np.bool_]


def graph_by_skan(mask: Mask) -> skan.Skeleton:
    """Trace branches with lengths and radii."""
    skeleton = skeletonize(mask, method="lee")
    traced = skan.Skeleton(np.where(skeleton, distance_transform_edt(mask, sampling=SPACING), 0), spacing=SPACING)
    skan.summarize(traced, separator="_")
    return traced


def prune_by_skan(mask: Mask) -> skan.Skeleton:
    """Leave out short end branches, again and again."""
    traced = skan.Skeleton(skeletonize(mask, method="lee"))
    while True:
        branches = skan.summarize(traced, separator="_")
        short = np.flatnonzero((branches.branch_type == 1) & (branches.branch_distance < PRUNE))
        if not len(short):
            return traced
        traced = traced.prune_paths(short)


def tube_by_distance(mask: Mask) -> Mask:
    """Take what is near the skeleton, by the distances of the whole volume."""
    distance = distance_transform_edt(~skeletonize(mask, method="lee"), sampling=SPACING)
    return mask & (distance <= RADIUS * (1 + 1e-6))


def describe(mask: Mask) -> None:
    """Print what branches both find."""
    graph = skeleton_graph(mask, spacing=SPACING)
    ours = Counter(tuple(sorted(graph.nodes[node]["kind"] for node in ends)) for *ends, _ in graph.edges(data=True))
    table = skan.summarize(graph_by_skan(mask), separator="_")
    theirs = Counter(_KINDS[kind] for kind in table.branch_type)
    for kinds in sorted(ours | theirs):
        print(f"  {' - '.join(kinds):22}{ours[kinds]:8}{theirs[kinds]:8}  branches of ours and of skan")
    print(f"  {'length':22}{graph.size(weight='length'):8.1f}{table.branch_distance.sum():8.1f}")


def main() -> None:
    """Print times of both sides, and the medians of their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--label", help="a file with a label, besides synthetic vessels")
    parser.add_argument("--sizes", type=int, nargs="*", default=[128, 256])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of what skan says about its future
    masks = {
        f"{size}^3 vessels": synthetic_vessels((size,) * 3, num_trees=size // 40, seed=0)[1][0] != 0
        for size in options.sizes
    }
    if options.label:
        masks["label"] = np.ascontiguousarray(read_picture(Path(options.label)).array != 0)
    for name, mask in masks.items():
        print(f"{name}: {mask.mean():.1%} foreground, {np.count_nonzero(skeletonize(mask))} voxels of skeleton")
        describe(mask)
        print(f"  {'':22}{'ours':>8}{'other':>8}{'ratio':>7}  milliseconds, thinning included")
        for title, ours, other in (
            ("graph, skan", lambda m: skeleton_graph(m, spacing=SPACING), graph_by_skan),
            ("pruning, skan", lambda m: skeletonize(m, prune=PRUNE), prune_by_skan),
            ("tube, distances", lambda m: tubed_skeleton(m, radius=RADIUS, spacing=SPACING), tube_by_distance),
        ):
            mine, theirs, ratio = compare(
                lambda ours=ours, mask=mask: ours(mask), lambda other=other, mask=mask: other(mask), options.repeats
            )
            print(f"  {title:22}{mine:8.1f}{theirs:8.1f}{ratio:7.1f}", flush=True)
        assert (tube_by_distance(mask) == tubed_skeleton(mask, radius=RADIUS, spacing=SPACING)).all()


if __name__ == "__main__":
    main()
