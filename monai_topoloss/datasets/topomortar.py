"""TopoMortar: mortar between bricks.

TopoMortar: A dataset to evaluate image segmentation methods focused on topology accuracy, BMVC 2025.
"""

from __future__ import annotations

import os
from pathlib import Path

from monai_topoloss._checks import check_option

__all__ = ["topomortar_datalist"]

_FOLDERS = {"training": "train", "validation": "val", "test": "test"}


def topomortar_datalist(root_dir: str | os.PathLike[str], section: str) -> list[dict[str, str]]:
    """List the cases of a section of TopoMortar.

    Args:
        root_dir: folder that holds ``dataset/{train,val,test}/{images,accurate}``, as the data set is distributed.
        section: ``"training"``, ``"validation"`` or ``"test"``.

    Returns:
        A dictionary for each case with the paths ``"image"`` (RGB) and ``"label"`` (0 or 255), sorted by name.

    Raises:
        ValueError: if ``section`` is none of these.
        FileNotFoundError: if the folder holds no such images, or a label is missing.

    Example:
        >>> len(topomortar_datalist("TopoMortar", "training"))  # doctest: +SKIP
        50
    """
    check_option("section", section, tuple(_FOLDERS))
    folder = Path(root_dir) / "dataset" / _FOLDERS[section]
    images = sorted((folder / "images").glob("*.png"))
    if not images:
        raise FileNotFoundError(f"Expected TopoMortar images in {folder / 'images'}, found none.")
    cases = [{"image": str(path), "label": str(folder / "accurate" / path.name)} for path in images]
    for case in cases:
        if not Path(case["label"]).is_file():
            raise FileNotFoundError(f"Expected a label for {case['image']} at {case['label']}, found none.")
    return cases
