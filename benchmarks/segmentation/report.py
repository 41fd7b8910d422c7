"""Rebuild table and figure from the CSV files of `run.py`: python benchmarks/segmentation/report.py."""

from __future__ import annotations

import argparse
import csv
import itertools
from collections import defaultdict
from pathlib import Path

import data
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from train import ARMS, HERE, read_arm

METRICS = {
    "dice": ("Dice", 1, 3), "cldice": ("clDice", 1, 3), "betti0": ("Betti-0 error", -1, 1),
    "betti1": ("Betti-1 error", -1, 1), "splits": ("splits", -1, 1), "merges": ("merges", -1, 1),
    "voi": ("VOI", -1, 3), "are": ("ARE", -1, 3), "hd95": ("HD95", -1, 1),
}  # fmt: skip
BASELINE = ARMS[0]
PERMUTATIONS = 10_000


def main() -> None:
    """Write results/DATA.md and results/DATA.png for each data set that has results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--section", choices=data.SECTIONS[1:], default="test")
    args = parser.parse_args()
    for name in data.DATA_SETS:
        tables = {arm: read(args.results / name / arm, args.section) for arm in ARMS}
        tables = {arm: table for arm, table in tables.items() if table}
        if BASELINE in tables:
            ending = "" if args.section == "test" else f"_{args.section}"
            text = format_table(tables)
            (args.results / f"{name}{ending}.md").write_text(text)
            draw(tables, args.results / f"{name}{ending}.png", name)
            print(f"{name}, {args.section}\n\n{text}")


def read(folder: Path, section: str) -> dict[int, list[dict[str, str]]]:
    """Read the rows of each seed."""
    tables = {}
    for path in sorted(folder.glob(f"*_{section}.csv")):
        with path.open() as file:
            tables[int(path.name.split("_")[0])] = list(csv.DictReader(file))
    return tables


def average(tables: dict[int, list[dict[str, str]]], metric: str) -> NDArray[np.float64]:
    """Return the mean over images for each seed."""
    return np.array([np.nanmean([float(row[metric]) for row in rows]) for rows in tables.values()])


def by_group(tables: dict[int, list[dict[str, str]]], metric: str) -> dict[str, float]:
    """Return the mean of each group of images, all seeds taken together."""
    groups = defaultdict(list)
    for rows in tables.values():
        for row in rows:
            groups[row["group"]].append(float(row[metric]))
    return {group: float(np.nanmean(values)) for group, values in groups.items()}


def permutation_test(difference: NDArray[np.float64]) -> float:
    """Return the two-sided p of a paired permutation test: signs of the differences are exchangeable."""
    difference = difference[~np.isnan(difference)]
    if 2 ** len(difference) <= PERMUTATIONS:
        signs = np.array(list(itertools.product((1, -1), repeat=len(difference))))
        extra = 0  # all of them: the observed one is among them
    else:
        signs = np.random.default_rng(0).choice((1, -1), (PERMUTATIONS, len(difference)))
        extra = 1
    observed = abs(difference.mean())
    as_large = (np.abs((signs * difference).mean(axis=1)) >= observed - 1e-12).sum()
    return float((as_large + extra) / (len(signs) + extra))


def format_table(tables: dict[str, dict[int, list[dict[str, str]]]]) -> str:
    """Return a table: means with the standard deviation over seeds, * and ** for p below 0.05 and 0.01."""
    lines = ["| loss | seeds | " + " | ".join(title for title, _, _ in METRICS.values()) + " |"]
    lines.append("|---" * (len(METRICS) + 2) + "|")
    for arm, table in tables.items():
        cells = [read_arm(arm).get("title"), str(len(table))]
        for metric, (_, better, digits) in METRICS.items():
            values = average(table, metric)
            cell = f"{values.mean():.{digits}f}"
            if len(values) > 1:
                cell += f" ± {values.std(ddof=1):.{digits}f}"
            if arm != BASELINE:
                cell += mark(table, tables[BASELINE], metric, better)
            cells.append(cell)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def mark(
    table: dict[int, list[dict[str, str]]], baseline: dict[int, list[dict[str, str]]], metric: str, better: int
) -> str:
    """Return how sure the difference to the baseline is, and in which direction: ↑ is better."""
    seeds = table.keys() & baseline.keys()
    ours, theirs = ({seed: rows for seed, rows in each.items() if seed in seeds} for each in (table, baseline))
    first, second = by_group(ours, metric), by_group(theirs, metric)
    difference = np.array([first[group] - second[group] for group in second])
    p = permutation_test(difference)
    stars = "**" if p < 0.01 else "*" if p < 0.05 else ""
    if not stars:
        return ""
    return f" {'↑' if np.nanmean(difference) * better > 0 else '↓'}{stars.replace('*', chr(92) + '*')}"


def draw(tables: dict[str, dict[int, list[dict[str, str]]]], path: Path, name: str) -> None:
    """Draw the values of all seeds."""
    mpl.rcParams.update({"font.size": 10, "figure.facecolor": "white"})
    shown = ("dice", "cldice", "betti0", "splits", "merges", "hd95")
    figure = Figure(figsize=(13, 0.42 * len(tables) + 1.3), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True)
    titles = [read_arm(arm).get("title") for arm in tables]
    for axis, metric in zip(axes, shown, strict=True):
        title, better, _ = METRICS[metric]
        for row, table in enumerate(tables.values()):
            values = average(table, metric)
            axis.plot(values, [row] * len(values), "o", color="#BBBBBB", markersize=5)
            axis.plot([values.mean()], [row], "|", color="#D55E00", markersize=16, markeredgewidth=2)
        axis.axvline(average(tables[BASELINE], metric).mean(), color="#0072B2", linewidth=0.8, linestyle="--")
        axis.set_title(f"{title} ({'more' if better > 0 else 'less'} is better)", fontsize=9)
    axes[0].set_yticks(range(len(titles)), titles)
    axes[0].invert_yaxis()
    figure.suptitle(f"{name}: seeds, their mean, and the mean of Dice + CE")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
