from __future__ import annotations

import numpy as np
import pytest

from monai_topoloss.backends.cpu import bits


def unpacked(words, layout):
    """Read voxels back from words one by one, after checking what is not payload."""
    inner = words[1:-1].reshape(layout.depth + 2 * layout.border, layout.height + 2, layout.row)
    assert words[0] == words[-1] == 0
    assert not inner[:, [0, -1]].any()
    if layout.border:
        assert not inner[[0, -1]].any()
        inner = inner[1:-1]
    voxels = (inner[:, 1:-1, :, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    lines = voxels[..., 1:63].reshape(layout.depth, layout.height, -1)
    assert not lines[:, :, layout.width :].any()
    np.testing.assert_array_equal(voxels[:, :, 1:, 0], voxels[:, :, :-1, 62])  # repetitions of the neighbours
    np.testing.assert_array_equal(voxels[:, :, :-1, 63], voxels[:, :, 1:, 1])
    assert not voxels[:, :, 0, 0].any()
    assert not voxels[:, :, -1, 63].any()
    return lines[:, :, : layout.width] != 0


@pytest.mark.parametrize("width", [1, 2, 7, 8, 61, 62, 63, 64, 65, 123, 124, 125, 126, 127, 128, 186, 187, 250])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int64])
def test_pack_at_each_width(width, dtype):
    rng = np.random.default_rng(width)
    volume = rng.integers(0, 3, (3, 4, width)).astype(dtype)
    np.testing.assert_array_equal(unpacked(*bits.pack(volume, 1)), volume != 0)
    np.testing.assert_array_equal(unpacked(*bits.pack(volume[0], 0))[0], volume[0] != 0)
    full = np.ones((2, 3, width), dtype)
    assert unpacked(*bits.pack(full, 1)).all()


@pytest.mark.parametrize("step", [1, 3, 63, 64, 65, 128, 200, 1000])
def test_spread(step):
    rng = np.random.default_rng(step)
    places = rng.random(512) < 0.05
    packed = np.packbits(places, bitorder="little").view(np.uint64)
    wider = np.zeros_like(packed)
    bits.spread(packed, np.uint64(step), wider)
    expected = places.copy()
    if step < len(places):
        expected[step:] |= places[:-step]
        expected[:-step] |= places[step:]
    np.testing.assert_array_equal(np.unpackbits(wider.view(np.uint8), bitorder="little"), expected)
