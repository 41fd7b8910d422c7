"""Draws the pictures of the losses: python docs/figures.py."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from monai_topoloss import (
    NeighborPenalty,
    affinities,
    critical_affinities,
    critical_components,
    label_components,
    skeletonize,
    soft_skeleton,
    tubed_skeleton,
)
from monai_topoloss.datasets import synthetic_neurites, synthetic_vessels
from monai_topoloss.visualize import render_critical

FOLDER = Path(__file__).parent / "images"
GREEN, VERMILION, BLUE, GREY = "#009E73", "#D55E00", "#56B4E9", "#BBBBBB"


def main() -> None:
    """Draw all."""
    mpl.rcParams.update({"font.size": 11, "axes.titlesize": 12, "figure.facecolor": "white"})
    label = synthetic_vessels((96, 96), seed=13)[1][0, 16:80, 10:74] != 0
    draw_skeleton_recall(label)
    draw_supervoxel(label)
    draw_skeleton_precision(label)
    draw_soft_centerline_dice(label)
    draw_neighbor_penalty(label)
    draw_affinities()
    draw_volume()


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


def draw_skeleton_precision(label: NDArray[np.bool_]) -> None:
    """Draw probabilities with ridges of low ones, what is above two thresholds, their skeletons, what the loss sees."""
    probability = predict_ridges(label)
    figure, axes = make_figure(5)
    axes[0].imshow(probability, cmap="gray_r", vmin=0, vmax=1)
    show(axes[0], None, "network's $p$")
    union = np.zeros_like(label)
    for axis, threshold in zip(axes[1:4], (0.5, 0.1, 0.03), strict=True):
        mask = probability > threshold
        skeleton = skeletonize(mask)
        union |= skeleton
        picture = colour(colour(mask, mask, "#DDDDDD"), skeleton & label, GREEN)
        show(axis, colour(picture, skeleton & ~label, VERMILION), f"skeleton of $p > {threshold:g}$")
        share = probability[skeleton & label].sum() / probability[skeleton].sum()
        axis.set_xlabel(f"precision {share:.2f}")
    seen = np.ones((*label.shape, 3))
    seen[union] = mpl.colormaps["gray_r"](0.15 + 0.85 * probability)[..., :3][union]
    seen[union & ~label] = mpl.colormaps["Reds"](0.3 + 0.7 * probability)[..., :3][union & ~label]
    show(axes[4], seen, r"$\sum p\,S_k\,y\;/\;\sum p\,S_k$")
    axes[4].set_xlabel("where the loss looks;\nred: lowered")
    axes[0].set_xlabel("speck, and faint\nridges beside vessels")
    figure.savefig(FOLDER / "flow_skeleton_precision.png", dpi=150)


def draw_soft_centerline_dice(label: NDArray[np.bool_]) -> None:
    """Draw probabilities and a label, their soft skeletons, and how much of each lies in the other."""
    probability = predict_ridges(label)
    predicted = soft_skeleton(probability.astype(np.float32), iterations=5)
    true = soft_skeleton(label, iterations=5)
    figure, axes = make_figure(4)
    axes[0].imshow(probability, cmap="gray_r", vmin=0, vmax=1)
    show(axes[0], None, "network's $p$")
    axes[1].imshow(predicted, cmap="gray_r", vmin=0, vmax=1)
    show(axes[1], None, r"soft skeleton $\sigma(p)$")
    show(axes[2], colour(colour(label, label, "#E6E6E6"), true, GREEN), r"label, $\sigma(y)$")
    seen = np.ones((*label.shape, 3))
    ridges = predicted > 0.02
    seen[ridges & ~label] = mpl.colormaps["Reds"](0.3 + 0.7 * predicted)[..., :3][ridges & ~label]
    seen[true] = mpl.colormaps["RdYlGn"](probability)[..., :3][true]
    precision, recall = predicted[label].sum() / predicted.sum(), probability[true].mean()
    show(axes[3], seen, f"$P$ = {precision:.2f}, $R$ = {recall:.2f}")
    add_captions(axes, ["", "also of faint ridges", "", "green: found; red:\nmissed or invented"])
    figure.savefig(FOLDER / "flow_soft_centerline_dice.png", dpi=150)


def draw_neighbor_penalty(label: NDArray[np.bool_]) -> None:
    """Draw probabilities, and what they become when each voxel is judged by the worst of its class around it."""
    probability = predict_ridges(label)
    logits = torch.logit(torch.from_numpy(probability).clamp(0.003, 0.997))[None, None]
    identity = NeighborPenalty(torch.nn.Identity())  # stands for the loss
    identity.loss.forward = lambda input, target: input  # type: ignore[method-assign]  # noqa: ARG005
    worst = identity(logits, torch.from_numpy(label)[None, None]).sigmoid()[0, 0].numpy()
    figure, axes = make_figure(4)
    for axis, picture, title in ((axes[0], probability, "network's $p$"), (axes[2], worst, "$p$ of the worst around")):
        axis.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
        show(axis, None, title)
    show(axes[1], colour(label, label, GREY), "label")
    wrong = np.ones((*label.shape, 3))
    wrong[np.abs(worst - label) > 0.5] = mpl.colors.to_rgb("#E8A87C")
    wrong[np.abs(probability - label) > 0.5] = mpl.colors.to_rgb(VERMILION)
    show(axes[3], wrong, "taken for wrong")
    add_captions(axes, ["", "", "gaps, specks and\nwrong edges grow", "red: before; orange: added"])
    figure.savefig(FOLDER / "flow_neighbor_penalty.png", dpi=150)


def draw_affinities() -> None:
    """Draw instances that touch, affinities as they are predicted, and which mistakes among them are critical."""
    edges = [(1, 0), (0, 1)]
    ids = synthetic_neurites((96, 96), seed=3)[1][0, 8:48, 2:42]
    found = ids.copy()
    for axis, y, x in ((0, 12, 24), (1, 26, 3)):  # a border that is off by one, in two places
        window = np.s_[y : y + 12, x : x + 12]
        found[window] = np.roll(ids, 1, axis)[window]
    predicted = affinities(found, edges)
    predicted[:, 16:20, 14:22] |= ids[16:20, 14:22] != 0  # a merge
    predicted[0, 30, :][ids[30] == np.bincount(ids[30]).argmax()] = False  # a cut
    figure, axes = make_figure(5)
    palette = mpl.colormaps["tab20"]((ids * 7 % 20) / 19)[..., :3] * 0.4 + 0.6
    for axis in axes:
        show(axis, palette, "")
    draw_edges(axes[1], ~predicted, "#333333")
    true = affinities(ids, edges)
    draw_edges(axes[2], true & ~predicted, "#E8A87C")
    draw_edges(axes[2], predicted & ~true, "#7FBFE8")
    counts = []
    for axis, tolerance in ((axes[3], 0), (axes[4], 1)):
        critical = critical_affinities(predicted, ids, edges, tolerance=tolerance)
        draw_edges(axis, np.asarray(critical.splits), VERMILION)
        draw_edges(axis, np.asarray(critical.merges), "#0072B2")
        counts.append(f"splits: {int(critical.n_splits)} (red),\nmerges: {int(critical.n_merges)} (blue)")
    for axis, title in zip(axes, ("instances", "cut affinities", "mistakes", "critical", "tolerance 1"), strict=True):
        axis.set_title(title)
    add_captions(axes, ["", "as predicted", "missed (orange),\ninvented (blue)", *counts])
    figure.savefig(FOLDER / "flow_affinities.png", dpi=150)


def draw_volume() -> None:
    """Render two trees of vessels in 3-D, as predicted: with two gaps, and with a bridge between them."""
    label = synthetic_vessels((64, 64, 64), seed=116, num_trees=2)[1][0]
    trees = label != 0
    found = trees.copy()
    first, second = (np.argwhere(label == tree) for tree in (1, 2))
    for places in (first, second):
        middle = places[np.abs(places - places.mean(axis=0)).sum(axis=1).argmin()]
        found[tuple(slice(x - 3, x + 4) for x in middle)] = False
    apart = np.linalg.norm(first[:, None] - second, axis=2)
    start, stop = (places[k] for places, k in zip((first, second), np.divmod(apart.argmin(), len(second)), strict=True))
    for share in np.linspace(0, 1, 20):
        x, y, z = (start * (1 - share) + stop * share).round().astype(int)
        found[x - 1 : x + 2, y - 1 : y + 2, z - 1 : z + 2] = True
    picture = FOLDER / "broken_3d.png"
    render_critical(found, trees, spacing=0.5, size=(560, 640), scale_bar=True, legend=True, path=picture)


def draw_edges(axis: Axes, affinity: NDArray[np.bool_], name: str) -> None:
    """Draw affinities of the nearest neighbours (2, y, x) as lines where the two pixels meet."""
    height, width = affinity.shape[1:]
    down = [((x - 0.5, y + 0.5), (x + 0.5, y + 0.5)) for y, x in np.argwhere(affinity[0]) if y + 1 < height]
    across = [((x + 0.5, y - 0.5), (x + 0.5, y + 0.5)) for y, x in np.argwhere(affinity[1]) if x + 1 < width]
    axis.add_collection(LineCollection([*down, *across], colors=name, linewidths=1.6))


def predict_ridges(label: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Make up a prediction as above, with faint ridges that are not predicted."""
    probability = predict(label)
    for y, x, height, width, value in ((30, 2, 2, 14, 0.2), (50, 40, 12, 2, 0.12), (12, 30, 2, 10, 0.06)):
        window = np.s_[y : y + height, x : x + width]
        probability[window] = np.maximum(probability[window], value)
    return probability


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
