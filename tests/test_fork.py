from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from monai_topoloss import _fork as fork

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

# Forks while another thread is at its first call, and says for each child whether it came back.
FIRST_CALLS = """
    import os, signal, sys, threading, time, warnings
    import torch
    import monai_topoloss as topo

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    image, mask = torch.ones(5, 5), torch.ones(5, 5, dtype=torch.bool)  # torch's own first calls survive no fork
    CALLS = {{
        "euler 1": lambda: topo.euler_number(image, connectivity=1),
        "euler 2": lambda: topo.euler_number(image, connectivity=2),
        "label": lambda: topo.label_components(mask).counts,
        "betti": lambda: topo.betti_numbers(image)[0],
    }}

    def fork_and_call(call):
        child = os.fork()
        if child == 0:
            os._exit(0 if call() == 1 else 1)
        end = time.monotonic() + {patience}
        while time.monotonic() < end:
            if os.waitpid(child, os.WNOHANG)[0]:
                return True
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return False

    for name in {names}:
        thread = threading.Thread(target=CALLS[name])
        thread.start()
        time.sleep({delay})
        print(name, "returned" if fork_and_call(CALLS[name]) else "hung", flush=True)
        thread.join()
"""


def children(tmp_path, **options):
    """Return what became of children that are forked during first calls."""
    code = textwrap.dedent(FIRST_CALLS.format(patience=120, **options))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_forks_during_compilation(tmp_path):
    names = ["euler 1", "euler 2", "label", "betti"]
    found = children(tmp_path, names=names, delay=0.5)
    assert found == [f"{name} returned" for name in names]
    assert list(tmp_path.rglob("*.kernel"))


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0, 0.05, 0.2])
def test_forks_during_the_import_of_the_backend(tmp_path, delay):
    assert children(tmp_path, names=["euler 2"], delay=delay) == ["euler 2 returned"]


@pytest.fixture
def locks(monkeypatch):
    """Two locks of which one is to be taken before the other."""
    monkeypatch.setattr(fork, "_guarded", [])
    pair = threading.RLock(), threading.RLock()
    for lock in pair:
        fork.hold_at_forks(lock)
    return pair


def is_free(lock):
    """Whether another thread could take a lock."""
    found = []

    def try_it():
        found.append(lock.acquire(blocking=False))
        if found[0]:
            lock.release()

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    return found[0]


def test_locks_are_held_at_a_fork_and_given_back(locks):
    fork._acquire()
    assert [is_free(lock) for lock in locks] == [False, False]
    fork._release()
    assert [is_free(lock) for lock in locks] == [True, True]
    assert fork._held == []


def test_a_thread_that_holds_a_lock_may_fork(locks):
    with locks[1]:
        fork._acquire()
        fork._release()
        assert not is_free(locks[1])
    assert is_free(locks[1])


def test_locks_are_taken_in_their_order(locks):
    """A thread that holds the first may wait for the second while another forks."""
    waiting, done = threading.Event(), []

    def take_both():
        with locks[0]:
            waiting.set()
            with locks[1]:
                done.append("both")

    locks[1].acquire()
    thread = threading.Thread(target=take_both, daemon=True)
    thread.start()
    waiting.wait()
    forking = threading.Thread(target=lambda: (fork._acquire(), done.append("fork"), fork._release()), daemon=True)
    forking.start()
    forking.join(0.05)
    locks[1].release()
    thread.join(20)
    forking.join(20)
    assert done == ["both", "fork"]


class Recorder:
    """A lock that writes down what becomes of it."""

    def __init__(self, name, record):
        self.name, self.record = name, record

    def acquire(self):
        self.record.append(f"take {self.name}")

    def release(self):
        self.record.append(f"give {self.name}")


def test_locks_are_given_back_in_the_opposite_order(monkeypatch):
    record = []
    monkeypatch.setattr(fork, "_guarded", [Recorder("first", record), Recorder("second", record)])
    fork._acquire()
    fork._release()
    assert record == ["take first", "take second", "give second", "give first"]


def test_a_lock_that_is_added_meanwhile_is_held_too(locks):
    late = threading.RLock()
    locks[0].acquire()
    forking = threading.Thread(target=lambda: (fork._acquire(), seen.append(is_free(late)), fork._release()))
    seen = []
    forking.start()
    fork.hold_at_forks(late)
    locks[0].release()
    forking.join(20)
    assert seen == [False]
    assert is_free(late)


def test_forks_of_many_threads_do_not_mix(locks):
    errors = []

    def fork_often():
        try:
            for _ in range(200):
                fork._acquire()
                fork._release()
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=fork_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors
    assert all(is_free(lock) for lock in locks)


def test_real_forks_hold_the_locks_of_the_backends(monkeypatch):
    from numba.core.compiler_lock import global_compiler_lock

    from monai_topoloss import backends
    from monai_topoloss.backends.cpu import _numba

    assert _numba.hold_at_forks is fork.hold_at_forks
    assert fork._guarded.index(backends._loading) < fork._guarded.index(global_compiler_lock)
    events = []

    class Noted:
        def acquire(self):
            events.append("acquired")

        def release(self):
            events.append(f"released in {'the parent' if os.getpid() == parent else 'the child'}")

    parent = os.getpid()
    monkeypatch.setattr(fork, "_guarded", [*fork._guarded, Noted()])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, events[-1].encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    assert os.read(reading, 100) == b"released in the child"
    os.close(reading)
    assert events == ["acquired", "released in the parent"]
