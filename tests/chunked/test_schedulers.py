"""The same on any of Dask's schedulers."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster
from scipy.ndimage import gaussian_filter

from monai_topoloss import chunked, topology

CHUNKS = (20, 24, 17)


@pytest.fixture(scope="module")
def pair():
    """A prediction and a label that resemble each other."""
    noise = [gaussian_filter(np.random.default_rng(seed).random((48, 60, 44)), 2) for seed in (0, 1)]
    label = noise[0] > 0.52
    return noise[0] + 0.4 * (noise[1] - 0.5) > 0.52, label


def compute_all(prediction, label):
    """Compute something of each kind in chunks."""
    critical = chunked.critical_components(prediction, label)
    lazy = [
        chunked.label_components(label).labels,
        critical.splits,
        critical.n_merges,
        chunked.betti_numbers(label),
        chunked.variation_of_information(prediction, label),
        chunked.skeletonize(label),
    ]
    return [np.asarray(each) for each in dask.compute(*lazy)]


@pytest.fixture(scope="module")
def expected(pair):
    critical = topology.critical_components(*pair)
    with dask.config.set(scheduler="synchronous"):
        entropy = chunked.variation_of_information(*(da.from_array(each) for each in pair)).compute()
    return [
        topology.label_components(pair[1]).labels,
        critical.splits,
        critical.n_merges,
        topology.betti_numbers(pair[1]),
        entropy,
        topology.skeletonize(pair[1]),
    ]


def assert_all_same(results, expected):
    for result, value in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, value)
        assert result.dtype == np.asarray(value).dtype


def test_threads(pair, expected):
    with dask.config.set(scheduler="threads", num_workers=2):
        results = compute_all(*(da.from_array(each, chunks=CHUNKS) for each in pair))
    assert_all_same(results, expected)


@pytest.mark.slow
def test_processes(pair, expected):
    with ProcessPoolExecutor(2, get_context("spawn")) as pool, dask.config.set(scheduler="processes", pool=pool):
        results = compute_all(*(da.from_array(each, chunks=CHUNKS) for each in pair))
    assert_all_same(results, expected)


@pytest.fixture
def client():
    """A cluster of two processes."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_cluster(pair, expected):
    assert_all_same(compute_all(*(da.from_array(each, chunks=CHUNKS) for each in pair)), expected)


@pytest.mark.slow
def test_a_worker_that_is_killed(client, pair, expected, tmp_path):
    """Dask gives its tasks to another one."""
    marker = tmp_path / "killed"

    def read(block, block_info=None):
        if block_info[0]["chunk-location"] == (1, 1, 1) and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    prediction, label = (da.from_array(each, chunks=CHUNKS) for each in pair)
    results = compute_all(prediction, label.map_blocks(read, dtype=bool, meta=np.zeros((0, 0, 0), bool)))
    assert marker.exists()
    assert_all_same(results, expected)
    assert client.scheduler_info()["workers"]
