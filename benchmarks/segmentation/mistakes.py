"""Say what the mistakes of each loss are made of, from the predictions that run.py keeps.

python benchmarks/segmentation/mistakes.py --root DATA --data topomortar

Of all wrong pixels, how many are critical; of the merges, how many touch no object that was found (specks), how many
join several, and how many touch one (other), as where they bridge a gap beside it; of the splits, how many lie between
two pieces that were found, of ten pixels or more (broken), how many have but one such piece beside them (crumbs), and
how many none (lost).
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator

import data
import numpy as np
from numpy.typing import NDArray
from pictures import Mask, find_critical, read_masks
from scipy import ndimage
from train import ARMS, make_parser, stem

CRUMB = 10  # pixels
EIGHT = np.ones((3, 3))
COLUMNS = (
    "arm", "images", "wrong", "critical", "splits", "lost", "crumbs", "broken", "merges", "specks", "joining", "other"
)  # fmt: skip


def main() -> None:
    """Write results/DATA_mistakes.csv, or DATA_validation_mistakes.csv: numbers per image."""
    args = parse_arguments()
    rows = []
    for arm in ARMS:
        folder = args.work / args.data / arm
        counts: Counter[str] = Counter()
        for case in data.list_cases(args.data, args.root, args.section):
            for path in sorted(folder.glob(f"*_{args.section}")):
                counts += describe(*read_masks(case, [folder], int(path.name.split("_")[0]), args.section))
        if images := counts.pop("images", 0):
            numbers = {key: f"{value / images:.4g}" for key, value in counts.items()}
            rows.append({"arm": arm, "images": images, **numbers})
            print(arm, images, numbers)
    if not rows:
        raise SystemExit(f"Expected predictions in {args.work / args.data}; run.py writes them.")
    args.results.mkdir(parents=True, exist_ok=True)
    with (args.results / f"{stem(args.data, args.section)}_mistakes.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval=0, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def describe(label: Mask, prediction: Mask) -> Counter[str]:
    """Count the mistakes of one prediction by what they do."""
    splits, merges = find_critical(prediction, label)
    counts = Counter(images=1, wrong=int((label != prediction).sum()), critical=int((splits | merges).sum()))
    found, _ = ndimage.label(label & prediction, EIGHT)  # the pieces of the objects that were found
    objects, _ = ndimage.label(label, EIGHT)
    for component in components(splits):
        counts["splits"] += 1
        counts[describe_split(component, found)] += 1
    for component in components(merges):
        counts["merges"] += 1
        counts[describe_merge(component, found, objects)] += 1
    return counts


def components(mask: Mask) -> Iterator[Mask]:
    """Return the components of a mask, one by one."""
    labels, count = ndimage.label(mask, EIGHT)
    return (labels == index for index in range(1, count + 1))


def describe_split(component: Mask, found: NDArray[np.int32]) -> str:
    """Return whether a split lies between pieces that were found, beside a crumb, or where nothing was found."""
    pieces = np.unique(found[ndimage.binary_dilation(component, EIGHT)])
    sizes = np.bincount(found.ravel())[pieces[pieces != 0]]
    if not sizes.size:
        return "lost"
    return "broken" if (sizes >= CRUMB).sum() > 1 else "crumbs"


def describe_merge(component: Mask, found: NDArray[np.int32], objects: NDArray[np.int32]) -> str:
    """Return whether a merge touches no object that was found, joins several, or touches but one."""
    touched = np.unique(objects[ndimage.binary_dilation(component, EIGHT) & (found != 0)])
    if not touched.size:
        return "specks"
    return "joining" if touched.size > 1 else "other"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.add_argument("--section", choices=data.SECTIONS, default=data.SECTIONS[-1])
    return parser.parse_args()


if __name__ == "__main__":
    main()
