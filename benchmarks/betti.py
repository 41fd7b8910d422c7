"""Betti numbers against scikit-image's labels and Euler number, in the same run: ratios of interleaved timings.

python benchmarks/betti.py
"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage
from skimage import measure
from timing import compare

from monai_topoloss import betti_numbers


def make(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Make a mask: winding objects, 15 % of the image, or noise, 20 %."""
    rng = np.random.default_rng(0)
    field = rng.random(shape)
    if kind == "objects":
        field = ndimage.gaussian_filter(field, 3)
    return field > np.quantile(field, 0.85 if kind == "objects" else 0.8)


def with_scikit_image(mask: np.ndarray) -> list[int]:
    """Count components, tunnels and cavities with scikit-image."""
    components = measure.label(mask, connectivity=mask.ndim, return_num=True)[1]
    euler = int(measure.euler_number(mask, mask.ndim))
    if mask.ndim == 2:
        return [components, components - euler]
    background = np.pad(~mask, 1, constant_values=True)
    cavities = measure.label(background, connectivity=1, return_num=True)[1] - 1
    return [components, components + cavities - euler, cavities]


def main() -> None:
    """Print the table."""
    print(f"{'Betti numbers':28}{'ours':>13}{'scikit-image':>15}{'ratio':>9}")
    for kind in ("objects", "noise"):
        for shape in ((512, 512), (1024, 1024), (64, 64, 64), (128, 128, 128)):
            mask = make(kind, shape)
            if betti_numbers(mask).tolist() != with_scikit_image(mask):
                raise RuntimeError("The answers differ.")
            ours, theirs, ratio = compare(partial(betti_numbers, mask), partial(with_scikit_image, mask), 15)
            print(f"{f'{kind}, {shape[0]}^{len(shape)}':28}{ours:10.2f} ms{theirs:12.2f} ms{ratio:9.1f}", flush=True)


if __name__ == "__main__":
    main()
