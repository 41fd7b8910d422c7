"""Dictionary transforms: the array transforms applied to items of a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from monai.config import NdarrayOrTensor
from monai.config.type_definitions import KeysCollection
from monai.transforms import MapTransform

from monai_topoloss.topology.skeleton import RADIUS
from monai_topoloss.transforms.array import Skeletonize, TubedSkeletonize

__all__ = [
    "SKELETON_POSTFIX",
    "SkeletonizeD",
    "SkeletonizeDict",
    "Skeletonized",
    "TubedSkeletonizeD",
    "TubedSkeletonizeDict",
    "TubedSkeletonized",
]

SKELETON_POSTFIX = "_skeleton"


class _Derived(MapTransform):
    """Save what ``transform`` makes of each key under the key plus a postfix."""

    transform: Callable[[NdarrayOrTensor], NdarrayOrTensor]

    def __init__(self, keys: KeysCollection, postfix: str, allow_missing_keys: bool) -> None:
        super().__init__(keys, allow_missing_keys)
        self.postfix = postfix

    def __call__(self, data: Mapping[Hashable, NdarrayOrTensor]) -> dict[Hashable, NdarrayOrTensor]:
        """Return a copy of ``data`` with the new items."""
        items = dict(data)
        for key in self.key_iterator(items):
            items[f"{key}{self.postfix}" if self.postfix else key] = self.transform(items[key])
        return items


class Skeletonized(_Derived):
    """Dictionary version of `Skeletonize`.

    Args:
        keys: keys of the masks.
        postfix: is added to a key to name the skeleton: ``label`` gives ``label_skeleton``. An empty one overwrites.
        method: see `Skeletonize`.
        backend: see `Skeletonize`.
        allow_missing_keys: do not raise if a key is missing.
    """

    backend = Skeletonize.backend

    def __init__(
        self,
        keys: KeysCollection,
        postfix: str = SKELETON_POSTFIX,
        method: str | None = None,
        backend: str = "auto",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, postfix, allow_missing_keys)
        self.transform = Skeletonize(method=method, backend=backend)


class TubedSkeletonized(_Derived):
    """Dictionary version of `TubedSkeletonize`, which says where in a ``Compose`` it belongs.

    Args:
        keys: keys of the labels.
        postfix: is added to a key to name the skeleton: ``label`` gives ``label_skeleton``. An empty one overwrites.
        radius: see `TubedSkeletonize`.
        per_class: see `TubedSkeletonize`.
        ignore_index: see `TubedSkeletonize`.
        method: see `TubedSkeletonize`.
        backend: see `TubedSkeletonize`.
        allow_missing_keys: do not raise if a key is missing.

    Example:
        >>> import torch
        >>> sample = {"label": torch.ones(1, 8, 8, dtype=torch.uint8)}
        >>> sorted(TubedSkeletonized(keys="label")(sample))
        ['label', 'label_skeleton']
    """

    backend = TubedSkeletonize.backend

    def __init__(
        self,
        keys: KeysCollection,
        postfix: str = SKELETON_POSTFIX,
        radius: int = RADIUS,
        per_class: bool = False,
        ignore_index: int | None = None,
        method: str | None = None,
        backend: str = "auto",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, postfix, allow_missing_keys)
        self.transform = TubedSkeletonize(
            radius=radius, per_class=per_class, ignore_index=ignore_index, method=method, backend=backend
        )


SkeletonizeD = SkeletonizeDict = Skeletonized
TubedSkeletonizeD = TubedSkeletonizeDict = TubedSkeletonized
