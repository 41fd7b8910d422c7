"""Draw what one loss repairs and what it newly breaks, compared with Dice + CE.

python benchmarks/segmentation/pictures.py --root DATA --data topomortar --arm recall_1

A split or merge is repaired if the other prediction has none that touches it, and more than half of its pixels right;
it is new the other way round. All seeds that both have predicted are searched. Nothing is picked by hand: of each kind,
the component of median size is shown, and the one that is larger than 90 % of the others.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import NamedTuple

import data
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from train import ARMS, make_parser, read_arm, stem

from monai_topoloss import critical_components

Mask = NDArray[np.bool_]

SIDE = 80  # of a crop, in pixels
QUANTILES = (0.5, 0.9)
GREY, VERMILION, BLUE, ORANGE, SKY = "#BBBBBB", "#D55E00", "#0072B2", "#F0C6A8", "#A9D8F0"
KINDS = ("repaired splits", "new splits", "repaired merges", "new merges")


class Change(NamedTuple):
    """A critical component that one of both predictions has."""

    size: int
    case: dict[str, str]
    seed: int
    centre: tuple[int, int]


def main() -> None:
    """Write results/DATA_ARM.png, or DATA_validation_ARM.png."""
    args = parse_arguments()
    mpl.rcParams.update({"font.size": 9, "figure.facecolor": "white"})
    folders = [args.work / args.data / arm for arm in (ARMS[0], args.arm)]
    seeds = sorted(
        int(path.name.split("_")[0])
        for path in folders[0].glob(f"*_{args.section}")
        if (folders[1] / path.name).is_dir()
    )
    if not seeds:
        raise SystemExit(f"Expected predictions of both losses in {folders[0]} and {folders[1]}; run.py writes them.")
    changes: dict[str, list[Change]] = {kind: [] for kind in KINDS}
    for case in data.list_cases(args.data, args.root, args.section):
        for seed in seeds:
            label, *predictions = read_masks(case, folders, seed, args.section)
            for kind, sizes_and_centres in find_changes(label, *predictions).items():
                changes[kind] += [Change(size, case, seed, centre) for size, centre in sizes_and_centres]
    for kind, found in changes.items():
        print(f"{kind}: {len(found)}")
    images = len(data.list_cases(args.data, args.root, args.section)) * len(seeds)
    figure = draw(changes, folders, args.section, [read_arm(arm).get("title") for arm in (ARMS[0], args.arm)], images)
    args.results.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.results / f"{stem(args.data, args.section)}_{args.arm}.png", dpi=110)


def read_masks(case: dict[str, str], folders: list[Path], seed: int, section: str) -> list[Mask]:
    """Read the label and both predictions."""
    paths = [Path(case["label"]), *(folder / f"{seed}_{section}" / f"{case['case']}.png" for folder in folders)]
    return [np.asarray(Image.open(path).convert("L")) > 0 for path in paths]


def find_critical(prediction: Mask, label: Mask) -> tuple[Mask, Mask]:
    """Return the voxels of splits and merges."""
    found = critical_components(prediction, label)
    return np.asarray(found.splits) != 0, np.asarray(found.merges) != 0


def find_changes(label: Mask, theirs: Mask, ours: Mask) -> dict[str, list[tuple[int, tuple[int, int]]]]:
    """Return size and centre of the critical components of each prediction that the other one has right."""
    changes = {}
    kinds = zip(("splits", "merges"), find_critical(theirs, label), find_critical(ours, label), strict=True)
    for kind, before, after in kinds:
        changes[f"repaired {kind}"] = find_right(before, after, ours != label)
        changes[f"new {kind}"] = find_right(after, before, theirs != label)
    return changes


def find_right(mask: Mask, critical: Mask, wrong: Mask) -> list[tuple[int, tuple[int, int]]]:
    """Return size and centre of components that touch nothing critical and are wrong in less than half."""
    structure = np.ones((3, 3))
    labels, _ = ndimage.label(mask, structure)
    touched = set(np.unique(labels[ndimage.binary_dilation(critical, structure)]))
    sizes, wrong_sizes = np.bincount(labels.ravel()), np.bincount(labels[wrong], minlength=labels.max() + 1)
    found = []
    for index, place in enumerate(ndimage.find_objects(labels), 1):
        if index not in touched and 2 * wrong_sizes[index] < sizes[index]:
            found.append((int(sizes[index]), tuple((part.start + part.stop) // 2 for part in place)))
    return found


def draw(changes: dict[str, list[Change]], folders: list[Path], section: str, titles: list[str], images: int) -> Figure:
    """Draw a row for each kind, and for each quantile four columns."""
    figure = Figure(figsize=(12, 6.9))
    figure.suptitle("light orange: missed   dark orange: splits   light blue: invented   dark blue: merges", y=0.985)
    for part, quantile, left in zip(("of median size", "larger than 90 %"), QUANTILES, (0.06, 0.54), strict=True):
        grid = figure.add_gridspec(len(KINDS), 4, left=left, right=left + 0.455, top=0.86, bottom=0.01, wspace=0.04)
        axes = grid.subplots()
        figure.text(left + 0.2275, 0.94, part, ha="center", weight="bold")
        for axis in axes.flat:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        for axis, title in zip(axes[0], ["image", "label", *titles], strict=True):
            axis.set_title(textwrap.fill(title, 20), fontsize=9)
        for row, kind in zip(axes, KINDS, strict=True):
            found = sorted(changes[kind], key=lambda change: change.size)
            if quantile == QUANTILES[0]:
                row[0].set_ylabel(f"{kind}\n{len(found) / images:.2f} an image")
            if found:
                draw_change(row, found[int(quantile * len(found))], folders, section)
    return figure


def draw_change(axes: NDArray[np.object_], change: Change, folders: list[Path], section: str) -> None:
    """Draw image, label and both predictions around a component."""
    masks = read_masks(change.case, folders, change.seed, section)
    image = np.asarray(Image.open(change.case["image"]).convert("RGB"))
    window = tuple(
        slice(start := max(0, min(centre - SIDE // 2, length - SIDE)), start + SIDE)
        for centre, length in zip(change.centre, masks[0].shape, strict=True)
    )
    axes[0].imshow(image[window])
    axes[1].imshow(paint(masks[0], (masks[0], GREY))[window])
    for axis, prediction in zip(axes[2:], masks[1:], strict=True):
        label = masks[0]
        splits, merges = find_critical(prediction, label)
        missed, invented = label & ~prediction, prediction & ~label
        layers = ((label & prediction, GREY), (missed, ORANGE), (invented, SKY), (splits, VERMILION), (merges, BLUE))
        axis.imshow(paint(label, *layers)[window])
        centre = [middle - part.start for middle, part in zip(change.centre, window, strict=True)]
        axis.add_patch(Circle((centre[1], centre[0]), SIDE / 6, fill=False, color="black", linewidth=0.8))


def paint(mask: Mask, *layers: tuple[Mask, str]) -> NDArray[np.float64]:
    """Return a white picture with layers of colour."""
    picture = np.ones((*mask.shape, 3))
    for layer, colour in layers:
        picture[layer] = mpl.colors.to_rgb(colour)
    return picture


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.add_argument("--arm", choices=ARMS[1:], required=True)
    parser.add_argument("--section", choices=data.SECTIONS, default=data.SECTIONS[-1])
    return parser.parse_args()


if __name__ == "__main__":
    main()
