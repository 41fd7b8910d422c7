"""Tables of results, printed and as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from monai_topoloss.cli.files import printable

_FORMULA = ("=", "+", "-", "@")  # what spreadsheets take for the beginning of one, as are tabs, which are escaped


class Row(NamedTuple):
    """A line of the table."""

    case: str
    of_class: int | None
    values: list[float]
    note: str = ""


def summarize(rows: Sequence[Row], failed: int) -> list[Row]:
    """Return mean and standard deviation of each class, without NaN; the mean's note says how many cases count."""
    summary = []
    for of_class in sorted({row.of_class for row in rows}, key=lambda k: k or 0):
        values = [row.values for row in rows if row.of_class == of_class]
        note = f"of {len(values)} case{'s' * (len(values) > 1)}" + (f", {failed} failed" if failed else "")
        columns = [column[~np.isnan(column)] for column in np.array(values).T]
        for title, statistic in (("mean", np.mean), ("sd", np.std)):
            numbers = [float(statistic(column)) if column.size else float("nan") for column in columns]
            summary.append(Row(title, of_class, numbers, note if title == "mean" else ""))
    return summary


def print_table(rows: Sequence[Row], columns: Sequence[str], counts: Collection[str], failed: int = 0) -> None:
    """Print rows and their summary.

    Args:
        rows: of the cases.
        columns: names of their values.
        counts: columns of whole numbers.
        failed: how many cases there are that no row is of.
    """
    if not rows:
        return
    has_classes, has_notes = rows[0].of_class is not None, failed > 0 or any(row.note for row in rows)
    lines = [["case", *(["class"] if has_classes else []), *columns]]
    lines += [[printable(row.case), *_class_of(row), *_format(row, columns, counts)] for row in rows]
    summary = summarize(rows, failed)
    lines += [[row.case, *_class_of(row), *(f"{value:.4f}" for value in row.values)] for row in summary]
    notes = ["note", *(printable(row.note) for row in (*rows, *summary))] if has_notes else [""] * len(lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for index, (line, note) in enumerate(zip(lines, notes, strict=True)):
        if index in (1, len(rows) + 1):
            print("-" * (sum(widths) + 2 * len(widths) - 2))
        first, *rest = (text.rjust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join([line[0].ljust(len(first)), *rest, *([note] if note else [])]))


def _class_of(row: Row) -> list[str]:
    return [] if row.of_class is None else [str(row.of_class)]


def _format(row: Row, columns: Sequence[str], counts: Collection[str]) -> list[str]:
    return [
        f"{value:.0f}" if column in counts and value.is_integer() else f"{value:.4f}"
        for column, value in zip(columns, row.values, strict=True)
    ]


class CsvTable:
    """A CSV file that is written row by row, so that nothing is lost; or nothing, without a path."""

    def __init__(self, path: Path | None, columns: Sequence[str]) -> None:
        self.columns = columns
        self.file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("w", newline="", encoding="utf-8")
            self._write(columns)

    def __enter__(self) -> CsvTable:
        """Return the table, to write to."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows."""
        for row in rows:
            self._write([_cell(row.case), *_class_of(row), *row.values, _cell(row.note), ""])

    def write_problem(self, name: str, note: str, reason: str) -> None:
        """Write a case that failed, and what was wrong."""
        self._write([_cell(name), *[""] * (len(self.columns) - 3), _cell(note), _cell(reason)])

    def write_cells(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        """Write rows of a case with other columns."""
        for row in rows:
            self._write([_cell(name), *row])

    def _write(self, values: Sequence[object]) -> None:
        if self.file is not None:
            csv.writer(self.file).writerow(values)
            self.file.flush()


def _cell(text: str) -> str:
    """Return text as spreadsheets show it, and never run it."""
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULA) else text
