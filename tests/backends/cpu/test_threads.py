from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from monai_topoloss.backends.cpu import threads
from monai_topoloss.topology import tubed_skeleton


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_items_are_spread_over_threads():
    meeting = threading.Barrier(2, timeout=30)
    seen = []

    def meet(item):
        meeting.wait()  # two items have to be under way at once
        seen.append((item, threading.current_thread().name))

    threads.for_each(meet, range(2))
    assert sorted(item for item, _ in seen) == [0, 1]
    assert all(name.startswith("monai_topoloss") for _, name in seen)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("count", [2, 31, 32, 33, 1000])
def test_many_items_are_handed_out_in_portions(count, monkeypatch):
    pool = threads._get_pool(2)
    portions, seen = [], []

    def submit(function, items):
        portions.append(items)
        return ThreadPoolExecutor.submit(pool, function, items)

    monkeypatch.setattr(pool, "submit", submit)
    threads.for_each(seen.append, range(count))
    assert sorted(seen) == list(range(count))
    assert min(count, 16) <= len(portions) <= 32
    assert max(map(len, portions)) <= 1 + count // 32


@pytest.mark.usefixtures("two_threads")
def test_errors_are_raised():
    def fail(item):
        raise RuntimeError(f"item {item}")

    with pytest.raises(RuntimeError, match="item 0"):
        threads.for_each(fail, range(2))


@pytest.mark.parametrize("count", [1, 2])
def test_one_thread_calls_directly(count):
    before = torch.get_num_threads()
    torch.set_num_threads(1 if count == 2 else 2)
    names = []
    try:
        threads.for_each(lambda _: names.append(threading.current_thread()), range(count))
    finally:
        torch.set_num_threads(before)
    assert set(names) == {threading.current_thread()}


class ThreadNames(Dataset):
    """Where items are computed in a worker."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        names = []
        torch.set_num_threads(4)
        threads.for_each(lambda _: names.append(threading.current_thread().name), range(4))
        return len(set(names)), any(name.startswith("monai_topoloss") for name in names)


def test_workers_of_a_dataloader_use_one_thread():
    assert [tuple(x.item() for x in batch) for batch in DataLoader(ThreadNames(), num_workers=1)] == [(1, False)] * 2


def test_the_pool_follows_the_number_of_threads():
    before = torch.get_num_threads()
    try:
        for count in (2, 3, 2):
            torch.set_num_threads(count)
            meeting = threading.Barrier(count, timeout=30)
            threads.for_each(
                lambda _, meeting=meeting: meeting.wait(), range(count)
            )  # all have to be under way at once
            assert threads._pool._max_workers == count
    finally:
        torch.set_num_threads(before)


def test_one_item_needs_no_pool(monkeypatch):
    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    threads.for_each(lambda _: None, range(1))
    assert threads._pool is None


def test_a_forked_process_has_a_pool_of_its_own():
    """The parent's has no threads there, and who waits for them waits for ever."""
    code = textwrap.dedent(
        """
        import os, signal, time
        import torch
        from monai_topoloss.backends.cpu import threads

        torch.set_num_threads(2)
        seen = []
        threads.for_each(seen.append, range(4))
        child = os.fork()
        if child == 0:
            threads.for_each(seen.append, range(4, 8))
            os._exit(0 if sorted(seen) == list(range(8)) else 1)
        end = time.monotonic() + 30
        while time.monotonic() < end and not (done := os.waitpid(child, os.WNOHANG))[0]:
            time.sleep(0.01)
        if not done[0]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        threads.for_each(seen.append, range(4))
        print("hung" if not done[0] else f"status {done[1]}", len(seen))
        """
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert result.stdout.strip() == "status 0 8", result.stderr


@pytest.mark.slow
def test_fork_and_concurrent_threads():
    """Kernels in the parent, in forked workers, and then in four threads at once, in a process of their own."""
    code = textwrap.dedent(
        """
        import threading, warnings
        import torch
        from torch.utils.data import DataLoader
        from monai_topoloss import tubed_skeleton

        warnings.simplefilter("ignore")
        torch.set_num_threads(2)
        labels = (torch.rand(4, 24, 24, 24, generator=torch.Generator().manual_seed(0)) < 0.4).to(torch.uint8)
        expected = tubed_skeleton(labels, spatial_dims=3)

        class Labels(torch.utils.data.Dataset):
            def __len__(self):
                return 4
            def __getitem__(self, index):
                return tubed_skeleton(labels[index : index + 1], spatial_dims=3)[0]

        loader = DataLoader(Labels(), batch_size=4, num_workers=2, multiprocessing_context="fork")
        assert torch.equal(next(iter(loader)), expected)
        results = [None] * 4
        def compute(index):
            results[index] = tubed_skeleton(labels, spatial_dims=3)
        workers = [threading.Thread(target=compute, args=(index,)) for index in range(4)]
        [worker.start() for worker in workers]
        [worker.join() for worker in workers]
        assert all(torch.equal(result, expected) for result in results)
        print("done")
        """
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert result.stdout.strip() == "done", result.stderr


@pytest.mark.usefixtures("two_threads")
def test_batches_equal_single_items():
    labels = (torch.rand(5, 2, 20, 22, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    batch = tubed_skeleton(labels, spatial_dims=2)
    for item, expected in zip(batch.flatten(0, 1), labels.flatten(0, 1), strict=True):
        assert torch.equal(item, tubed_skeleton(expected))
