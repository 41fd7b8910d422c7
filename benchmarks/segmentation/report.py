"""Rebuild table and figure from the CSV files of `run.py`: python benchmarks/segmentation/report.py."""

from __future__ import annotations

import argparse
import csv
import itertools
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import data
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from train import ARMS, HERE, RIVALS, read_arm, stem

# title, whether more is better (1) or less (-1), digits
METRICS = {
    "dice": ("Dice", 1, 3), "cldice": ("clDice", 1, 3), "hd95": ("HD95", -1, 1), "voi": ("VOI", -1, 3),
    "are": ("ARE", -1, 3), "betti0": ("Betti-0 error", -1, 1), "betti1": ("Betti-1 error", -1, 1),
    "splits": ("splits", -1, 1), "merges": ("merges", -1, 1),
}  # fmt: skip
TABLES = (("betti0", "betti1", "splits", "merges"), ("dice", "cldice", "hd95", "voi", "are"))
SHOWN = ("dice", "cldice", "betti0", "betti1", "splits", "merges")
BASELINE = ARMS[0]
PERMUTATIONS = 10_000

Seeds = dict[int, list[dict[str, str]]]


class Comparison(NamedTuple):
    """How two losses differ: on average, how likely that is by chance, and with each seed."""

    difference: float
    p: float
    by_seed: NDArray[np.float64]


Comparisons = dict[tuple[str, str, str], Comparison]  # of an arm, a baseline and a metric


def main() -> None:
    """Write DATA.md, DATA.png and DATA_tests.csv for each data set that has results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--section", choices=data.SECTIONS, default=data.SECTIONS[-1])
    args = parser.parse_args()
    for name in data.DATA_SETS:
        tables = {arm: read(args.results / name / arm, args.section) for arm in (*ARMS, *RIVALS)}
        tables = {arm: table for arm, table in tables.items() if table}
        if BASELINE not in tables:
            continue
        path = args.results / stem(name, args.section)
        tests = compare(tables)
        with path.with_name(f"{path.name}_tests.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("arm", "baseline", "metric", "difference", "p", "differences_by_seed"))
            for key, test in tests.items():
                by_seed = " ".join(f"{value:.6g}" for value in test.by_seed)
                writer.writerow((*key, f"{test.difference:.6g}", f"{test.p:.6g}", by_seed))
        text = format_tables(tables, tests, read_costs(args.results / f"{name}_cost.csv"))
        path.with_suffix(".md").write_text(text)
        draw(tables, path.with_suffix(".png"))
        print(f"{name}, {args.section}\n\n{text}")


def read(folder: Path, section: str) -> Seeds:
    """Read the rows of each seed."""
    tables = {}
    for path in sorted(folder.glob(f"*_{section}.csv")):
        with path.open() as file:
            tables[int(path.name.split("_")[0])] = list(csv.DictReader(file))
    return tables


def average(tables: Seeds, metric: str) -> NDArray[np.float64]:
    """Return the mean over images for each seed."""
    return np.array([np.mean([float(row[metric]) for row in rows]) for rows in tables.values()])


def pair(ours: Seeds, theirs: Seeds, metric: str) -> NDArray[np.float64]:
    """Return the mean difference in each group of images, all seeds taken together."""
    groups = defaultdict(list)
    for seed in ours:
        for row, other in zip(ours[seed], theirs[seed], strict=True):
            groups[row["group"]].append(float(row[metric]) - float(other[metric]))
    return np.array([np.mean(values) for values in groups.values()])


def permutation_test(difference: NDArray[np.float64]) -> float:
    """Return the two-sided p of a paired permutation test: signs of the differences are exchangeable."""
    if np.isnan(difference).any():
        return float("nan")
    if 2 ** len(difference) <= PERMUTATIONS:
        signs = np.array(list(itertools.product((1, -1), repeat=len(difference))))
        extra = 0  # all of them: the observed one is among them
    else:
        signs = np.random.default_rng(0).choice((1, -1), (PERMUTATIONS, len(difference)))
        extra = 1
    observed = abs(difference.mean())
    as_large = (np.abs((signs * difference).mean(axis=1)) >= observed - 1e-12).sum()
    return float((as_large + extra) / (len(signs) + extra))


def compare(tables: dict[str, Seeds]) -> Comparisons:
    """Compare each arm with Dice + CE, and with the control that its file names, over the seeds that both have."""
    tests = {}
    for arm in tables:
        for baseline in (BASELINE, read_arm(arm).get("control")):
            if baseline not in tables or arm == baseline:
                continue
            seeds = sorted(tables[arm].keys() & tables[baseline].keys())
            ours, theirs = ({seed: tables[name][seed] for seed in seeds} for name in (arm, baseline))
            for seed in seeds:
                if [row["case"] for row in ours[seed]] != [row["case"] for row in theirs[seed]]:
                    raise ValueError(f"{arm} and {baseline} have other images with seed {seed}; measure the same ones.")
            for metric in METRICS if seeds else ():
                difference = pair(ours, theirs, metric)
                by_seed = average(ours, metric) - average(theirs, metric)
                tests[arm, baseline, metric] = Comparison(difference.mean(), permutation_test(difference), by_seed)
    return tests


def read_costs(path: Path) -> dict[str, dict[str, str]]:
    """Read what a step of each arm costs, if that has been measured."""
    if not path.is_file():
        return {}
    with path.open() as file:
        return {row["arm"]: row for row in csv.DictReader(file)}


def format_tables(
    tables: dict[str, Seeds],
    tests: Comparisons,
    costs: dict[str, dict[str, str]],
) -> str:
    """Return both tables: means with the standard deviation over seeds, marked where p is below 0.05 and 0.01."""
    blocks = []
    for metrics in TABLES:
        lines = [["loss", "seeds", *(METRICS[metric][0] for metric in metrics)]]
        for arm, table in tables.items():
            cells = [f"{format_values(table, metric)}{format_mark(tests, arm, metric)}" for metric in metrics]
            lines.append([read_arm(arm).get("title"), str(len(table)), *cells])
        if metrics == TABLES[0] and costs:
            lines[0] += ["time", "memory"]
            for arm, line in zip(tables, lines[1:], strict=True):
                line += [
                    f"{float(costs[arm][key]):.2f}" if arm in costs else "" for key in ("time_ratio", "memory_ratio")
                ]
        lines.insert(1, ["---"] * len(lines[0]))
        blocks.append("".join(f"| {' | '.join(line)} |\n" for line in lines))
    return "\n".join(blocks)


def format_values(table: Seeds, metric: str) -> str:
    """Return the mean over seeds, and their standard deviation if there are several."""
    values = average(table, metric)
    digits = METRICS[metric][2]
    deviation = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}"


def format_mark(tests: Comparisons, arm: str, metric: str) -> str:
    """Return how sure a difference from Dice + CE is, and its direction: ↑ is better, ↓ worse."""
    test = tests.get((arm, BASELINE, metric))
    if test is None or not test.p < 0.05:  # nor where p is not known
        return ""
    return f" {'↑' if test.difference * METRICS[metric][1] > 0 else '↓'}" + r"\*" * (2 if test.p < 0.01 else 1)


def draw(tables: dict[str, Seeds], path: Path) -> None:
    """Draw the values of all seeds, and their means."""
    mpl.rcParams.update({"font.size": 10, "figure.facecolor": "white"})
    figure = Figure(figsize=(13, 0.4 * len(tables) + 1.2), layout="constrained")
    axes = figure.subplots(1, len(SHOWN), sharey=True)
    for axis, metric in zip(axes, SHOWN, strict=True):
        title, better, _ = METRICS[metric]
        for row, table in enumerate(tables.values()):
            values = average(table, metric)
            axis.plot(values, [row] * len(values), "o", color="#BBBBBB", markersize=5)
            axis.plot([values.mean()], [row], "|", color="#D55E00", markersize=16, markeredgewidth=2)
        axis.axvline(average(tables[BASELINE], metric).mean(), color="#0072B2", linewidth=0.8, linestyle="--")
        axis.set_title(f"{title} {'↑' if better > 0 else '↓'}", fontsize=9)
        axis.margins(x=0.1)
        axis.locator_params(axis="x", nbins=3)
    axes[0].set_yticks(range(len(tables)), [read_arm(arm).get("title") for arm in tables])
    axes[0].invert_yaxis()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
