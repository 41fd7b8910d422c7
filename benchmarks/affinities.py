"""Critical affinities beside critical components of the same volumes, in the same run.

python benchmarks/affinities.py

Volumes are full of cells that touch; predictions are right but for a share of affinities, or for all. Components are
those of the instances that affinities make, which is what a loss on voxels would have to look at. Then: instances by
components of affinities, and by the mutex watershed (mwatershed) with three long edges besides.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from scipy import ndimage
from timing import compare

from monai_topoloss import AffinitiesToInstances, affinities, critical_affinities, critical_components, label_affinities

EDGES = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]


def make(size: int, wrong: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Make affinities and ids of cells of about 4,000 voxels, wrong in blobs."""
    rng = np.random.default_rng(0)
    seeds = np.zeros((size,) * 3, np.int32)
    count = max(2, size**3 // 4000)
    seeds.reshape(-1)[rng.choice(size**3, count, replace=False)] = np.arange(1, count + 1)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    ids = torch.from_numpy(seeds[tuple(nearest)])
    field = ndimage.gaussian_filter(rng.random(ids.shape, dtype=np.float32), 1)
    blobs = (
        torch.from_numpy(field > np.quantile(field, 1 - wrong)) if wrong < 1 else torch.ones_like(ids, dtype=torch.bool)
    )
    return torch.as_tensor(affinities(ids, EDGES)) ^ blobs, ids


def main() -> None:
    """Print nanoseconds for each voxel, and ratios."""
    torch.set_num_threads(1)
    print(f"{'':28}{'affinities':>14}{'components':>14}{'ratio':>8}  ns a voxel, of the processor")
    for size in (64, 128, 256):
        for wrong in (0.02, 0.2, 1.0):
            joined, ids = make(size, wrong)
            instances = torch.as_tensor(label_affinities(joined, EDGES))
            ours, theirs, ratio = compare(
                lambda joined=joined, ids=ids: critical_affinities(joined, ids, EDGES),
                lambda instances=instances, ids=ids: critical_components(instances, ids),
                5,
                time.process_time,
            )
            scale = 1e6 / size**3
            print(
                f"{size}^3, {wrong:4.0%} wrong{'':12}{ours * scale:14.1f}{theirs * scale:14.1f}{ratio:8.2f}", flush=True
            )
    print(f"{'':28}{'components':>14}{'mutex':>14}{'ratio':>8}  ns a voxel, to make instances")
    edges = [*EDGES, (5, 0, 0), (0, 5, 0), (0, 0, 5)]
    for size in (64, 128):
        _, ids = make(size, 0.02)
        noise = torch.randn(len(edges), *ids.shape, generator=torch.Generator().manual_seed(0))
        logits = 4.0 * torch.as_tensor(affinities(ids, edges)) - 2 + noise
        first, second = (
            AffinitiesToInstances(edges, n_joining=3, method=method) for method in ("components", "mutex_watershed")
        )
        ours, theirs, ratio = compare(
            lambda first=first, logits=logits: first(logits),
            lambda second=second, logits=logits: second(logits),
            3,
            time.process_time,
        )
        scale = 1e6 / size**3
        print(
            f"{size}^3{'':{28 - len(str(size)) - 2}}{ours * scale:14.1f}{theirs * scale:14.1f}{ratio:8.1f}", flush=True
        )


if __name__ == "__main__":
    main()
