"""The command ``skeletonize``."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from monai_topoloss._checks.options import METHODS
from monai_topoloss.cli.files import (
    UsageError,
    check_path,
    complain,
    printable,
    progress,
    read_label,
    run_or_complain,
    write_label,
)
from monai_topoloss.cli.folders import FORMATS_READ, RULE, find_images
from monai_topoloss.cli.formats import suffix_of
from monai_topoloss.topology import tubed_skeleton

_EXPLANATION = f"""\
Reads and writes {FORMATS_READ}.
Between NIfTI, MetaImage and NRRD the place in space is kept. Axes are in the order in which MONAI loads and saves them:
x first; those of .npy are taken as they are.

{RULE}

exit status: 0, or 1 if a file failed or was left out, or 2 for a wrong usage
"""


def add_to(commands: Any) -> None:
    """Add the command to others."""
    parser = commands.add_parser(
        "skeletonize",
        help="skeletonize a label, or all in a folder",
        description="Write the skeletons of masks and label maps in their own values, formats and affines. Files in"
        " folders keep their names.",
        epilog=_EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, metavar="IN", help="file or folder; folders are searched with all below")
    parser.add_argument("output", type=Path, metavar="OUT", help="file or folder, likewise; files are overwritten")
    parser.add_argument("--radius", type=int, default=0, metavar="R", help="thicken to tubes of this radius in voxels")
    parser.add_argument("--method", choices=METHODS[2], help="of thinning; default: zhang in 2-D, lee in 3-D")
    parser.add_argument("--per-class", action="store_true", help="skeletonize each class on its own")
    parser.set_defaults(run=partial(run, parser))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Skeletonize files; return the exit status."""
    try:
        pairs, left_out = _pair(options.input, options.output)
    except UsageError as error:
        parser.error(str(error))
    if options.radius < 0:
        parser.error(f"--radius must be at least 0, got {options.radius}")
    for path, reason in left_out.items():
        complain(f"error: {path} is left out: {reason}")
    failed = len(left_out)
    for source, target in progress(pairs, "skeletonize"):
        failed += bool(run_or_complain(partial(_skeletonize, source, target, options), str(source)))
    number = len(pairs) + len(left_out)
    print(printable(f"Wrote {number - failed} of {number} skeletons to {options.output}."))
    return int(failed > 0)


def _pair(source: Path, target: Path) -> tuple[list[tuple[Path, Path]], dict[Path, str]]:
    """List files to read and to write, none of which is both; and files that are left out, with the reasons."""
    check_path(source)
    left_out: dict[Path, str] = {}
    if source.is_file():
        folder = target if target.is_dir() else None
        target = target / source.name if folder else target
        if not suffix_of(target):
            raise UsageError(f"OUT must be a folder or end like an image, got {target}")
        pairs = [(source, target)]
    else:
        folder = target
        if target.is_file():
            raise UsageError(f"IN is a folder, but OUT is a file: {target}")
        if any(place.exists() and place.samefile(source) for place in (target, *target.resolve().parents)):
            raise UsageError(f"OUT is within IN, and would be read the next time: {target}")
        images, left_out = find_images(source)
        pairs = [(path, target / path.relative_to(source)) for path in images]
    if not pairs:
        reasons = [f": {path} is left out: {reason}" for path, reason in left_out.items()]
        raise UsageError(f"no images in {source}{''.join(reasons[:1])}")
    _check_targets(pairs, folder)
    return pairs, left_out


def _check_targets(pairs: list[tuple[Path, Path]], folder: Path | None) -> None:
    """Check that no file would be written over one that is read, twice, or elsewhere than in the folder."""
    sources = {_identity(path) for path, _ in pairs if path.exists()}
    places: set[Path] = set()
    for _, path in pairs:
        place = path.resolve()
        if place.exists() and _identity(place) in sources:
            raise UsageError(f"OUT would overwrite IN: {path}")
        if folder is not None and not place.is_relative_to(folder.resolve()):
            raise UsageError(f"a symbolic link leads out of OUT: {path} is {place}")
        if place in places:
            raise UsageError(f"two files of IN would be written to {place}")
        places.add(place)


def _identity(path: Path) -> tuple[int, int]:
    """Return what is the same of a file whatever links lead to it."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _skeletonize(source: Path, target: Path, options: argparse.Namespace) -> None:
    label = read_label(source)
    skeleton = tubed_skeleton(
        label.numpy(),
        radius=options.radius,
        per_class=options.per_class,
        method=options.method,
        spatial_dims=label.ndim,
    )
    write_label(skeleton.astype(label.meta["dtype"]), target, source, label.meta.get("original_affine"))
