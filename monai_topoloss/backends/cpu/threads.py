"""Many images at once: one pool of threads for kernels that release the GIL."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch
from torch.utils.data import get_worker_info

T = TypeVar("T")

_PORTIONS = 16  # for each thread: handing one out costs as much as the work on a tiny image

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0


def for_each(function: Callable[[T], None], items: Sequence[T]) -> None:
    """Call a function on each item, in as many threads as PyTorch uses, or in one inside workers of a DataLoader."""
    size = 1 if get_worker_info() is not None else torch.get_num_threads()
    if size == 1 or len(items) < 2:
        _call_on_all(function, items)
    else:
        step = 1 + len(items) // (_PORTIONS * size)
        portions = [items[k : k + step] for k in range(0, len(items), step)]
        list(_get_pool(size).map(partial(_call_on_all, function), portions))


def _call_on_all(function: Callable[[T], None], items: Sequence[T]) -> None:
    for item in items:
        function(item)


def _get_pool(size: int) -> ThreadPoolExecutor:
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size != size:
            _pool, _pool_size = ThreadPoolExecutor(size, thread_name_prefix="monai_topoloss"), size
        return _pool


def _forget_pool() -> None:
    """A forked process has the pool, but none of its threads."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
