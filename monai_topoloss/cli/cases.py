"""One case of ``evaluate``: a prediction and a label are read, brought together, checked and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from monai_topoloss._checks.cases import (
    check_case_connectivity,
    check_case_ids,
    check_case_shapes,
    check_case_spacing,
)
from monai_topoloss._checks.graphs import check_skeletons
from monai_topoloss.cli.files import read_picture
from monai_topoloss.cli.pairs import Mask, Pair
from monai_topoloss.cli.placement import Affine, bring_together, spacing_of
from monai_topoloss.cli.places import Place, is_store, need_stores
from monai_topoloss.cli.scores import OF_NEURONS, Counts, compute_scores
from monai_topoloss.cli.table import Row
from monai_topoloss.datasets.swc import read_swc
from monai_topoloss.topology.skeleton_scores import leave_out, look_up
from monai_topoloss.topology.skeleton_trees import Skeletons

SEVERAL = "several ids scored as one mask, see --num-classes and --instances"


class Settings(NamedTuple):
    """What to compute, as the options say it."""

    metrics: tuple[str, ...]
    num_classes: int | None
    instances: bool
    ignore_index: int | None
    connectivity: int | None
    patch_size: int | None
    strict: bool
    swc: Path | None
    spacing: tuple[float, ...] | None
    chunks: int | None = None  # voxels a side of what is read at once, of Zarr stores
    in_units: bool = False  # measure centrelines in those of the spacing
    scratch: Path | None = None  # where to keep what is done of these


class Case(NamedTuple):
    """A name, and the files to compare."""

    name: str
    prediction: Place
    label: Place


class Outcome(NamedTuple):
    """What came of a case: rows, what to mention of it, and what went wrong if anything did."""

    rows: list[Row]
    notes: list[str]
    error: str


def evaluate_case(settings: Settings, case: Case) -> Outcome:
    """Compute the metrics of a case: a row, or one for each class but the background."""
    notes: list[str] = []
    evaluate = _evaluate
    try:
        if is_store(case.prediction) or is_store(case.label):
            evaluate = need_stores("cases").evaluate_in_chunks
        values = list(evaluate(settings, case, notes))
    except Exception as error:  # noqa: BLE001 - whatever a broken file makes a library raise: the others still count
        return Outcome([], notes, " ".join(str(error).split()) or type(error).__name__)
    note = "; ".join(notes)
    return Outcome([Row(case.name, of_class, scores, note) for of_class, scores in values], notes, "")


def _evaluate(settings: Settings, case: Case, notes: list[str]) -> Iterator[tuple[int | None, list[float]]]:
    # Of each file, what is needed is taken at once, and the rest is dropped: at most one is held as it was read.
    array, place = _read("label", Path(case.label), notes)
    check_case_connectivity(settings.connectivity, array.ndim)
    label, several, counts = _take("label", array, settings)
    del array
    array, other_place = _read("prediction", Path(case.prediction), notes)
    array = bring_together(array, other_place, label.shape, place, notes, strict=settings.strict)
    check_case_shapes(array.shape, label.shape)
    prediction, several_found, _ = _take("prediction", array, settings, counts)
    del array
    if several or several_found:
        notes.append(SEVERAL)
    spacing = check_case_spacing(settings.spacing, label.ndim) or spacing_of(place, label.ndim)
    check_units(settings, spacing)
    skeletons = skeletons_of(settings, case.name, label.ndim)
    if skeletons is not None and counts is not None:
        skeletons = leave_out(skeletons, look_up(~counts, skeletons, spacing) != 0)
    yield from compare(Pair, prediction, label, settings, counts=counts, spacing=spacing, skeletons=skeletons)


def check_units(settings: Settings, spacing: tuple[float, ...] | None) -> None:
    """Check that the size of voxels is known, if it is needed.

    Raises:
        ValueError: if it is not.
    """
    if settings.in_units and spacing is None:
        raise ValueError("--units mm takes the spacing of the label, which has none: pass --spacing")


def skeletons_of(settings: Settings, name: str, ndim: int) -> Skeletons | None:
    """Read the skeletons of a case if any are needed: a file of its name, or a folder of files."""
    if settings.swc is None or set(OF_NEURONS).isdisjoint(settings.metrics):
        return None
    path = settings.swc / name
    path = path if path.is_dir() else settings.swc / f"{name}.swc"
    return Skeletons(*check_skeletons(read_swc(path, order="xyz", spatial_dims=ndim), ndim))


def _read(kind: str, path: Path, notes: list[str]) -> tuple[NDArray[Any], Affine | None]:
    picture = read_picture(path)
    if picture.note:
        notes.append(f"{kind}: {picture.note}")
    return picture.array, picture.affine


def _take(
    kind: str, array: NDArray[Any], settings: Settings, counts: Mask | None = None
) -> tuple[NDArray[Any], bool, Mask | None]:
    """Return what is to be compared of an array, in C order.

    Also whether ids were told from each other in vain, and where voxels count, which the label decides.
    """
    if settings.ignore_index is not None:
        counts = _in_c_order(array != settings.ignore_index, bool) if counts is None else counts
        array = np.where(counts, array, np.zeros((), array.dtype))
    check_case_ids(kind, array, num_classes=settings.num_classes)
    highest = array.max(initial=0)
    if settings.num_classes is not None:
        return _in_c_order(array, np.min_scalar_type(settings.num_classes)), False, counts
    if settings.instances:
        return _in_c_order(array, np.int32 if highest < 2**31 else np.int64), False, counts
    mask = _in_c_order(array, bool)
    several = highest > 1 and np.count_nonzero(array == highest) < np.count_nonzero(mask)
    return mask, bool(several), counts


def _in_c_order(array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array in C order, with whole numbers in another dtype.

    NIfTI files hold x fastest. To turn that round costs more than most metrics, unless it is done in planes, each of
    which is read in the order of the memory, and fits into the cache.
    """
    if array.flags.c_contiguous:
        return array.astype(dtype, copy=False)
    turned = np.empty(array.shape, dtype)
    for index in range(array.shape[1]):
        turned[:, index] = array[:, index].copy(order="K")
    return turned


def compare(
    make: Callable[..., Counts], prediction: Any, label: Any, settings: Settings, **options: Any
) -> Iterator[tuple[int | None, list[float]]]:
    """Yield the metrics, or the number and the metrics of each class, of what is made of prediction and label."""
    options |= {"connectivity": settings.connectivity, "patch_size": settings.patch_size}
    options["in_units"] = settings.in_units
    if settings.num_classes is not None:
        for k in range(1, settings.num_classes):
            yield k, compute_scores(settings.metrics, make(prediction == k, label == k, **options))
    elif settings.instances:
        pair = make(prediction != 0, label != 0, instances=(prediction, label), **options)
        yield None, compute_scores(settings.metrics, pair)
    else:
        yield None, compute_scores(settings.metrics, make(prediction, label, **options))
