"""Draws the pictures of both methods: python docs/figures.py."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from monai_topoloss import critical_components, label_components, skeletonize, tubed_skeleton
from monai_topoloss.datasets import synthetic_vessels

FOLDER = Path(__file__).parent / "images"
GREEN, VERMILION, BLUE, GREY = "#009E73", "#D55E00", "#56B4E9", "#BBBBBB"


def main() -> None:
    """Draw both."""
    mpl.rcParams.update({"font.size": 11, "axes.titlesize": 12, "figure.facecolor": "white"})
    label = synthetic_vessels((96, 96), seed=13)[1][0, 16:80, 10:74] != 0
    draw_skeleton_recall(label)
    draw_supervoxel(label)


def draw_skeleton_recall(label: NDArray[np.bool_]) -> None:
    """Draw label, skeleton, tube, probabilities, and what the loss sees."""
    tube = tubed_skeleton(label) != 0
    skeleton = skeletonize(label)
    probability = predict(label)
    figure, axes = make_figure(5)
    show(axes[0], colour(label, label, GREY), "label $Y$")
    show(axes[1], colour(colour(label, label, "#E6E6E6"), skeleton, GREEN), "skeleton")
    show(axes[2], colour(colour(label, label, "#E6E6E6"), tube, GREEN), "tubed skeleton $S$")
    axes[3].imshow(probability, cmap="gray_r", vmin=0, vmax=1)
    show(axes[3], None, "network's $p$")
    seen = np.ones((*label.shape, 3))
    seen[tube] = mpl.colormaps["RdYlGn"](probability)[..., :3][tube]
    show(axes[4], seen, r"$\sum p\,S\;/\;\sum S$" + f" = {probability[tube].mean():.2f}")
    add_captions(axes, ["", "thin", "dilate,\nclip to the label", "", "found (green) and\nmissed (red)"])
    figure.savefig(FOLDER / "flow_skeleton_recall.png", dpi=150)


def draw_supervoxel(label: NDArray[np.bool_]) -> None:
    """Draw label, prediction, mistakes, the critical ones, and the weights."""
    prediction = predict(label) > 0.5
    found = critical_components(torch.from_numpy(prediction), torch.from_numpy(label))
    splits, merges = found.splits.numpy(), found.merges.numpy()
    figure, axes = make_figure(5)
    show(axes[0], colour(label, label, GREY), "label")
    show(axes[1], colour(prediction, prediction, "#555555"), "prediction")
    missed, invented = label & ~prediction, prediction & ~label
    both = colour(label | prediction, label & prediction, "#E6E6E6")
    show(axes[2], colour(colour(both, missed, "#E8A87C"), invented, "#A9D8F0"), "mistakes")
    critical = colour(colour(both, missed | invented, GREY), splits, VERMILION)
    show(axes[3], colour(critical, merges, BLUE), "critical ones")
    weights = 0.5 + 0.5 * (0.5 * splits + 0.5 * merges)
    axes[4].imshow(weights, cmap="Greys", vmin=0.45, vmax=0.8)
    show(axes[4], None, "weight of each voxel")
    counts = f"splits: {int(found.n_splits)} (red),\nmerges: {int(found.n_merges)} (blue)"
    add_captions(axes, ["", "", "missed (orange),\ninvented (blue)", counts, r"$\alpha = \beta = 0.5$"])
    figure.savefig(FOLDER / "flow_supervoxel.png", dpi=150)


def predict(label: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Make up a prediction: blurred borders, two gaps of which one breaks a vessel, a bridge and a speck."""
    soft = torch.from_numpy(label.astype(np.float32))[None, None]
    soft = torch.nn.functional.avg_pool2d(soft, 3, 1, 1)[0, 0].numpy().astype(float)
    soft = np.clip(1.6 * soft, 0, 1)
    gaps = {}
    for y, x in np.argwhere(skeletonize(label)):
        window = np.s_[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
        broken = label.copy()
        broken[window] = False
        sizes = np.bincount(label_components(broken).labels.ravel())[1:]
        if 5 < y < label.shape[0] - 6 and 5 < x < label.shape[1] - 6 and sizes.min() > 40:
            gaps.setdefault(len(sizes), []).append(window)
    for pieces in (1, 2):
        window = gaps[pieces][len(gaps[pieces]) // 2]
        soft[window] *= 0.15
    soft[6:9, 50:54] = 0.8
    return soft


def make_figure(count: int) -> tuple[Figure, NDArray[np.object_]]:
    """Make a row of panels with arrows between them."""
    figure = Figure(figsize=(2.4 * count, 3.1))
    axes = figure.subplots(1, count)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.88, bottom=0.18, wspace=0.22)
    for axis in axes[1:]:
        axis.annotate(
            "", (-0.03, 0.5), (-0.19, 0.5), xycoords="axes fraction",
            arrowprops={"arrowstyle": "-|>", "color": "#333333", "linewidth": 1.6},
        )  # fmt: skip
    return figure, axes


def colour(picture: NDArray[np.generic], mask: NDArray[np.bool_], name: str) -> NDArray[np.float64]:
    """Paint a mask onto a picture, or onto white."""
    painted = picture.astype(float) if picture.ndim == 3 else np.ones((*picture.shape, 3))
    painted[mask] = mpl.colors.to_rgb(name)
    return painted


def show(axis: Axes, picture: NDArray[np.float64] | None, title: str) -> None:
    """Show a picture under its title."""
    if picture is not None:
        axis.imshow(picture, interpolation="nearest")
    axis.set_title(title)
    axis.set_xticks([])
    axis.set_yticks([])


def add_captions(axes: NDArray[np.object_], captions: list[str]) -> None:
    """Say below each panel what was done."""
    for axis, caption in zip(axes, captions, strict=True):
        axis.set_xlabel(caption)


if __name__ == "__main__":
    main()
