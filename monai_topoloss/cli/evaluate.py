"""The command ``evaluate``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.metrics import compute_dice
from monai.networks import one_hot
from torch import Tensor

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.tensors import check_same_shape, check_tensor
from monai_topoloss.cli.files import UsageError, complain, progress, read_label, run_or_complain
from monai_topoloss.cli.folders import FORMATS_READ, RULE
from monai_topoloss.cli.matching import match
from monai_topoloss.cli.table import CsvTable, Row, print_table
from monai_topoloss.metrics import (
    compute_adapted_rand_error,
    compute_betti_error,
    compute_centerline_dice,
    compute_critical_error,
    compute_variation_of_information,
)

_VOI, _ARE = compute_variation_of_information, compute_adapted_rand_error

METRICS: dict[str, Callable[..., Tensor]] = {
    "dice": compute_dice,
    "cldice": compute_centerline_dice,
    "tprec": partial(compute_centerline_dice, score="precision"),
    "tsens": partial(compute_centerline_dice, score="sensitivity"),
    "betti": compute_betti_error,
    "betti0": partial(compute_betti_error, kind=0),
    "betti1": partial(compute_betti_error, kind=1),
    "betti2": partial(compute_betti_error, kind=2),
    "euler": partial(compute_betti_error, kind="euler"),
    "splits": compute_critical_error,
    "merges": partial(compute_critical_error, kind="merges"),
    "voi": _VOI,
    "voi_split": partial(_VOI, score="split"),
    "voi_merge": partial(_VOI, score="merge"),
    "are": _ARE,
}
_DEFAULT = ("dice", "cldice", "betti", "splits", "merges")
_OF_BETTI = ("betti", "betti0", "betti1", "betti2", "euler")
_COUNTS = (*_OF_BETTI, "splits", "merges")
_OF_OBJECTS = ("voi", "voi_split", "voi_merge", "are")
_WITHOUT_CONNECTIVITY = ("dice", "cldice", "tprec", "tsens")

_EXPLANATION = f"""\
Reads {FORMATS_READ}.
Files are matched by their names without suffix, wherever they are below PRED and LABEL, or, if names are not unique
there, with the folders that they are in; two files are matched as they are. Axes are in the order in which MONAI loads
and saves them: x first; those of .npy are taken as they are. A voxel is foreground if it is not 0, unless
--num-classes says that values are classes.

metrics:
  dice                         overlap
  cldice, tprec, tsens         centreline Dice, its topology precision and sensitivity
  betti, betti0/1/2, euler     errors of the numbers of components, tunnels and cavities, summed or each; of the Euler
                               characteristic
  splits, merges               how many mistakes split or merge objects
  voi, voi_split, voi_merge    variation of information in bits, and its parts
  are                          adapted Rand error
An empty label has no dice, cldice, voi and are: "nan", and left out of the means.

{RULE}

exit status: 0, or 1 if a case failed or had no counterpart, or 2 for a wrong usage
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
    add("--pred", type=Path, required=True, help="file or folder of predictions")
    add("--label", type=Path, required=True, help="file or folder of labels")
    add("--metrics", nargs="+", choices=METRICS, default=list(_DEFAULT), metavar="NAME", help=" ".join(METRICS))
    add("--csv", type=Path, metavar="OUT", help="write the table there, too")
    add("--num-classes", type=int, metavar="N", help="values are classes, 0 to N - 1, of which 0 is background")
    add(
        "--instances",
        action="store_true",
        help="values are ids, for voi and are; other metrics see masks",
    )
    add("--connectivity", type=int, metavar="K", help="how many axes neighbours may differ in; default: all")
    add("--patch-size", type=int, metavar="P", help="compare Betti numbers on patches, and take the mean")
    add("--pred-postfix", default="", metavar="TEXT", help="take predictions whose names end so, and drop it")
    add("--label-postfix", default="", metavar="TEXT", help="likewise of labels, for example _1stHO")
    parser.set_defaults(run=partial(run, parser))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Evaluate; return the exit status."""
    try:
        cases, problems = match(options.pred, options.label, options.pred_postfix, options.label_postfix)
        _check(options)
    except UsageError as error:
        parser.error(str(error))
    columns = ["case", *(["class"] if options.num_classes else []), *options.metrics, "error"]
    try:
        table = CsvTable(options.csv, columns)
    except OSError as error:
        parser.error(f"--csv cannot be written: {error}")
    with table:
        for name, reason in problems.items():
            complain(f"error: {name}: {reason}")
            table.write_problem(name, reason)
        rows: list[Row] = []
        for name, pred, label in progress(cases, "evaluate"):
            case: list[Row] = []
            reason = run_or_complain(partial(_evaluate_into, case, name, pred, label, options), name)
            if reason:
                problems[name] = reason
                table.write_problem(name, reason)
            table.write(case)
            rows += case
    print_table(rows, options.metrics, _COUNTS)
    if problems:
        complain(f"{len(problems)} of {len(cases) + len(problems.keys() - {case[0] for case in cases})} cases failed.")
    return int(bool(problems))


def _check(options: argparse.Namespace) -> None:
    if options.num_classes is not None and options.num_classes < 2:
        raise UsageError(f"--num-classes must be at least 2, got {options.num_classes}")
    if options.num_classes is not None and options.instances:
        raise UsageError("--num-classes and --instances exclude each other")
    if options.patch_size is not None and options.patch_size < 1:
        raise UsageError(f"--patch-size must be at least 1, got {options.patch_size}")


def _evaluate_into(rows: list[Row], *case: Any) -> None:
    rows.extend(evaluate(*case))


def evaluate(name: str, pred: Path, label: Path, options: argparse.Namespace) -> list[Row]:
    """Compute the metrics of a case: one row, or one for each class but the background."""
    images = [read_label(path) for path in (pred, label)]
    check_same_shape("prediction", images[0], images[1], "label")
    are_placed = all("original_affine" in image.meta for image in images)  # as in NIfTI files
    if are_placed and not torch.allclose(images[0].affine, images[1].affine, atol=1e-3):
        complain(f"warning: {name}: prediction and label have different affines")
    classes, ids = options.num_classes, []
    for kind, image in zip(("prediction", "label"), images, strict=True):
        ids.append(check_tensor(kind, image)[None, None])
        check_class_ids(kind, ids[-1], num_classes=classes)
    masks = [(image != 0).float() if classes is None else one_hot(image, classes)[:, 1:] for image in ids]
    values = [_compute(metric, masks, ids, options) for metric in options.metrics]
    columns = torch.stack(values, dim=1).tolist()
    return [Row(name, None if classes is None else k, column) for k, column in enumerate(columns, start=1)]


def _compute(metric: str, masks: Sequence[Tensor], ids: Sequence[Tensor], options: argparse.Namespace) -> Tensor:
    """Return the metric of each class."""
    arguments: dict[str, Any] = {"include_background": True}
    if metric not in _WITHOUT_CONNECTIVITY:
        arguments["connectivity"] = options.connectivity
    if metric in _OF_BETTI:
        arguments["patch_size"] = options.patch_size
    if metric in _OF_OBJECTS and options.instances:
        masks, arguments["instances"] = ids, True
    if metric == "betti2" and masks[0].ndim == 4:
        return torch.full((masks[0].shape[1],), torch.nan)  # images have no cavities
    return METRICS[metric](*masks, **arguments)[0]
