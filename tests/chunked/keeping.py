"""Computations that are cut."""

from __future__ import annotations

from typing import Any

import pytest

from monai_topoloss.chunked import _scratch


class CutError(Exception):
    pass


def count_kept(monkeypatch: pytest.MonkeyPatch, error: type[BaseException] = CutError) -> dict[str, Any]:
    """Count the results that are kept; return the count, and after how many an error is raised, if that is set."""
    state: dict[str, Any] = {"count": 0, "stop_after": None}
    call = _scratch.Keeping.__call__

    def counted(self, *arguments):
        if state["count"] == state["stop_after"]:
            raise error
        state["count"] += 1
        return call(self, *arguments)

    monkeypatch.setattr(_scratch.Keeping, "__call__", counted)
    return state
