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
    find_images,
    progress,
    read_label,
    run_or_complain,
    suffix_of,
    write_label,
)
from monai_topoloss.topology import tubed_skeleton


def add_to(commands: Any) -> None:
    """Add the command to others."""
    parser = commands.add_parser(
        "skeletonize",
        help="skeletonize a label, or all in a folder",
        description="Write the skeletons of masks and label maps (NIfTI, PNG, TIFF) in their own values, formats and"
        " affines. Files in folders keep their names.",
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
        pairs = _pair(options.input, options.output)
    except UsageError as error:
        parser.error(str(error))
    if options.radius < 0:
        parser.error(f"--radius must be at least 0, got {options.radius}")
    failed = 0
    for source, target in progress(pairs, "skeletonize"):
        failed += bool(run_or_complain(partial(_skeletonize, source, target, options), str(source)))
    print(f"Wrote {len(pairs) - failed} of {len(pairs)} skeletons to {options.output}.")
    return int(failed > 0)


def _pair(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """List files to read and to write; none is both."""
    check_path(source)
    if source.is_file():
        target = target / source.name if target.is_dir() else target
        if not suffix_of(target):
            raise UsageError(f"OUT must be a folder or end like an image, got {target}")
        pairs = [(source, target)]
    else:
        if target.is_file():
            raise UsageError(f"IN is a folder, but OUT is a file: {target}")
        if source.resolve() in (target.resolve(), *target.resolve().parents):
            raise UsageError(f"OUT is within IN, and would be read the next time: {target}")
        pairs = [(path, target / path.relative_to(source)) for path in find_images(source)]
    if not pairs:
        raise UsageError(f"no images in {source}")
    sources = {path.resolve() for path, _ in pairs}
    for _, path in pairs:
        if path.resolve() in sources:
            raise UsageError(f"OUT would overwrite IN: {path}")
    return pairs


def _skeletonize(source: Path, target: Path, options: argparse.Namespace) -> None:
    label = read_label(source)
    skeleton = tubed_skeleton(
        label.numpy(),
        radius=options.radius,
        per_class=options.per_class,
        method=options.method,
        spatial_dims=label.ndim,
    )
    write_label(skeleton.astype(label.meta["dtype"]), target, source)
