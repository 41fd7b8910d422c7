"""Forks wait for locks that must not be held then.

A forked process has the memory of its parent, but of its threads only the one that forked. A lock that another thread
holds at that moment stays held in the child, and who waits for it there waits for ever. So whoever forks takes these
locks first, and parent and child each release theirs.
"""

from __future__ import annotations

import os
from typing import Protocol


class Lock(Protocol):
    """A lock that the thread that holds it may take again."""

    def acquire(self) -> object:
        """Take the lock."""
        ...

    def release(self) -> None:
        """Give the lock back."""
        ...


_guarded: list[Lock] = []
_held: list[Lock] = []


def hold_at_forks(lock: Lock) -> None:
    """Hold a lock at each fork from now on.

    Locks are taken in the order of these calls: who holds a lock may wait for later ones, never for earlier ones.
    """
    _guarded.append(lock)


def _acquire() -> None:
    for lock in _guarded:  # sees what is appended while it waits
        lock.acquire()
        _held.append(lock)


def _release() -> None:
    held, _held[:] = _held[:], []  # once the first is given back, another thread may fork
    for lock in reversed(held):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_acquire, after_in_parent=_release, after_in_child=_release)
