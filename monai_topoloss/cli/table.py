"""Tables of results, printed and as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np


class Row(NamedTuple):
    """A line of the table."""

    case: str
    of_class: int | None
    values: list[float]


def print_table(rows: Sequence[Row], metrics: Sequence[str], counts: Collection[str]) -> None:
    """Print rows, and the mean and standard deviation of each class; ``counts`` are metrics in whole numbers."""
    if not rows:
        return
    classes = sorted({row.of_class or 0 for row in rows})
    lines = [["case", *(["class"] if classes[0] else []), *metrics]]
    lines += [[row.case, *_class_of(row), *_format(row, metrics, counts)] for row in rows]
    for k in classes:
        values = np.array([row.values for row in rows if (row.of_class or 0) == k])
        for title, statistic in (("mean", np.mean), ("sd", np.std)):
            numbers = [column[~np.isnan(column)] for column in values.T]
            summary = [f"{statistic(column):.4f}" if column.size else "nan" for column in numbers]
            lines.append([title, *([str(k)] if k else []), *summary])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for index, line in enumerate(lines):
        if index in (1, len(rows) + 1):
            print("-" * (sum(widths) + 2 * len(widths) - 2))
        first, *rest = (text.rjust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join([line[0].ljust(len(first)), *rest]))


def _class_of(row: Row) -> list[str]:
    return [] if row.of_class is None else [str(row.of_class)]


def _format(row: Row, metrics: Sequence[str], counts: Collection[str]) -> list[str]:
    return [
        f"{value:.0f}" if metric in counts and value.is_integer() else f"{value:.4f}"
        for metric, value in zip(metrics, row.values, strict=True)
    ]


class CsvTable:
    """A CSV file that is written row by row, so that nothing is lost; or nothing, without a path."""

    def __init__(self, path: Path | None, columns: Sequence[str]) -> None:
        self.columns = columns
        self.file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("w", newline="")
            self._write(columns)

    def __enter__(self) -> CsvTable:
        """Return the table, to write to."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()

    def write(self, rows: Sequence[Row]) -> None:
        """Write the rows of a case."""
        for row in rows:
            self._write([row.case, *_class_of(row), *row.values, ""])

    def write_problem(self, name: str, reason: str) -> None:
        """Write a case that failed, and what was wrong."""
        self._write([name, *[""] * (len(self.columns) - 2), reason])

    def _write(self, values: Sequence[object]) -> None:
        if self.file is not None:
            csv.writer(self.file).writerow(values)
            self.file.flush()
