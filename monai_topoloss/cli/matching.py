"""Matching predictions and labels by their names."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from monai_topoloss.cli.files import UsageError, check_place, printable
from monai_topoloss.cli.folders import find_images
from monai_topoloss.cli.places import Place, Url, is_image, name_of

_Named = list[tuple[str, Path]]


class _Side(NamedTuple):
    """Images of predictions or of labels, and what is left out with the reasons; all with their names."""

    images: _Named
    left_out: list[tuple[str, Path, str]]


def match(
    pred: Place, label: Place, pred_postfix: str = "", label_postfix: str = ""
) -> tuple[list[tuple[str, Place, Place]], dict[str, str]]:
    """Match predictions and labels by their names.

    Returns:
        The cases: name, prediction, label; and names of what is no case with what is wrong. All can be printed.

    Raises:
        UsageError: if there is nothing to match.
    """
    check_place(pred)
    check_place(label)
    if is_image(pred) != is_image(label):
        raise UsageError(f"--pred and --label must be two images or two folders of them, got {pred} and {label}")
    if is_image(pred) or isinstance(pred, Url) or isinstance(label, Url):
        return [(printable(name_of(pred)), pred, label)], {}
    sides = _find(pred, pred_postfix), _find(label, label_postfix)
    by_stem = all(len({_stem(name) for name, _ in side.images}) == len(side.images) for side in sides)
    groups = [_group(side.images, by_stem=by_stem) for side in sides]
    cases, problems = [], {}
    for name in sorted(groups[0].keys() | groups[1].keys()):
        found, true = (group.get(name, []) for group in groups)
        if len(found) == len(true) == 1:
            cases.append((name, found[0], true[0]))
        elif not (found and true):
            problems[name] = f"{'prediction' if found else 'label'} {(found + true)[0]} has no counterpart"
        else:
            problems[name] = f"several files of that name: {', '.join(map(str, found + true))}"
    names = {name for name, _, _ in cases}
    for name, path, reason in (entry for side in sides for entry in side.left_out):
        short = _stem(name) if by_stem else name
        key = f"{short}{path.suffix}" if short in names else short
        reasons = [problems[key]] if key in problems else []
        problems[key] = "; ".join([*reasons, f"{path} is left out: {reason}"])
    if not cases:
        raise UsageError(f"no name in {pred} is one in {label}: {next(iter(problems.values()))}")
    return (
        [(printable(name), found, true) for name, found, true in cases],
        {printable(name): printable(reason) for name, reason in problems.items()},
    )


def _find(folder: Path, postfix: str) -> _Side:
    """Find what has that postfix in a folder, with names below the folder without it."""
    found = find_images(folder)
    images = [(_name(path, folder, postfix), path) for path in found.images if name_of(path).endswith(postfix)]
    left_out = [
        (_name(path, folder, postfix), path, reason)
        for path, reason in found.left_out.items()
        if path.is_dir() or name_of(path).endswith(postfix)
    ]
    if not images:
        reason = f": {left_out[0][1]} is left out: {left_out[0][2]}" if left_out else ""
        raise UsageError(f"no images{' ending in ' + postfix if postfix else ''} in {folder}{reason}")
    return _Side(images, left_out)


def _name(path: Path, folder: Path, postfix: str) -> str:
    """Return the name of a file below a folder; one of which nothing is left has its folder's."""
    place = path.relative_to(folder).parent
    stem = name_of(path).removesuffix(postfix)
    return (place / stem).as_posix() if stem else place.as_posix()


def _stem(name: str) -> str:
    return name.rpartition("/")[2]


def _group(images: _Named, *, by_stem: bool) -> dict[str, list[Path]]:
    """Group images by their stems, or by their names."""
    groups: dict[str, list[Path]] = {}
    for name, path in images:
        groups.setdefault(_stem(name) if by_stem else name, []).append(path)
    return groups
