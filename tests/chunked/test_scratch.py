from __future__ import annotations

from functools import partial
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest

from monai_topoloss import chunked
from monai_topoloss.chunked import _scratch, skeleton
from monai_topoloss.chunked._patches import betti_differences
from monai_topoloss.chunked._scratch import keep_in
from tests.chunked.keeping import CutError, count_kept
from tests.chunked.volumes import make_vessels

pytestmark = pytest.mark.usefixtures("synchronous")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Thin in blocks that are smaller than the volumes here."""
    rounds = {how: each._replace(side=8) for how, each in skeleton._ROUNDS.items()}
    monkeypatch.setattr(skeleton, "_ROUNDS", rounds)


def make_pair(shape=(18, 20, 22)):
    return [da.from_array(mask, chunks=8) for mask in make_vessels(shape)]


FUNCTIONS = {
    "labels": lambda _, y: chunked.label_components(y).labels,
    "critical": lambda y_pred, y: da.stack(chunked.critical_components(y_pred, y)[:2]),
    "critical of ids": lambda y_pred, y: da.stack(
        chunked.critical_components(y_pred.astype(np.uint8), 2 * y.astype(np.uint8))[:2]
    ),
    "betti": lambda _, y: chunked.betti_numbers(y),
    "euler": lambda _, y: chunked.euler_number(y),
    "skeleton": lambda _, y: chunked.skeletonize(y),
    "tubes": lambda _, y: chunked.tubed_skeleton(y.astype(np.uint8) * 3, per_class=True),
    "cldice": chunked.centerline_dice,
    "voi": chunked.variation_of_information,
    "merges per object": partial(chunked.critical_error, kind="splits_per_object"),
    "patches": lambda y_pred, y: betti_differences(y_pred, y, (5, 6, 7), (5, 6, 7), None),
}


def compute(name, folder, monkeypatch, stop_after=None):
    """Compute a function; return the result, and how many results have been kept; or stop after some."""
    with monkeypatch.context() as patch, keep_in(folder, name):
        state = count_kept(patch)
        state["stop_after"] = stop_after
        try:
            return FUNCTIONS[name](*make_pair()).compute(), state["count"]
        except CutError:
            return None, state["count"]


def test_one_run_at_a_time(tmp_path):
    with keep_in(tmp_path / "a", "one"), pytest.raises(RuntimeError, match="another run is at work in"):
        keep_in(tmp_path / "a", "one").__enter__()
    with keep_in(tmp_path / "a", "one") as goes_on:
        assert goes_on


@pytest.mark.parametrize("name", FUNCTIONS)
def test_goes_on_where_it_was_cut(tmp_path, monkeypatch, name):
    expected = FUNCTIONS[name](*make_pair()).compute()
    result, total = compute(name, tmp_path / "whole", monkeypatch)
    np.testing.assert_array_equal(result, expected)
    assert total >= 8
    for stop_after in (1, total // 2, total - 1):
        folder = tmp_path / str(stop_after)
        assert compute(name, folder, monkeypatch, stop_after) == (None, stop_after)
        result, rest = compute(name, folder, monkeypatch)
        np.testing.assert_array_equal(result, expected)
        assert rest == total - stop_after


def test_nothing_is_done_twice(tmp_path, monkeypatch):
    first, _ = compute("skeleton", tmp_path, monkeypatch)
    again, more = compute("skeleton", tmp_path, monkeypatch)
    np.testing.assert_array_equal(again, first)
    assert more == 0


def test_chunks_are_not_read_again(tmp_path):
    read = []

    def block(*, block_info):
        read.append(block_info[None]["chunk-location"])
        return np.ones(block_info[None]["chunk-shape"], bool)

    def compute_betti_numbers():
        mask = da.map_blocks(block, chunks=((8, 8), (8, 8)), dtype=bool)
        with keep_in(tmp_path / "scratch", "the same"):
            return chunked.betti_numbers(mask).compute().tolist()

    assert compute_betti_numbers() == [1, 0]
    number = len(read)
    assert number >= 4
    assert compute_betti_numbers() == [1, 0]
    assert len(read) == number


def test_bits_stay_on_disk(tmp_path):
    label = make_pair()[1]
    expected = chunked.skeletonize(label).compute()
    with keep_in(tmp_path, "skeleton"):
        skeleton = chunked.skeletonize(label)
    held = [value for value in dask.utils.ensure_dict(skeleton.dask).values() if isinstance(value, np.ndarray)]
    assert not held
    np.testing.assert_array_equal(skeleton.compute(), expected)


def test_what_belongs_to_another_computation_is_deleted(tmp_path):
    with keep_in(tmp_path / "scratch", "one") as goes_on:
        assert not goes_on
        (tmp_path / "scratch" / "1").mkdir()
    with keep_in(tmp_path / "scratch", "one") as goes_on:
        assert goes_on
    with keep_in(tmp_path / "scratch", "another") as goes_on:
        assert not goes_on
        assert not (tmp_path / "scratch" / "1").exists()


def test_no_folder_keeps_nothing():
    with keep_in(None, "one") as goes_on:
        assert not goes_on
        assert _scratch.current() is None


def test_bits_that_are_there_are_not_read_before_they_are_needed(tmp_path, monkeypatch):
    compute("skeleton", tmp_path, monkeypatch)
    loaded = []
    load = _scratch.load
    monkeypatch.setattr(_scratch, "load", lambda **options: loaded.append(load(**options)) or loaded[-1])
    with keep_in(tmp_path, "skeleton"):
        chunked.skeletonize(make_pair()[1])
    assert loaded
    assert not [each for each in loaded if isinstance(each, np.ndarray) and each.ndim == 3]


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    write_bytes = Path.write_bytes

    def fail(self, content):
        write_bytes(self, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space"):
        _scratch.Keeping(lambda: 1, tmp_path / "0")()
    assert not (tmp_path / "0").exists()
