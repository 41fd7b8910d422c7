from __future__ import annotations

import dask
import pytest


@pytest.fixture(autouse=True)
def synchronous():
    """Run tasks one after the other, in this thread: small ones are faster so."""
    with dask.config.set(scheduler="synchronous"):
        yield
