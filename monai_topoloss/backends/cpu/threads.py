"""Many images at once: one pool of threads for kernels that release the GIL."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch.utils.data import get_worker_info

T = TypeVar("T")

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0


def for_each(function: Callable[[T], None], items: Sequence[T]) -> None:
    """Call a function on each item, in as many threads as PyTorch uses, or in one inside workers of a DataLoader."""
    size = 1 if get_worker_info() is not None else torch.get_num_threads()
    if size == 1 or len(items) < 2:
        for item in items:
            function(item)
    else:
        list(_get_pool(size).map(function, items))


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
