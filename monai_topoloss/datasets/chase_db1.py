"""CHASE_DB1: retinal vessels of 14 children.

M. M. Fraz et al., An ensemble classification-based approach applied to retinal blood vessel segmentation, IEEE TBME
59(9), 2012.
"""

from __future__ import annotations

import os
from pathlib import Path

from monai_topoloss._checks.options import check_option

__all__ = ["chase_db1_datalist"]

# Both eyes of a child belong to one section. The first ten children are the training set of most publications.
_CHILDREN = {"training": range(1, 9), "validation": range(9, 11), "test": range(11, 15)}


def chase_db1_datalist(root_dir: str | os.PathLike[str], section: str, *, observer: int = 1) -> list[dict[str, str]]:
    """List the cases of a section of CHASE_DB1, split by child: 16, 4 and 8 photographs.

    Args:
        root_dir: folder that holds ``Image_01L.jpg``, ``Image_01L_1stHO.png``, ..., as the data set is distributed.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        observer: whose labels, 1 or 2.

    Returns:
        A dictionary for each photograph with the paths ``"image"`` (RGB) and ``"label"`` (0 is background).

    Raises:
        ValueError: if ``section`` or ``observer`` is none of these.
        FileNotFoundError: if a file is missing.

    Example:
        >>> chase_db1_datalist("CHASE_DB1", "test")[0]["label"]  # doctest: +SKIP
        'CHASE_DB1/Image_11L_1stHO.png'
    """
    check_option("section", section, tuple(_CHILDREN))
    check_option("observer", observer, (1, 2))
    postfix = {1: "1stHO", 2: "2ndHO"}[observer]
    cases = []
    for child in _CHILDREN[section]:
        for eye in "LR":
            stem = Path(root_dir) / f"Image_{child:02d}{eye}"
            case = {"image": f"{stem}.jpg", "label": f"{stem}_{postfix}.png"}
            for path in case.values():
                if not Path(path).is_file():
                    raise FileNotFoundError(f"Expected CHASE_DB1 in {root_dir}, but {path} is missing.")
            cases.append(case)
    return cases
