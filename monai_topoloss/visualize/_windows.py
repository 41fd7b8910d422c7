"""Where a closer look is worth it: windows around the largest splits and merges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss.topology import label_components
from monai_topoloss.visualize._draw import MERGE, SPLIT, Colour
from monai_topoloss.visualize._objects import Objects
from monai_topoloss.visualize._views import View

_SMALLEST = 32  # voxels that a window is wide and high, but for images that have less than twice as many

Places = NDArray[np.intp]  # of voxels, (count, axes)


class Window(NamedTuple):
    """A close-up: which view it enlarges, where, and the colour of what it shows."""

    view: int
    rows: slice
    columns: slice
    colour: Colour


def find_windows(objects: Objects, views: Sequence[View], spacing: Sequence[float], count: int) -> list[Window]:
    """Choose the largest splits and merges by turns, each in a window of its own, in the view that shows most of it."""
    windows: list[Window] = []
    ranked = (
        _rank(mask, views, spacing, colour) for mask, colour in ((objects.splits, SPLIT), (objects.merges, MERGE))
    )
    for candidate in filter(None, chain.from_iterable(zip_longest(*ranked))):
        if len(windows) == count:
            break
        if not any(_is_within(candidate, window) for window in windows):
            windows.append(candidate)
    return windows


def _is_within(candidate: Window, window: Window) -> bool:
    """Whether the middle of a window is in another of the same view."""
    pairs = ((candidate.rows, window.rows), (candidate.columns, window.columns))
    return candidate.view == window.view and all(
        there.start <= (own.start + own.stop) / 2 < there.stop for own, there in pairs
    )


def _rank(mask: Tensor, views: Sequence[View], spacing: Sequence[float], colour: Colour) -> Iterator[Window]:
    """Return windows around the components of a mask, the largest first."""
    if views[0].place is not None:  # of a slice, which is the only view
        view = views[0]
        for places in components(torch.from_numpy(view.of(mask))):
            yield _window_of(places, 0, view.across(mask.shape), view.across(spacing), colour)
        return
    for places in components(mask):
        shadows = [np.unique(places[:, view.across(range(mask.ndim))], axis=0) for view in views]
        areas = [len(shadow) * np.prod(view.across(spacing)) for shadow, view in zip(shadows, views, strict=True)]
        best = int(np.argmax(areas))
        yield _window_of(shadows[best], best, views[best].across(mask.shape), views[best].across(spacing), colour)


def components(mask: Tensor) -> list[Places]:
    """Return the places of each component's voxels, the largest component first."""
    labels = np.asarray(label_components(mask.cpu(), spatial_dims=mask.ndim).labels)
    where = np.argwhere(labels)
    ids = labels[tuple(where.T)]
    order = np.argsort(ids, kind="stable")
    groups = np.split(where[order], np.flatnonzero(np.diff(ids[order])) + 1) if len(ids) else []
    return sorted(groups, key=len, reverse=True)


def _window_of(places: Places, view: int, shape: tuple[int, int], voxel: tuple[float, float], colour: Colour) -> Window:
    """Return a square window around the middle of a component, no larger than a third of the image."""
    sides = np.array(shape) * voxel
    extent = ((np.ptp(places, axis=0) + 1) * voxel).max()
    side = max(min(_SMALLEST * min(voxel), sides.max() / 2), min(1.5 * extent, sides.max() / 3))
    middle = places[np.abs((places - places.mean(axis=0)) * voxel).sum(axis=1).argmin()]  # in a ring, the centre is not
    lengths = [max(1, int(side / size)) for size in voxel]
    starts = [
        max(0, min(int(place) - length // 2, limit - length))
        for place, length, limit in zip(middle, lengths, shape, strict=True)
    ]
    rows, columns = (
        slice(start, min(start + length, limit)) for start, length, limit in zip(starts, lengths, shape, strict=True)
    )
    return Window(view, rows, columns, colour)
