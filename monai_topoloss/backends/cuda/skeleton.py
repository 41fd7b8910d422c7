"""Skeletons and tubes of batches of volumes, on the GPU.

All foreground voxels are listed once, by parity class. A round takes all directions (or passes) in turn, each with the
launches that its order demands; then the host reads how many voxels are left.
"""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_topoloss.backends.cpu import guo_hall_rule, zhang_rule
from monai_topoloss.backends.cuda.launch import launch
from monai_topoloss.backends.cuda.volumes import crop, pad, strides_of

_RULES = {"zhang": zhang_rule, "thin": guo_hall_rule}  # of images, by methods


def skeletonize(mask: Tensor, *, method: str, ndim: int) -> Tensor:
    """Thin masks (N, Z, Y, X) of images or volumes, of which ``ndim`` says which, to bool of the same shape."""
    return crop(_thin(mask, method, ndim))


def tubed_skeleton(label: Tensor, *, ball: NDArray[np.int64], per_class: bool, method: str, ndim: int) -> Tensor:
    """Dilate the skeleton of labels (N, Z, Y, X) by a ball, and take the label there."""
    if not per_class:
        return label.masked_fill(~crop(_dilate(_thin(label != 0, method, ndim), ball)), 0)
    tubes = torch.zeros_like(label)
    for value in label.unique().tolist():
        if value:
            mask = label == value
            mask &= crop(_dilate(_thin(mask, method, ndim), ball))
            tubes = torch.where(mask, label, tubes)
    return tubes


def dilate(mask: Tensor, *, ball: NDArray[np.int64]) -> Tensor:
    """Dilate masks (N, Z, Y, X) by a ball."""
    return crop(_dilate(pad(mask), ball))


def _thin(mask: Tensor, method: str, ndim: int) -> Tensor:
    """Return the skeletons, padded."""
    volume = pad(mask)
    voxels = volume.view(-1).nonzero().squeeze(1)
    if len(voxels):
        if method in _RULES:
            _thin_by_rule(volume, voxels, method)
        else:
            _thin_by_lee(volume, voxels, ndim, is_surface=method == "lee_surface")
    return volume


def _thin_by_lee(volume: Tensor, voxels: Tensor, ndim: int, *, is_surface: bool) -> None:
    """Thin padded volumes in place, given their foreground."""
    row, plane = strides_of(volume)
    how = row, plane, int(is_surface)
    directions = (-row, row, 1, -1, plane, -plane)[: 2 * ndim]  # to the neighbour that has to be background
    classes = _parity_classes(volume, voxels)
    order = classes.argsort(stable=True)
    voxels, classes = voxels[order], classes[order]
    limits = torch.arange(9, dtype=torch.uint8, device=volume.device)
    while True:
        ends = torch.searchsorted(classes, limits).tolist()
        candidates = torch.empty(len(voxels), dtype=torch.uint8, device=volume.device)
        members = [(voxels[start:end], candidates[start:end], end - start) for start, end in pairwise(ends)]
        for direction in directions:
            launch("find_candidates", len(voxels), volume, voxels, candidates, len(voxels), direction, *how)
            for member in members:
                launch("delete_candidates", member[-1], volume, *member, *how)
        left = volume.view(-1)[voxels].nonzero().squeeze(1)
        if len(left) == len(voxels):
            return
        voxels, classes = voxels[left], classes[left]


def _parity_classes(volume: Tensor, voxels: Tensor) -> Tensor:
    """Return the class of each voxel, 0 to 7, by the parities of z, y and x from the corner of its foreground's box."""
    sizes = volume.shape[1:]
    step = volume[0].numel()
    item, classes = voxels // step, torch.zeros_like(voxels)
    for axis, size in enumerate(sizes, start=1):
        step //= size
        occupied = volume.amax(dim=[other for other in (1, 2, 3) if other != axis]) != 0
        corner = occupied.to(torch.uint8).argmax(dim=1)  # the first, or 0
        classes = 2 * classes + (voxels // step % size - corner[item]) % 2
    return classes.to(torch.uint8)


def _thin_by_rule(volume: Tensor, pixels: Tensor, method: str) -> None:
    """Thin padded images in place, given their foreground, by a rule of two passes."""
    row, _ = strides_of(volume)
    tables = _tables(volume.device, method)
    while True:
        going = torch.empty(len(pixels), dtype=torch.uint8, device=volume.device)
        for table in tables:
            launch("find_going", len(pixels), volume, pixels, going, len(pixels), table, row)
            launch("delete_going", len(pixels), volume, pixels, going, len(pixels))
        left = volume.view(-1)[pixels].nonzero().squeeze(1)
        if len(left) == len(pixels):
            return
        pixels = pixels[left]


@functools.cache
def _tables(device: torch.device, method: str) -> tuple[Tensor, Tensor]:
    """Return for both passes whether a pixel goes, by the 256 codes of its neighbours, clockwise from north-west."""
    codes = np.arange(256, dtype=np.uint64)
    neighbours = [(codes >> np.uint64(bit)) & np.uint64(1) for bit in range(8)]
    passes: tuple[Any, Any] = (_RULES[method].goes_in_first_pass, _RULES[method].goes_in_second_pass)
    first, second = (
        torch.tensor([int(rule(*each)) & 1 for each in zip(*neighbours, strict=True)], dtype=torch.uint8, device=device)
        for rule in passes
    )
    return first, second


def _dilate(volume: Tensor, ball: NDArray[np.int64]) -> Tensor:
    """Dilate padded volumes by a ball."""
    if ball.size == 1 and not ball.any():
        return volume
    items, depth, height, width = (size - 2 * (axis > 0) for axis, size in enumerate(volume.shape))
    table, dilated = torch.from_numpy(ball).to(volume.device), torch.zeros_like(volume)
    count = items * depth * height * width
    launch("dilate", count, volume, dilated, table, *ball.shape, items, depth, height, width)
    return dilated
