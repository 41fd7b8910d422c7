"""Connected components against cc3d, scikit-image and SciPy, in the same run: ratios of interleaved timings.

python benchmarks/components.py [FILE.nii.gz ...]     (pip install connected-components-3d)

Whole calls of the public functions, with their checks; times of the processor, one thread; ratios are medians of pairs.
SciPy knows no instances. Files are maps of instances.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cc3d
import numpy as np
import torch
from images import cells
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure
from timing import in_turns

from monai_topoloss import label_components
from monai_topoloss.datasets import synthetic_vessels


def make(kind: str, size: int) -> NDArray[Any]:
    """Make a mask of vessels, blobs or fine structures, or a map of cells that fill the image."""
    if kind == "vessels":
        return synthetic_vessels((size,) * 3, seed=0)[1][0] != 0
    if kind == "cells":
        return cells(size)
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.random((size,) * 3), 3 if kind == "blobs" else 1)
    return field > np.quantile(field, 0.85 if kind == "blobs" else 0.7)


def report(title: str, image: NDArray[Any]) -> None:
    """Print the lines of one image."""
    is_mask = image.dtype == np.bool_
    for connectivity, neighbours in ((3, 26), (1, 6)):
        ours = partial(label_components, image, connectivity=connectivity)
        theirs: dict[str, Callable[[], Any]] = {
            "cc3d": partial(cc3d.connected_components, image, connectivity=neighbours),
            "scikit-image": partial(measure.label, image, connectivity=connectivity),
        }
        if is_mask:
            theirs["SciPy"] = partial(ndimage.label, image, ndimage.generate_binary_structure(3, connectivity))
        if int(ours().counts) != int(theirs["cc3d"]().max()):
            raise RuntimeError("The answers differ.")
        times = in_turns([ours, *theirs.values()], 7, time.process_time)
        ratios = np.median(times[:, 1:] / times[:, :1], axis=0)
        found = "".join(f"{ratio:8.2f} {name}" for name, ratio in zip(theirs, ratios, strict=True))
        print(f"{f'{title}, {neighbours} neighbours':44}{np.median(times[:, 0]):9.1f} ms{found}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help="maps of instances")
    files = parser.parse_args().files
    torch.set_num_threads(1)
    print(f"{'':44}{'ours':>12}  times as fast as")
    for kind in ("vessels", "blobs", "fine", "cells"):
        for size in (128, 256) if kind != "cells" else (128,):
            image = make(kind, size)
            report(f"{kind}, {size}^3, {image.dtype}", image)
    for file in files:
        import nibabel

        ids = np.ascontiguousarray(nibabel.load(file).dataobj)
        for image in (ids, ids.astype(np.int64)):
            report(f"{ids.max()} ids, {'x'.join(map(str, ids.shape))}, {image.dtype}", image)


if __name__ == "__main__":
    main()
