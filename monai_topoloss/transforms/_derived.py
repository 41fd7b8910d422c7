"""Dictionary transforms that add what is made of an item under a new key."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import numpy as np
from monai.config import NdarrayOrTensor
from monai.config.type_definitions import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

from monai_topoloss._checks.keys import check_new_keys, check_prefix


class Derived(MapTransform):
    """Save what is made of each key under the key with a prefix in front."""

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool) -> None:
        super().__init__(keys, allow_missing_keys)
        for key in self.keys:
            check_new_keys(self._names(key), self.keys)

    @abstractmethod
    def _names(self, key: Hashable) -> list[str]:
        """Return the keys of what is made of a key."""

    @abstractmethod
    def _make(self, item: NdarrayOrTensor, items: Mapping[Hashable, Any]) -> Iterable[NdarrayOrTensor]:
        """Return what is made of an item."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with the new items."""
        items = dict(data)
        images = [key for key, item in data.items() if isinstance(item, Tensor | np.ndarray)]
        for key in self.key_iterator(items):
            names = self._names(key)
            check_new_keys(names, images)
            for name, new in zip(names, self._make(items[key], items), strict=True):
                items[key if name == str(key) else name] = new
        return items


class DerivedOne(Derived):
    """Save one thing that is made of each key."""

    transform: Callable[[NdarrayOrTensor], NdarrayOrTensor]

    def __init__(self, keys: KeysCollection, prefix: str, allow_missing_keys: bool) -> None:
        self.prefix = check_prefix(prefix)
        super().__init__(keys, allow_missing_keys)

    def _names(self, key: Hashable) -> list[str]:
        return [f"{self.prefix}{key}"]

    def _make(self, item: NdarrayOrTensor, _: Mapping[Hashable, Any]) -> Iterable[NdarrayOrTensor]:
        return [self.transform(item)]
