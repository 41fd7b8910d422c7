"""MetaImage and NRRD files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.cli.formats.picture import Picture, library, without_channels

SUFFIXES: tuple[str, ...] = (".mha", ".mhd", ".nrrd", ".nhdr")
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read(path: Path) -> Picture:
    """Read an image or a volume."""
    sitk = library("SimpleITK")
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = without_channels(array)
    return Picture(array.T, _affine_of(image))


def _affine_of(image: Any) -> NDArray[Any]:
    """Return the affine as NIfTI files have it: four by four, also of images, to the right, anterior, superior."""
    ndim = image.GetDimension()
    axes = np.reshape(image.GetDirection(), (ndim, ndim)) * image.GetSpacing()
    affine = np.eye(4)
    n = min(ndim, 3)
    affine[:n, :n], affine[:n, 3] = axes[:n, :n], image.GetOrigin()[:n]
    return _LPS_TO_RAS @ affine


def write(array: NDArray[Any], path: Path, source: Path, affine: NDArray[Any] | None) -> None:
    """Write an image or a volume, with spacing, origin and direction of the file that it came from."""
    sitk = library("SimpleITK")
    array = array.astype(np.uint8) if array.dtype == bool else array
    if source.name.lower().endswith(SUFFIXES):
        original = sitk.ImageFileReader()
        original.SetFileName(str(source))
        original.ReadImageInformation()
        array = array.reshape(original.GetSize())
        place = original.GetSpacing(), original.GetOrigin(), original.GetDirection()
    elif affine is not None:
        array = array.reshape(*array.shape, *[1] * (3 - array.ndim))  # an image lies somewhere in the body
        place = _place(affine)
    else:
        place = None
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    if place is not None:
        image.SetSpacing(place[0])
        image.SetOrigin(place[1])
        image.SetDirection(place[2])
    sitk.WriteImage(image, str(path), useCompression=True)


def _place(affine: NDArray[Any]) -> tuple[list[float], list[float], list[float]]:
    """Return spacing, origin and direction of an affine."""
    lps = _LPS_TO_RAS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    return spacing.tolist(), lps[:3, 3].tolist(), (lps[:3, :3] / spacing).ravel().tolist()
