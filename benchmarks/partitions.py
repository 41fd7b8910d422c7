"""Variation of information and adapted Rand error of instance maps against scikit-image, in the same run.

python benchmarks/partitions.py [FILE.nii.gz ...]

Whole calls of the public functions, with their checks; times of the processor, one thread, interleaved; ratios are
medians of pairs. Files of instances are compared with themselves, damaged.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import numpy as np
import torch
from images import cells
from numpy.typing import NDArray
from scipy import ndimage
from skimage import metrics
from timing import compare

from monai_topoloss.metrics import compute_adapted_rand_error, compute_variation_of_information


def make(kind: str, size: int) -> NDArray[np.int64]:
    """Make a map of instances: cells around points, or tubes with background between them."""
    if kind == "cells":
        return cells(size)
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.random((size,) * 3), 3)
    return ndimage.label(field > np.quantile(field, 0.85))[0].astype(np.int64)


def damage(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Merge some instances, split others, and shift all."""
    merged = np.where(ids % 7 == 1, np.maximum(ids - 1, 0), ids)
    split = np.where((ids % 5 == 2) & (np.arange(ids.shape[-1]) % 50 > 25), merged + ids.max() + 1, merged)
    return np.roll(np.where(ids == 0, 0, split), 2, axis=0)


def report(title: str, ids: NDArray[np.int64]) -> None:
    """Print the lines of one image."""
    found = damage(ids)
    pair = [torch.from_numpy(np.ascontiguousarray(image))[None, None] for image in (found, ids)]
    options = {"instances": True, "foreground_only": False}
    ours_theirs = {
        "VOI": (compute_variation_of_information, lambda: metrics.variation_of_information(ids, found).sum()),
        "ARE": (compute_adapted_rand_error, lambda: metrics.adapted_rand_error(ids, found, ignore_labels=())[0]),
    }
    for name, (function, theirs) in ours_theirs.items():
        ours = partial(function, *pair, **options)
        if abs(ours().item() - theirs()) > 1e-5:
            raise RuntimeError(f"The answers differ: {ours().item()}, {theirs()}.")
        ours_ms, theirs_ms, ratio = compare(ours, theirs, 9, time.process_time)
        print(f"{f'{name}, {title}':34}{ours_ms:10.1f} ms{theirs_ms:12.1f} ms{ratio:9.1f}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help="maps of instances")
    files = parser.parse_args().files
    torch.set_num_threads(1)
    print(f"{'':34}{'ours':>13}{'scikit-image':>15}{'ratio':>9}")
    for kind in ("cells", "objects"):
        report(f"{kind}, 128^3, int64", make(kind, 128))
    for file in files:
        import nibabel

        ids = np.ascontiguousarray(nibabel.load(file).dataobj).astype(np.int64)
        report(f"{ids.max()} instances, {'x'.join(map(str, ids.shape))}", ids)


if __name__ == "__main__":
    main()
