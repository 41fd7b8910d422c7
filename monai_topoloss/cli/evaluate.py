"""The command ``evaluate``."""

from __future__ import annotations

import argparse
import math
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from monai_topoloss._checks.options import UNITS
from monai_topoloss.cli.cases import Case, Outcome, Settings, evaluate_case
from monai_topoloss.cli.files import UsageError, check_table, complain, progress
from monai_topoloss.cli.folders import FORMATS_READ, RULE
from monai_topoloss.cli.matching import match
from monai_topoloss.cli.places import as_place, is_store
from monai_topoloss.cli.resources import EXPLANATION, add_options_of_stores, running
from monai_topoloss.cli.scores import METRICS, OF_OBJECTS
from monai_topoloss.cli.table import CsvTable, Row, print_table, summarize
from monai_topoloss.cli.workers import map_in_order

_DEFAULT = ("dice", "cldice", "betti", "splits", "merges")
_DEFAULT_OF_OBJECTS = ("voi", "voi_split", "voi_merge", "are")
_COUNTS = ("betti", "betti0", "betti1", "betti2", "euler", "splits", "merges", "neuron_splits", "neuron_merges")

_EXPLANATION = f"""\
Reads {FORMATS_READ}.
Files are matched by their names without suffix, wherever they are below PRED and LABEL, or, if names are not unique
there, with the folders that they are in; two files are matched as they are. Axes are in the order in which MONAI loads
and saves them: x first; those of .npy are taken as they are.

what values mean:
  by default                   a voxel is foreground if it is not 0; a file with several ids besides 0 is scored as one
                               mask all the same, and there is a warning
  --num-classes N              values are classes, 0 to N - 1, of which 0 is background: a row for each other one
  --instances                  values are ids of objects, for voi, are and all below them; other metrics see masks, and
                               their columns say so: dice(mask)
  --ignore-index V             voxels where the label has the value V count for nothing, in any metric

metrics:
  dice                         overlap
  cldice, tprec, tsens         centreline Dice, its topology precision and sensitivity
  betti, betti0/1/2, euler     errors of the numbers of components, tunnels and cavities, summed or each; of the Euler
                               characteristic
  splits, merges               how many mistakes split or merge objects
  voi, voi_split, voi_merge    variation of information in bits, and its parts
  are                          adapted Rand error
  f1, pq                       of objects that match, by more than half of their union; panoptic quality
  nerl, erl                    expected run length along the skeletons of the label's objects, normalised or not
  correct_edges, split_edges, omitted_edges, merged_edges
                               shares of the edges of these skeletons
  neuron_splits                into how many more pieces the segments cut them
  neuron_merges                how many segments of an object hold another one too, for all objects together
An empty label has none of those but betti, euler, splits and merges, an image no betti2: "nan", and left out of the
means.

skeletons and lengths:
  Lengths are in the units of the label's affine, of --spacing, or voxels. The centreline Dice counts voxels, as
  published; with --units mm it measures lengths instead, for which one of the first two is needed. With --swc FOLDER,
  skeletons are those of FOLDER/CASE.swc, or of all .swc files in FOLDER/CASE, one object each: x, y and z along the
  axes of the label, from the centre of its first voxel on, in the same units.

orientation of files that have an affine:
  If the axes of a prediction run otherwise than those of its label, they are swapped and flipped, which loses nothing.
  If the two do not lie at the same place then, or one is rotated, the case fails; --no-strict compares them voxel by
  voxel. Other spacing or another origin is only mentioned. Shapes have to be the same in any case.

output:
  The table ends with mean and standard deviation, of each class. Warnings are in its column "note", and on the standard
  error output, as are cases that failed; their number is beside the mean. --csv has the same rows, with columns "note"
  and "error", and a row for each case that failed. Control characters in names are escaped, and a text that a
  spreadsheet would run as a formula begins with an apostrophe there.

{EXPLANATION}\
  --jobs is how many threads then. With --csv OUT, what is done of chunks is kept beside it, in .OUT.partial, until the
  command has succeeded: a run that was cut goes on. Skeletons of a label's objects are not traced: pass --swc.

{RULE}

exit status: 0, or 1 if a case failed or had no counterpart, or 2 for a wrong usage, or 130 if interrupted
"""


def add_to(commands: Any) -> None:
    """Add the command to others."""
    parser = commands.add_parser(
        "evaluate",
        help="compare predictions with labels",
        description="Compare segmentations with labels, and print a table.",
        epilog=_EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--pred", type=as_place, required=True, help="file or folder of predictions")
    add("--label", type=as_place, required=True, help="file or folder of labels")
    names = f"of {' '.join(METRICS)}; default: {' '.join(_DEFAULT)}, with --instances {' '.join(_DEFAULT_OF_OBJECTS)}"
    add("--metrics", nargs="+", choices=METRICS, metavar="NAME", help=names)
    add("--csv", type=Path, metavar="OUT", help="write the table there, too")
    add("--num-classes", type=int, metavar="N", help="values are classes, 0 to N - 1, of which 0 is background")
    add("--instances", action="store_true", help="values are ids of objects; metrics of masks see masks")
    add("--ignore-index", type=int, metavar="V", help="voxels where the label has this value count for nothing")
    add("--connectivity", type=int, metavar="K", help="how many axes neighbours may differ in; default: all")
    add("--spacing", type=float, nargs="+", metavar="MM", help="size of a voxel along each axis, or one for all")
    add("--units", choices=UNITS, default=UNITS[0], help="of centrelines: count voxels, or measure them in mm")
    add("--swc", type=Path, metavar="FOLDER", help="skeletons of each case's true objects; default: those of the label")
    add("--patch-size", type=int, metavar="P", help="compare Betti numbers on patches, and take the mean")
    add(
        "--strict",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="refuse a prediction whose orientation is not that of its label, and cannot be made so",
    )
    add("--jobs", type=int, metavar="J", help="compare so many cases at once; default: 1")
    add_options_of_stores(parser)
    add("--pred-postfix", default="", metavar="TEXT", help="take predictions whose names end so, and drop it")
    add("--label-postfix", default="", metavar="TEXT", help="likewise of labels, for example _1stHO")
    parser.set_defaults(run=partial(run, parser))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Evaluate; return the exit status."""
    try:
        _check(options)
        cases, problems = match(options.pred, options.label, options.pred_postfix, options.label_postfix)
    except UsageError as error:
        parser.error(str(error))
    settings = _settings_of(options)
    has_stores = any(is_store(place) for case in cases for place in case[1:])
    values = _columns(settings)
    columns = ["case", *(["class"] if settings.num_classes else []), *values, "note", "error"]
    with ExitStack() as stack:
        try:
            check_table("--csv", options.csv, (place for case in cases for place in case[1:]))
            stack.enter_context(running(options, has_stores=has_stores))
            table = stack.enter_context(CsvTable(options.csv, columns))
        except UsageError as error:
            parser.error(str(error))
        except OSError as error:
            parser.error(f"--csv cannot be written: {error}")
        for name, reason in problems.items():
            _report(name, Outcome([], [], reason), table)
        jobs = 1 if has_stores else options.jobs or 1
        rows, failed = _compare(settings, [Case(*case) for case in cases], jobs, table)
        failed += len(problems)
        table.write(summarize(rows, failed))
    print_table(rows, values, [name for name in values if name.removesuffix("(mask)") in _COUNTS], failed)
    if settings.scratch is not None and not failed:
        shutil.rmtree(settings.scratch, ignore_errors=True)
    if failed:
        complain(f"{failed} of {len(cases) + len(problems)} cases failed.")
    return int(failed > 0)


def _check(options: argparse.Namespace) -> None:
    for name, minimum in (("num_classes", 2), ("patch_size", 1), ("connectivity", 1), ("jobs", 1)):
        value = getattr(options, name)
        if value is not None and value < minimum:
            raise UsageError(f"--{name.replace('_', '-')} must be at least {minimum}, got {value}")
    if options.connectivity is not None and options.connectivity > 3:
        raise UsageError(f"--connectivity must be at most 3, got {options.connectivity}")
    if options.num_classes is not None and options.instances:
        raise UsageError("--num-classes and --instances exclude each other")
    if options.spacing is not None and not all(0 < size < math.inf for size in options.spacing):
        raise UsageError(f"--spacing must be positive, got {' '.join(map(str, options.spacing))}")
    if options.swc is not None and options.num_classes is not None:
        raise UsageError("--swc and --num-classes exclude each other: skeletons are of no class")
    if options.swc is not None and not options.swc.is_dir():
        raise UsageError(f"--swc must be a folder, got {options.swc}")
    if options.ignore_index == 0:
        raise UsageError("--ignore-index must not be 0, which is the background")


def _settings_of(options: argparse.Namespace) -> Settings:
    return Settings(
        metrics=tuple(dict.fromkeys(options.metrics or (_DEFAULT_OF_OBJECTS if options.instances else _DEFAULT))),
        num_classes=options.num_classes,
        instances=options.instances,
        ignore_index=options.ignore_index,
        connectivity=options.connectivity,
        patch_size=options.patch_size,
        strict=options.strict,
        swc=options.swc,
        spacing=None if options.spacing is None else tuple(options.spacing),
        chunks=options.chunks,
        in_units=options.units != UNITS[0],
        scratch=_beside(options.csv),
    )


def _beside(path: Path | None) -> Path | None:
    """Return a hidden folder beside a file, unless that is a device or a pipe, or nothing can be put there."""
    if path is None or not (path.is_file() or not path.exists()) or not os.access(path.parent, os.W_OK):
        return None
    return path.with_name(f".{path.name}.partial")


def _columns(settings: Settings) -> list[str]:
    """Name the columns of values; where ids are those of objects, metrics of masks say that they are."""
    is_mixed = settings.instances
    return [f"{name}(mask)" if is_mixed and name not in OF_OBJECTS else name for name in settings.metrics]


def _compare(settings: Settings, cases: Sequence[Case], jobs: int, table: CsvTable) -> tuple[list[Row], int]:
    """Evaluate cases, and write them as they come; return their rows, and how many failed."""
    outcomes = map_in_order(partial(evaluate_case, settings), cases, jobs, _died)
    rows: list[Row] = []
    failed = 0
    for case, outcome in zip(progress(cases, "evaluate"), outcomes, strict=True):
        _report(case.name, outcome, table)
        rows += outcome.rows
        failed += bool(outcome.error)
    return rows, failed


def _died(how: str) -> Outcome:
    return Outcome([], [], f"its process ended {how}")


def _report(name: str, outcome: Outcome, table: CsvTable) -> None:
    """Write a case to the table, and complain of what is wrong with it."""
    for note in outcome.notes:
        complain(f"warning: {name}: {note}")
    if outcome.error:
        complain(f"error: {name}: {outcome.error}")
        table.write_problem(name, "; ".join(outcome.notes), outcome.error)
    table.write(outcome.rows)
