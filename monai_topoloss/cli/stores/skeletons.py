"""The skeleton of a Zarr store, into another one, chunk by chunk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai_topoloss import __version__
from monai_topoloss.chunked import tubed_skeleton
from monai_topoloss.chunked._scratch import keep_in
from monai_topoloss.cli.files import complain
from monai_topoloss.cli.places import Place
from monai_topoloss.cli.stores.cases import describe
from monai_topoloss.cli.stores.reading import read_store
from monai_topoloss.cli.stores.writing import Target, write


def skeletonize_store(
    source: Place, path: Path, *, radius: float, units: str, side: int | None, **thinning: Any
) -> None:
    """Write the tubed skeleton of a label; a run that was cut goes on where it was.

    Args:
        source: an array of Zarr, or an image of OME-Zarr.
        path: where to, in the same layout.
        radius: see `monai_topoloss.topology.tubed_skeleton`.
        units: "voxels", or "mm" for the spacing that the store says.
        side: what is computed at once has about as many voxels as a cube of this side.
        thinning: ``per_class``, ``kind`` and ``method``, see there.

    Raises:
        ValueError: if there is no label, or no spacing that is needed.
        FileExistsError: if something else is there already.
    """
    stored = read_store(source, side)
    spacing = None if units == "voxels" else stored.spacing
    if units != "voxels" and spacing is None:
        raise ValueError("--units mm takes the spacing of OME-Zarr, which the store does not have")
    how = {"radius": radius, "spacing": spacing and list(spacing), **thinning}
    made_by = {"version": __version__, "source": describe(stored), **how}
    target = Target(path, made_by)
    if target.is_done():
        target.finish()
        complain(f"{path} is there already, made in the same way")
        return
    fingerprint = json.dumps([made_by, stored.array.chunks])
    with keep_in(target.scratch, fingerprint, anew=not target.is_begun()) as goes_on:
        if goes_on:
            complain(f"{path}: goes on where it was cut")
        array = target.open(stored, goes_on=goes_on)
        skeleton = tubed_skeleton(stored.array, radius=radius, spacing=spacing, **thinning)
        write(skeleton.astype(array.dtype), array, stored.order)
    target.finish()
