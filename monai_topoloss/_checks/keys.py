"""Names of what transforms add to a dictionary."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any


def check_prefix(prefix: Any) -> str:
    """Return the prefix of new keys."""
    if not isinstance(prefix, str):
        raise TypeError(f"Expected `prefix` to be a str, got {type(prefix).__name__}.")
    return prefix


def check_two_prefixes(prefix: Any) -> tuple[str, str]:
    """Return the prefixes of two new keys, which have to differ."""
    if not isinstance(prefix, list | tuple) or not all(isinstance(each, str) for each in prefix):
        raise TypeError(f"Expected `prefix` to be two of str, got {prefix!r}.")
    if len(prefix) != 2 or prefix[0] == prefix[1]:
        raise ValueError(f"Expected `prefix` to be two that differ, got {prefix!r}.")
    return prefix[0], prefix[1]


def check_new_keys(names: Iterable[str], keys: Iterable[Hashable]) -> None:
    """Check that MONAI does not take a new item for metadata of another."""
    keys = list(keys)
    for name in names:
        for key in keys:
            if name.startswith(f"{key}_"):
                raise ValueError(
                    f"Expected a `prefix` that makes names MONAI does not take for metadata, got {name!r}, which begins"
                    f" with '{key}_': `Spacingd` updates every such item as if it were metadata of {str(key)!r}."
                )
