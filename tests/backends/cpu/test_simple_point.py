from __future__ import annotations

import numba
import numpy as np
import pytest

from monai_topoloss.backends.cpu.simple_point import deletable_table, is_deletable
from monai_topoloss.backends.cpu.thinning3d import is_connected
from tests.oracles import lee

U = np.uint64


def euler_changes() -> np.ndarray:
    """Change of the Euler characteristic, times 8, in the four octants on one side of a voxel.

    The index has the 9 voxels of the outer plane in its bits 0 to 8 and those of the middle plane in bits 9 to 17.
    """
    code = np.arange(1 << 18)

    def empty(*voxels):
        return np.all([(code >> (9 * z + 3 * y + x)) & 1 == 0 for z, y, x in voxels], axis=0).astype(np.int64)

    total = np.zeros(code.shape, np.int64)
    for y in (0, 2):
        for x in (0, 2):
            faces = [(0, 1, 1), (1, y, 1), (1, 1, x)]
            edges = [[faces[0], faces[1], (0, y, 1)], [faces[0], faces[2], (0, 1, x)], [faces[1], faces[2], (1, y, x)]]
            corner = [*faces, (0, y, 1), (0, 1, x), (1, y, x), (0, y, x)]
            total += 8 * empty(*corner) - 4 * sum(empty(*edge) for edge in edges) + 2 * sum(map(empty, faces)) - 1
    return total


@numba.njit
def rows_of(code):
    return [(code >> U(3 * r)) & U(7) for r in range(9)]


@numba.njit
def count_differences(euler, table, first, last):
    """Compare the rule with the definition for these codes of 26 neighbours."""
    differences = 0
    for neighbours in range(first, last):
        low, high = U(neighbours) & U((1 << 13) - 1), U(neighbours) >> U(13)
        around = low | (high << U(14))
        code = around | U(1 << 13)
        change = euler[code & U(0o777777)] + euler[(code >> U(18)) | (code & U(0o777000))]
        expected = around & (around - U(1)) != U(0) and change == 0 and is_connected(around)
        w = rows_of(code)
        found = is_deletable(table, w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], U(0))
        differences += (found == U(1)) != expected
    return differences


@pytest.mark.slow
def test_all_neighbourhoods():
    assert count_differences(euler_changes(), deletable_table(), 0, 1 << 26) == 0


@numba.njit
def deletable_at(table, rows, shift):
    return is_deletable(
        table, rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7], rows[8], shift
    )  # fmt: skip


@pytest.mark.parametrize("density", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_at_each_place_of_a_word(density):
    rng = np.random.default_rng(0)
    volume = rng.random((3, 3, 64)) < density
    volume[1, 1] = True
    rows = (volume.reshape(9, 64).astype(U) << np.arange(64, dtype=U)).sum(axis=1, dtype=U)
    for x in range(1, 63):
        found = deletable_at(deletable_table(), rows, U(x - 1))
        assert found in (0, 1)
        assert found == lee.is_deletable(volume[:, :, x - 1 : x + 2])
