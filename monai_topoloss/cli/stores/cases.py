"""One case of ``evaluate`` of which a prediction or label is a Zarr store, compared chunk by chunk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss import __version__
from monai_topoloss._checks.cases import (
    check_case_connectivity,
    check_case_ids,
    check_case_shapes,
    check_case_spacing,
)
from monai_topoloss.chunked._scratch import keep_in
from monai_topoloss.chunked._tasks import Tasks, da
from monai_topoloss.chunked._volumes import as_volume, for_each
from monai_topoloss.cli.cases import SEVERAL, Case, Settings, check_units, compare, skeletons_of
from monai_topoloss.cli.places import Place, Url, is_store
from monai_topoloss.cli.stores.pairs import PairInChunks, take
from monai_topoloss.cli.stores.reading import Stored, read_store
from monai_topoloss.cli.stores.scheduling import compute
from monai_topoloss.topology.skeleton_scores import leave_out, look_up


def evaluate_in_chunks(settings: Settings, case: Case, notes: list[str]) -> Iterator[tuple[int | None, list[float]]]:
    """Yield the metrics of a case, or the number and the metrics of each class; add what is worth mentioning."""
    if is_store(case.label):
        stored = read_store(case.label, settings.chunks)
        other = read_store(case.prediction, blocks=stored.array.chunksize)
    else:  # a file has no chunks of its own
        other = read_store(case.prediction, settings.chunks)
        stored = read_store(case.label, blocks=other.array.chunksize)
    check_case_connectivity(settings.connectivity, stored.array.ndim)
    check_case_shapes(other.array.shape, stored.array.shape)
    _compare_places(other, stored, notes)
    fingerprint = json.dumps(
        [__version__, repr(settings._replace(scratch=None)), *(describe(each) for each in (other, stored))]
    )
    folder = settings.scratch and settings.scratch.absolute() / hashlib.sha256(case.name.encode()).hexdigest()[:16]
    with keep_in(folder, fingerprint) as goes_on:
        if goes_on:
            notes.append("goes on where it was cut")
        yield from _evaluate(settings, case, stored, other, notes)


def _evaluate(
    settings: Settings, case: Case, stored: Stored, other: Stored, notes: list[str]
) -> Iterator[tuple[int | None, list[float]]]:
    counts = None
    label, prediction = stored.array, other.array
    if settings.ignore_index is not None:
        counts = label != settings.ignore_index
        label, prediction = (da.where(counts, each, np.zeros((), each.dtype)) for each in (label, prediction))
    if settings.num_classes is None and not settings.instances and _hold_several(prediction, label):
        notes.append(SEVERAL)
    label, prediction = (_take(kind, each, settings) for kind, each in (("label", label), ("prediction", prediction)))
    spacing = check_case_spacing(settings.spacing, label.ndim) or stored.spacing
    check_units(settings, spacing)
    skeletons = skeletons_of(settings, case.name, label.ndim)
    if skeletons is not None and counts is not None:
        skeletons = leave_out(skeletons, look_up(~counts, skeletons, spacing, take) != 0)
    options = {"counts": counts, "spacing": spacing, "skeletons": skeletons}
    yield from compare(PairInChunks, prediction, label, settings, **options)


def _compare_places(prediction: Stored, label: Stored, notes: list[str]) -> None:
    """Add what is worth mentioning of where both are, and of how they are stored."""
    if prediction.spacing and label.spacing and not np.allclose(prediction.spacing, label.spacing):
        notes.append("prediction and label have different spacing")
    blocks = label.array.chunksize
    stored = prediction.turn(prediction.shards or prediction.chunks)
    if prediction.picture is None and any(
        block % size and block < n for block, size, n in zip(blocks, stored, label.array.shape, strict=True)
    ):
        notes.append(
            f"prediction in other chunks than the label: blocks of {_times(blocks)} are compared, and cut its chunks,"
            f" {_times(stored)}, which are read more than once"
        )


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _take(kind: str, array: Any, settings: Settings) -> Any:
    """Return what is to be compared of an array, which is checked when it is computed."""
    if settings.num_classes is not None:
        dtype = np.min_scalar_type(settings.num_classes)
    elif settings.instances:
        dtype = np.dtype(np.int32 if array.dtype.itemsize < 4 or array.dtype == np.int32 else np.int64)
    else:
        dtype = np.dtype(bool)
    options = {"kind": kind, "num_classes": settings.num_classes, "to": dtype}
    return array.map_blocks(_check_block, **options, meta=np.empty((0,) * array.ndim, dtype))


def _check_block(block: NDArray[Any], *, kind: str, num_classes: int | None, to: Any) -> NDArray[Any]:
    check_case_ids(kind, block, num_classes=num_classes)
    return block.astype(to)


def _hold_several(*arrays: Any) -> bool:
    """Say whether one of the arrays holds several ids besides 0."""
    for array in arrays:
        if array.dtype != np.bool_:
            volume = as_volume("array", array)
            tasks = Tasks(volume.array)
            blocks = for_each(tasks, _find_range, volume, keep=True)
            lowest, highest = compute(tasks.collection(tasks.add(_widest, list(blocks.values()))))[0]
            if lowest < highest:
                return True
    return False


def _find_range(block: NDArray[Any]) -> tuple[float, float]:
    """Return the lowest value of a block besides 0, and the highest; whole numbers as int, which holds any."""
    some = block[block != 0]
    return (some.min().item(), some.max().item()) if some.size else (np.inf, -np.inf)


def _widest(ranges: list[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def describe(stored: Stored) -> str:
    """Return what says whether a label is the same as before: how it is read, and when it was written, if known."""
    array = stored.array
    layout = [str(array.dtype), array.shape, stored.order, stored.ome, stored.chunks, stored.shards]
    return json.dumps([_describe_files(stored.place), *layout])


def _describe_files(place: Place) -> str:
    if isinstance(place, Url):
        return place
    place = place.resolve()
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    newest = max((path.stat().st_mtime_ns for path in files), default=0)
    return json.dumps([str(place), len(files), newest])
