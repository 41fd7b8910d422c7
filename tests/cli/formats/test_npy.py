from __future__ import annotations

import numpy as np
import pytest

from monai_topoloss.cli.files import read_label, write_label


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, ">i4", np.int64, np.float16])
@pytest.mark.parametrize("order", ["C", "F"])
def test_axes_are_taken_as_they_are(tmp_path, dtype, order):
    array = np.asarray(np.random.default_rng(0).integers(0, 2, (4, 5, 6)).astype(dtype), order=order)
    np.save(tmp_path / "a.npy", array)
    label = read_label(tmp_path / "a.npy")
    np.testing.assert_array_equal(label, array)
    assert "original_affine" not in label.meta
    write_label(label.numpy().astype(label.meta["dtype"]), tmp_path / "b.NPY", tmp_path / "a.npy")
    written = np.load(tmp_path / "b.NPY")
    assert written.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(written, array)


@pytest.mark.parametrize("array", [np.array([[{}]]), np.array([["a"]]), np.ones((2, 2), complex)])
def test_what_holds_no_numbers_is_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=r"expected numbers, got|Object arrays cannot be loaded"):
        read_label(tmp_path / "a.npy")


def test_ids_that_pytorch_does_not_hold_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.full((2, 3), 2**63, np.uint64))
    with pytest.raises(ValueError, match="expected values up to 9223372036854775807, got 9223372036854775808"):
        read_label(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.full((2, 3), 2**40, np.uint64))
    np.testing.assert_array_equal(read_label(tmp_path / "a.npy"), np.full((2, 3), 2**40))


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5)])
def test_other_ranks_are_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(ValueError, match="expected an image or a volume, got shape"):
        read_label(tmp_path / "a.npy")
