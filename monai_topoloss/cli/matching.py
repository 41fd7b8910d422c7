"""Matching predictions and labels by their names."""

from __future__ import annotations

from pathlib import Path

from monai_topoloss.cli.files import UsageError, check_path, find_images, stem_of


def match(
    pred: Path, label: Path, pred_postfix: str = "", label_postfix: str = ""
) -> tuple[list[tuple[str, Path, Path]], dict[str, str]]:
    """Match predictions and labels by their names.

    Returns:
        The cases: name, prediction, label; and names without counterpart with what is wrong.

    Raises:
        UsageError: if there is nothing to match.
    """
    check_path(pred)
    check_path(label)
    if pred.is_file() != label.is_file():
        raise UsageError(f"--pred and --label must be two files or two folders, got {pred} and {label}")
    if pred.is_file():
        return [(stem_of(pred), pred, label)], {}
    predictions, labels = _find(pred, pred_postfix), _find(label, label_postfix)
    by_stem = all(len(set(map(_stem, found))) == len(found) for found in (predictions, labels))
    by_name = [_group(found, by_stem=by_stem) for found in (predictions, labels)]
    cases, problems = [], {}
    for name in sorted(by_name[0].keys() | by_name[1].keys()):
        found, true = (group.get(name, []) for group in by_name)
        if len(found) == len(true) == 1:
            cases.append((name, found[0], true[0]))
        elif not (found and true):
            problems[name] = f"{'prediction' if found else 'label'} {(found + true)[0]} has no counterpart"
        else:
            problems[name] = f"several files of that name: {', '.join(map(str, found + true))}"
    if not cases:
        raise UsageError(f"no name in {pred} is one in {label}: {next(iter(problems.values()))}")
    return cases, problems


def _find(folder: Path, postfix: str) -> list[tuple[Path, str]]:
    """List images with that postfix, and their names below the folder without it."""
    images = []
    for path in find_images(folder):
        if stem_of(path).endswith(postfix):
            name = path.relative_to(folder).with_name(stem_of(path).removesuffix(postfix) or postfix)
            images.append((path, name.as_posix()))
    if not images:
        raise UsageError(f"no images{' ending in ' + postfix if postfix else ''} in {folder}")
    return images


def _stem(image: tuple[Path, str]) -> str:
    return Path(image[1]).name


def _group(images: list[tuple[Path, str]], *, by_stem: bool) -> dict[str, list[Path]]:
    """Group images by their stems, or by their names."""
    groups: dict[str, list[Path]] = {}
    for image in images:
        groups.setdefault(_stem(image) if by_stem else image[1], []).append(image[0])
    return groups
