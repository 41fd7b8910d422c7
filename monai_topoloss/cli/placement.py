"""Where files lie in space: the axes of a prediction are brought into those of its label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss._checks.cases import check_case_orientation
from monai_topoloss.cli.formats.picture import library

_TOLERANCE = 1e-3  # of affines, in millimetres mostly
_ANGLE = 1e-2  # of directions, in radians: more than rounding costs, less than a rotation that matters

Affine = NDArray[np.float64]


def bring_together(
    prediction: NDArray[Any],
    theirs: Affine | None,
    label_shape: tuple[int, ...],
    ours: Affine | None,
    notes: list[str],
    *,
    strict: bool,
) -> NDArray[Any]:
    """Return a prediction in the axes of its label: as it is, or with axes swapped and flipped, which loses nothing.

    Args:
        prediction: ``(*spatial)`` in 2-D or 3-D.
        theirs: affine of the prediction, ``(4, 4)``; None if its format has none.
        label_shape: of the label.
        ours: affine of the label.
        notes: what is worth mentioning is added.
        strict: refuse a prediction of another orientation that no axes bring together with the label.

    Raises:
        ValueError: if ``strict`` is to refuse it.
    """
    if theirs is None or ours is None:
        return prediction
    broken = [kind for kind, affine in (("prediction", theirs), ("label", ours)) if not _is_valid(affine)]
    if broken:
        notes.append(f"{' and '.join(broken)} without a valid affine")
        return prediction
    if np.allclose(_directions(theirs), _directions(ours), atol=_ANGLE):
        if not np.allclose(theirs, ours, atol=_TOLERANCE):
            is_moved = not np.allclose(theirs[:, 3], ours[:, 3], atol=_TOLERANCE)
            is_scaled = not np.allclose(_spacing(theirs), _spacing(ours), atol=_TOLERANCE)
            what = [name for name, differs in (("spacing", is_scaled), ("origin", is_moved)) if differs]
            notes.append(f"prediction and label have different affines, in {' and '.join(what or ['direction'])}")
        return prediction
    moved, affine = _reorient(prediction, theirs, ours)
    axes = _axes_of(theirs), _axes_of(ours)
    if moved.shape == (*label_shape, 1)[:3] and np.allclose(affine, ours, atol=_TOLERANCE):
        notes.append(f"prediction reoriented from {axes[0]} to {axes[1]}")
        return moved.reshape(label_shape)
    check_case_orientation(*axes, strict=strict)
    notes.append(f"prediction {axes[0]} compared voxel by voxel with label {axes[1]}")
    return prediction


def spacing_of(affine: Affine | None, ndim: int) -> tuple[float, ...] | None:
    """Return the size of a voxel along each axis, if that is known."""
    return None if affine is None or not _is_valid(affine) else tuple(_spacing(affine)[:ndim].tolist())


def _is_valid(affine: Affine) -> bool:
    return bool(np.isfinite(affine).all() and np.linalg.det(affine[:3, :3]) != 0)


def _spacing(affine: Affine) -> Affine:
    spacing: Affine = np.linalg.norm(affine[:3, :3], axis=0)
    return spacing


def _directions(affine: Affine) -> Affine:
    directions: Affine = affine[:3, :3] / _spacing(affine)
    return directions


def _axes_of(affine: Affine) -> str:
    """Name the directions in which the axes run, such as RAS: to the right, to the front, up."""
    orientations = library("nibabel.orientations")
    return "".join(map(str, orientations.aff2axcodes(affine)))


def _reorient(image: NDArray[Any], source: Affine, target: Affine) -> tuple[NDArray[Any], Affine]:
    """Swap and flip the axes of an image, in 3-D, into the directions of another affine; return its own, too."""
    orientations = library("nibabel.orientations")
    image = image.reshape((*image.shape, 1)[:3])
    steps = orientations.ornt_transform(orientations.io_orientation(source), orientations.io_orientation(target))
    return orientations.apply_orientation(image, steps), source @ orientations.inv_ornt_aff(steps, image.shape)
