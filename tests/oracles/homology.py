"""Betti numbers by the book: ranks of boundary maps over the field of two elements."""

from __future__ import annotations

from itertools import product

import numpy as np


def betti_numbers(mask, *, closed):
    """Homology of a complex of cells: of closed cubes, or with voxels as points, joined where they share faces.

    A cell is a tuple of doubled coordinates; it extends along the axes where these are odd.
    """
    ndim = mask.ndim
    cells = [set() for _ in range(ndim + 1)]
    for voxel in np.argwhere(mask):
        if closed:
            for step in product((-1, 0, 1), repeat=ndim):
                cell = tuple(2 * v + 1 + s for v, s in zip(voxel, step, strict=True))
                cells[sum(c % 2 for c in cell)].add(cell)
        else:  # the box of voxels from this one on, where all are foreground
            for size in product((0, 1), repeat=ndim):
                box = mask[tuple(slice(v, v + s + 1) for v, s in zip(voxel, size, strict=True))]
                if box.size == 2 ** sum(size) and box.all():
                    cells[sum(size)].add(tuple(2 * v + s for v, s in zip(voxel, size, strict=True)))
    ranks = [0, *(rank_of_boundary(cells[k], cells[k - 1]) for k in range(1, ndim + 1)), 0]
    return [len(cells[k]) - ranks[k] - ranks[k + 1] for k in range(ndim)]


def rank_of_boundary(cells, faces):
    """Rank of the map from cells to their faces, by elimination on integers as bit vectors."""
    index = {face: bit for bit, face in enumerate(faces)}
    pivots = {}
    for cell in cells:
        vector = 0
        for axis, c in enumerate(cell):
            if c % 2:
                for side in (-1, 1):
                    vector ^= 1 << index[(*cell[:axis], c + side, *cell[axis + 1 :])]
        while vector:
            top = vector.bit_length()
            if top not in pivots:
                pivots[top] = vector
                break
            vector ^= pivots[top]
    return len(pivots)
