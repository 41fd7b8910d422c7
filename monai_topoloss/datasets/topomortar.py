"""TopoMortar: mortar between bricks.

TopoMortar: A dataset to evaluate image segmentation methods focused on topology accuracy, BMVC 2025.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

from monai_topoloss._checks.options import check_option

__all__ = ["topomortar_datalist"]

_FOLDERS = {"training": "train", "validation": "val", "test": "test"}


def topomortar_datalist(
    root_dir: str | os.PathLike[str], section: str, *, group: str | None = None
) -> list[dict[str, str]]:
    """List the cases of a section of TopoMortar.

    Args:
        root_dir: folder that holds ``dataset/{train,val,test}/{images,accurate}``, as the data set is distributed.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        group: keep images of this group in ``dataset/dataset_types.txt`` only. The test section has 50 images of each:
            ``"indistr"``, which are like those of the training, ``"angles"``, ``"colors"``, ``"graffiti"``,
            ``"objects"``, ``"occlusion"`` and ``"shadows"``. Default: all.

    Returns:
        A dictionary for each case with the paths ``"image"`` (RGB) and ``"label"`` (0 or 255), sorted by name.

    Raises:
        ValueError: if ``section`` or ``group`` is none of these.
        FileNotFoundError: if the folder holds no such images, or a label or the file of groups is missing.

    Example:
        >>> len(topomortar_datalist("TopoMortar", "training"))  # doctest: +SKIP
        50
    """
    check_option("section", section, tuple(_FOLDERS))
    folder = Path(root_dir) / "dataset" / _FOLDERS[section]
    images = sorted((folder / "images").glob("*.png"))
    if group is not None:
        groups = _read_groups(Path(root_dir) / "dataset" / "dataset_types.txt")
        check_option("group", group, tuple(sorted(set(groups.values()))))
        images = [path for path in images if groups.get(path.stem) == group]
    if not images:
        raise FileNotFoundError(f"Expected TopoMortar images in {folder / 'images'}, found none.")
    cases = [{"image": str(path), "label": str(folder / "accurate" / path.name)} for path in images]
    for case in cases:
        if not Path(case["label"]).is_file():
            raise FileNotFoundError(f"Expected a label for {case['image']} at {case['label']}, found none.")
    return cases


def _read_groups(path: Path) -> dict[str, str]:
    """Return the group of each image by its name."""
    if not path.is_file():
        raise FileNotFoundError(f"Expected the groups of TopoMortar's images in {path}, but it is missing.")
    with path.open(newline="") as file:
        return {row["ID"]: row["group"] for row in csv.DictReader(file)}
