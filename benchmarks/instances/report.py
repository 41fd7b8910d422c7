"""Rebuild the tables from the CSV files of `run.py`: python benchmarks/instances/report.py.

A table for each way to make instances. Of each run, the threshold is the one with the lowest variation of information
on the validation planes; what is shown is of the test planes at that threshold.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from run import ARMS, HERE, read_arm

# title, whether more is better (1) or less (-1), digits
METRICS = {
    "voi": ("VOI", -1, 3), "voi_split": ("split", -1, 3), "voi_merge": ("merge", -1, 3), "are": ("ARE", -1, 3),
    "nerl": ("normalised ERL", 1, 3), "neuron_splits": ("neuron splits", -1, 0),
    "neuron_merges": ("neuron merges", -1, 0), "splits": ("splits", -1, 0), "merges": ("merges", -1, 0),
    "f1": ("F1", 1, 3),
}  # fmt: skip

METHODS = {"components": "Components of affinities", "mutex_watershed": "Mutex watershed"}

Rows = list[dict[str, str]]


def main() -> None:
    """Write flyem_medulla.md, and of arms with changed settings flyem_medulla_trials.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    for name, are_trials in (("flyem_medulla", False), ("flyem_medulla_trials", True)):
        tables = (f"{title}:\n\n{format_table(args.results, method, are_trials)}" for method, title in METHODS.items())
        text = "\n".join(tables)
        (args.results / f"{name}.md").write_text(text)
        print(text)


def format_table(results: Path, method: str, are_trials: bool) -> str:
    """Return, for a way to make instances, means over seeds and their standard deviations, an arm a line."""
    lines = [["loss", "seeds", "threshold", *(title for title, _, _ in METRICS.values())]]
    folders = [path for path in results.iterdir() if path.is_dir()] if results.is_dir() else []
    for folder in sorted((path for path in folders if ("," in path.name) == are_trials), key=order):
        chosen = [choose(path, method) for path in sorted(folder.glob("*_test.csv"))]
        if chosen:
            arm, *changes = folder.name.split(",")
            title = ", ".join([read_arm(arm).get("title"), *changes])
            thresholds = " ".join(f"{float(row['threshold']):g}" for row in chosen)
            lines.append([title, str(len(chosen)), thresholds, *(summarize(chosen, metric) for metric in METRICS)])
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def order(folder: Path) -> tuple[int, str]:
    """Return where an arm comes in the table."""
    arm = folder.name.split(",")[0]
    return (ARMS.index(arm) if arm in ARMS else len(ARMS), folder.name)


def choose(path: Path, method: str) -> dict[str, str]:
    """Return the row of a test file that is best in the file of the validation, of those of a way to make instances."""
    validation = read(path.with_name(path.name.replace("test", "validation")), method)
    best = min(range(len(validation)), key=lambda index: float(validation[index]["voi"]))
    return read(path, method)[best]


def read(path: Path, method: str) -> Rows:
    """Read the rows of a way to make instances."""
    with path.open() as file:
        return [row for row in csv.DictReader(file) if row["method"] == method]


def summarize(rows: Rows, metric: str) -> str:
    """Return mean and standard deviation over seeds."""
    values = np.array([float(row[metric]) for row in rows])
    digits = METRICS[metric][2]
    deviation = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}"


if __name__ == "__main__":
    main()
