"""What of the mistakes in blocks splits or merges objects: functions of NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.labels import check_class_ids
from monai_topoloss._checks.tensors import check_tensor
from monai_topoloss._labels import has_id
from monai_topoloss.backends.cpu.critical import binary_keys
from monai_topoloss.backends.cpu.mistakes import Mistakes, find_mistakes, label, label_face, list_firsts
from monai_topoloss.backends.cpu.mistakes import mark as mark_critical
from monai_topoloss.chunked._seams import Faces, Joined, find_components, nodes_of, take_faces
from monai_topoloss.chunked._tasks import da
from monai_topoloss.chunked._volumes import Volume
from monai_topoloss.topology._items import as_ids

MakeKeys = Callable[..., tuple[NDArray[Any], NDArray[Any]]]  # of blocks: keys, and kinds of mistakes


class Values(NamedTuple):
    """Which values besides 0 a block has: none, if the lowest is above the highest."""

    lowest: int
    highest: int


class Rule(NamedTuple):
    """What is connected with what."""

    object_connectivity: int
    mistake_connectivity: int
    as_released: bool = False  # what remains of objects does not tell them apart

    def find(self, keys: NDArray[Any]) -> Mistakes:
        """Find mistakes and remainders."""
        return find_mistakes(keys, self.object_connectivity, self.mistake_connectivity, as_released=self.as_released)

    def join(self, keys: NDArray[Any]) -> tuple[NDArray[np.int32], int, NDArray[np.int64]]:
        """Label them; return how many there are, and pairs of a mistake and a remainder of its object, too."""
        found = self.find(keys)
        return label(found), found.n_components, found.touching


class Survey(NamedTuple):
    """What is kept of a block, besides its faces."""

    kinds: NDArray[np.int64]  # of each component, -1 for a remainder
    touching: NDArray[np.int64]  # pairs of nodes: mistakes, and remainders of their object


def read(name: str, volume: Volume, truth: Volume, num_classes: int | None, ignore_index: int | None) -> Volume:
    """Return a volume with checked ids, 0 where the truth is ignored."""
    options: dict[str, Any] = {"argument": name, "num_classes": num_classes, "ignore_index": ignore_index}
    meta = _read(np.zeros((0, 0, 0), volume.array.dtype), np.zeros((0, 0, 0), truth.array.dtype), **options)
    return volume._replace(array=da.map_blocks(_read, volume.array, truth.array, meta=meta, **options))


def _read(
    ids: NDArray[Any], target: NDArray[Any], *, argument: str, num_classes: int | None, ignore_index: int | None
) -> NDArray[Any]:
    tensor = check_tensor(argument, ids)
    if ignore_index is not None:
        tensor = tensor.masked_fill(has_id(check_tensor("target", target), ignore_index), 0)
    check_class_ids(argument, tensor, num_classes=num_classes)
    return as_ids(tensor).numpy()


def list_values(ids: NDArray[Any]) -> Values:
    """Return the lowest and the highest id besides 0."""
    present = ids[ids != 0]
    return Values(int(present.min()), int(present.max())) if present.size else Values(1, 0)


def is_mask(values: Sequence[Values]) -> bool:
    """Whether there is at most one id besides 0 in all blocks together."""
    ids = {each for one in values if one.lowest <= one.highest for each in one}
    return len(ids) <= 1


def pair_keys(input: NDArray[Any], target: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return keys of two masks; each is its kind."""
    keys = binary_keys(np.ascontiguousarray(input), np.ascontiguousarray(target))
    return keys, keys


def object_keys(
    as_mask: bool,
    reference: NDArray[Any],
    other: NDArray[Any],
    objects: NDArray[Any] | None = None,
    *,
    num_classes: int | None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return keys of what the other misses of the objects of a reference, and as kind the class.

    Args:
        as_mask: ids of the reference are one foreground.
        reference: ids.
        other: ids.
        objects: numbers of the reference's components, to tell apart those of masks and classes.
        num_classes: ids are classes.
    """
    mistakes = reference != 0
    mistakes &= (other == 0) if num_classes is None else (other != reference)
    ids = reference != 0 if as_mask else reference
    if objects is not None and (as_mask or num_classes is not None):
        ids = objects
    small = ids.dtype == np.bool_ or int(ids.max(initial=0)) <= 63
    keys = np.left_shift(ids, 1, dtype=np.uint8 if small else np.int64, casting="unsafe")
    return keys | mistakes, reference if num_classes is not None else np.zeros_like(keys)


def survey(rule: Rule, *blocks: Any, make: MakeKeys, index: int) -> tuple[int, Faces, Survey]:
    """Label a block; return how many components there are, its faces, and what else is kept of it.

    Args:
        rule: what is connected.
        blocks: what keys are made of.
        make: makes them.
        index: number of the block.
    """
    keys, kinds = make(*blocks)
    found = rule.find(keys)
    firsts = list_firsts(found)
    is_mistake = keys.reshape(-1)[firsts] & 1 != 0
    of_components = np.where(is_mistake, kinds.reshape(-1)[firsts].astype(np.int64), -1)
    faces = take_faces(keys, partial(label_face, found))
    return found.n_components, faces, Survey(of_components, nodes_of(index, found.touching))


def judge(joined: Sequence[Joined], *, n_kinds: int) -> tuple[list[NDArray[np.bool_]], NDArray[np.int64]]:
    """Return which components are critical, for each block, and how many of each kind there are."""
    counts, _, surveys = zip(*(each.survey for each in joined), strict=True)
    joins = [each.joins for each in joined]
    roots = find_components(counts, joins)
    pairs = [*(each.touching for each in surveys), *(each.touching for each in joins)]
    touching = np.unique(roots.root[roots.places(np.concatenate([np.zeros((0, 2), np.int64), *pairs]))], axis=0)
    touched = np.bincount(touching[:, 0], minlength=len(roots.root))
    kinds = np.concatenate([each.kinds for each in surveys])
    critical = (kinds >= 0) & (touched[roots.root] != 1)
    is_root = roots.root == np.arange(len(roots.root))
    numbers = np.bincount(kinds[critical & is_root], minlength=n_kinds)
    return np.split(critical, roots.begins[1:-1]), numbers


def table_of(judged: tuple[list[NDArray[np.bool_]], NDArray[np.int64]], *, block: int) -> NDArray[np.bool_]:
    """Return which components of a block are critical."""
    return judged[0][block]


def number_of(judged: tuple[list[NDArray[np.bool_]], NDArray[np.int64]], *, kinds: Any) -> Any:
    """Return how many critical components there are of some kinds."""
    return judged[1][kinds]


def make_rule(as_mask: bool, *, rule: Rule, num_classes: int | None) -> Rule:
    """Return a rule that, for instances of mixed connectivity, is that of the code released with the paper."""
    mixed = rule.object_connectivity != rule.mistake_connectivity
    return rule._replace(as_released=mixed and num_classes is None and not as_mask)


def mark(
    rule: Rule, is_critical: NDArray[np.bool_], *blocks: Any, make: MakeKeys
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mark the critical mistakes of a block: what is missed, and in keys of two masks, what is invented."""
    keys, _ = make(*blocks)
    missed, invented = np.zeros(keys.shape, np.bool_), np.zeros(keys.shape, np.bool_)
    mark_critical(rule.find(keys), is_critical, missed, invented)
    return missed, invented
