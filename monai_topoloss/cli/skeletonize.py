"""The command ``skeletonize``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from monai_topoloss._checks.options import KINDS, METHODS, UNITS
from monai_topoloss.cli.files import (
    UsageError,
    check_place,
    check_table,
    complain,
    printable,
    progress,
    read_label,
    run_or_complain,
    write_label,
)
from monai_topoloss.cli.folders import FORMATS_READ, RULE, find_images
from monai_topoloss.cli.formats import suffix_of
from monai_topoloss.cli.graphs import writing_graphs
from monai_topoloss.cli.placement import spacing_of
from monai_topoloss.cli.places import STORES, Place, Url, as_place, is_image, is_store, last_part, name_of, need_stores
from monai_topoloss.cli.resources import EXPLANATION, add_options_of_stores, running
from monai_topoloss.topology import tubed_skeleton

_EXPLANATION = f"""\
Reads and writes {FORMATS_READ}.
Between NIfTI, MetaImage and NRRD the place in space is kept. Axes are in the order in which MONAI loads and saves them:
x first; those of .npy are taken as they are.

{EXPLANATION}\
  OUT is a store, too, with the same chunks and metadata, or is added to one, as brain.zarr/labels/skeleton. Until it is
  done it is beside that, in .OUT.partial: a run that was cut goes on there, with the chunks that are done. A store that
  is there already is not overwritten; one that was made in the same way of the same is left as it is.

graphs, of files:
  --graph writes a row for each branch between ends and junctions: its object, length, tortuosity (length by distance of
  its ends), mean and least radius, and where it begins and ends. --swc writes CASE.swc, which other programs read, and
  so do "evaluate --swc"; its lines have the radius, too. Radii are distances to the background, from centre to centre.
  All values are one object, or with --per-class each is one, and --swc writes CASE/ID.swc. Their lengths are in the
  units of the file's affine, or in voxels if it has none; those of --prune in --units.

{RULE}

exit status: 0, or 1 if a file failed or was left out, or 2 for a wrong usage, or 130 if interrupted
"""

_OF_BRANCHES = ("prune", "prune_factor", "graph", "swc")  # options, of files


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
    add = parser.add_argument
    add("input", type=as_place, metavar="IN", help="file or folder; folders are searched with all below")
    add("output", type=as_place, metavar="OUT", help="file or folder, likewise; files are overwritten, stores are not")
    add("--radius", type=number, default=0, metavar="R", help="thicken to tubes of this radius; default: 0")
    add("--units", choices=UNITS, default=UNITS[0], help="of --radius and --prune; mm by the spacing of each file")
    add("--kind", choices=KINDS, default=KINDS[0], help="centrelines, or of volumes surfaces in the middle of sheets")
    add("--prune", type=float, metavar="L", help="remove end branches that are shorter; files only")
    add("--prune-factor", type=float, metavar="F", help="or that are shorter than so many radii; files only")
    add("--method", choices=METHODS[2], help="of thinning; default: zhang in 2-D, lee in 3-D; lee_skimage for files")
    add("--per-class", action="store_true", help="skeletonize each class on its own")
    add("--graph", type=Path, metavar="CSV", help="write a table of the branches there, too; files only")
    add("--swc", type=Path, metavar="FOLDER", help="write the skeletons there as SWC files, too; files only")
    add_options_of_stores(parser)
    parser.set_defaults(run=partial(run, parser))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Skeletonize files; return the exit status."""
    if not 0 <= options.radius < math.inf:
        parser.error(f"--radius must be at least 0, got {options.radius}")
    if options.units == "voxels" and isinstance(options.radius, float):
        parser.error(f"--radius must be a whole number of voxels, or take --units mm, got {options.radius}")
    with ExitStack() as stack:
        try:
            pairs, left_out = _pair(options.input, options.output)
            has_stores = any(is_store(source) for source, _ in pairs)
            _check_branches(options, has_stores=has_stores)
            stack.enter_context(running(options, has_stores=has_stores))
            check_table("--graph", options.graph, (place for pair in pairs for place in pair))
            graphs = stack.enter_context(writing_graphs(options.graph, options.swc))
        except UsageError as error:
            parser.error(str(error))
        for path, reason in left_out.items():
            complain(f"error: {path} is left out: {reason}")
        failed = len(left_out)
        names = _name_cases([source for source, _ in pairs], options.input)
        for name, (source, target) in zip(names, progress(pairs, "skeletonize"), strict=True):
            write_graph = partial(graphs.write, name) if graphs.is_needed else None
            failed += bool(run_or_complain(partial(_skeletonize, source, target, options, write_graph), str(source)))
    number = len(pairs) + len(left_out)
    print(printable(f"Wrote {number - failed} of {number} skeletons to {options.output}."))
    return int(failed > 0)


def number(text: str) -> float:
    """Return a whole number as int, or another one as float."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def _spacing_of(label: Any) -> tuple[float, ...]:
    """Return the size of a voxel along each axis; a label that does not say it is refused."""
    spacing = spacing_of(label.meta.get("original_affine"), label.ndim)
    if spacing is None:
        raise ValueError("--units mm takes the spacing of the file, which has none")
    return spacing


def _pair(source: Place, target: Place) -> tuple[list[tuple[Place, Path]], dict[Path, str]]:
    """List files to read and to write, none of which is both; and files that are left out, with the reasons."""
    check_place(source)
    left_out: dict[Path, str] = {}
    pairs: list[tuple[Place, Path]]
    if isinstance(target, Url):
        raise UsageError(f"OUT must be a file or folder, got the address {target}")
    if isinstance(source, Url) or is_image(source):
        folder = target if target.is_dir() and not is_store(target) else None
        target = target / _name_in_folder(source) if folder else target
        _check_kind(source, target)
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


def _name_in_folder(source: Place) -> str:
    """Return the name of what is made of one image, in a folder; that of a store says that it is one."""
    name = last_part(source)
    return f"{name}{STORES[1]}" if is_store(source) and not name.lower().endswith(STORES) else name


def _check_kind(source: Place, target: Path) -> None:
    """Check that stores become stores, and files become files."""
    if not is_store(source):
        if is_store(target) or not suffix_of(target):
            raise UsageError(f"OUT must be a folder or end like an image, got {target}")
    elif not any(is_store(place) for place in (target, *target.parents)):
        raise UsageError(
            f"IN is a Zarr store, so OUT must be a folder, end in {STORES[1]} or be within a store, got {target}"
        )


def _check_targets(pairs: list[tuple[Place, Path]], folder: Path | None) -> None:
    """Check that no file would be written over one that is read, twice, or elsewhere than in the folder."""
    sources = {_identity(path) for path, _ in pairs if not isinstance(path, Url) and path.exists()}
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


def _check_branches(options: argparse.Namespace, *, has_stores: bool) -> None:
    """Check that options go together.

    Raises:
        UsageError: if they do not.
    """
    for name in ("prune", "prune_factor"):
        value = getattr(options, name)
        if value is not None and not 0 <= value < math.inf:
            raise UsageError(f"{_flag(name)} must be at least 0, got {value}")
    given = [_flag(name) for name in _OF_BRANCHES if getattr(options, name) is not None]
    if given and options.kind == "surface":
        raise UsageError(f"{' and '.join(given)}: surfaces have no branches")
    if options.kind == "surface" and options.method not in (None, "lee"):
        raise UsageError(f"--kind surface takes --method lee, got {options.method}")
    if given and has_stores:
        raise UsageError(f"{' and '.join(given)}: not of Zarr stores, where a branch may be as long as all of it")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _name_cases(sources: list[Place], root: Place) -> list[str]:
    """Name cases as ``evaluate`` does: by their files, or if that is not enough by where these are."""
    names = [name_of(source) for source in sources]
    if len(set(names)) == len(names):
        return names
    places = [Path(source).relative_to(Path(root)).parent for source in sources]
    return [(place / name).as_posix() for place, name in zip(places, names, strict=True)]


def _skeletonize(
    source: Place, target: Path, options: argparse.Namespace, write_graph: Callable[..., None] | None
) -> None:
    if isinstance(source, Url) or is_store(source):
        how = {name: getattr(options, name) for name in ("radius", "units", "per_class", "kind", "method")}
        need_stores("skeletons").skeletonize_store(source, target, **how, side=options.chunks)
        return
    label = read_label(source)
    thinning = {name: getattr(options, name) for name in ("prune", "prune_factor", "method")}
    thinning["spacing"] = None if options.units == UNITS[0] else _spacing_of(label)
    skeleton = tubed_skeleton(
        label.numpy(),
        radius=options.radius,
        per_class=options.per_class,
        kind=options.kind,
        spatial_dims=label.ndim,
        **thinning,
    )
    write_label(skeleton.astype(label.meta["dtype"]), target, source, label.meta.get("original_affine"))
    if write_graph is not None:
        write_graph(label, each=options.per_class, thinning=thinning)
