"""Rebuild the tables from the CSV files of `run.py`: python benchmarks/instances/report.py.

A table for each way to make instances. Of each run, the threshold is the one with the lowest variation of information
on the validation planes; what is shown is of the test planes at that threshold.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from run import ARMS, HERE, THRESHOLDS, read_arm

# title, whether more is better (1) or less (-1), digits
METRICS = {
    "voi": ("VOI", -1, 3), "voi_split": ("split", -1, 3), "voi_merge": ("merge", -1, 3), "are": ("ARE", -1, 3),
    "nerl": ("normalised ERL", 1, 3), "correct_edges": ("correct edges", 1, 3),
    "neuron_splits": ("neuron splits", -1, 0), "neuron_merges": ("neuron merges", -1, 0), "splits": ("splits", -1, 0),
    "merges": ("merges", -1, 0), "f1": ("F1", 1, 3),
}  # fmt: skip

Rows = list[dict[str, str]]


def main() -> None:
    """Write flyem_medulla.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    text = "\n".join(f"{method}:\n\n{format_table(args.results, method)}" for method in THRESHOLDS)
    (args.results / "flyem_medulla.md").write_text(text)
    print(text)


def format_table(results: Path, method: str) -> str:
    """Return, for a way to make instances, means over seeds and their standard deviations, an arm a line."""
    lines = [["loss", "seeds", "threshold", *(title for title, _, _ in METRICS.values())]]
    for folder in sorted(results.iterdir(), key=order) if results.is_dir() else []:
        chosen = [choose(path, method) for path in sorted(folder.glob("*_test.csv"))] if folder.is_dir() else []
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
