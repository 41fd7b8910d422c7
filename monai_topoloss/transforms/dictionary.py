"""Dictionary transforms: the array transforms applied to items of a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from monai.config import NdarrayOrTensor
from monai.config.type_definitions import KeysCollection
from monai.transforms import MapTransform

from monai_topoloss._checks.options import check_postfixes
from monai_topoloss.topology.skeleton import RADIUS
from monai_topoloss.transforms.array import CriticalComponents, Skeletonize, TubedSkeletonize

__all__ = [
    "MERGES_POSTFIX",
    "SKELETON_POSTFIX",
    "SPLITS_POSTFIX",
    "CriticalComponentsD",
    "CriticalComponentsDict",
    "CriticalComponentsd",
    "SkeletonizeD",
    "SkeletonizeDict",
    "Skeletonized",
    "TubedSkeletonizeD",
    "TubedSkeletonizeDict",
    "TubedSkeletonized",
]

SKELETON_POSTFIX = "_skeleton"
SPLITS_POSTFIX, MERGES_POSTFIX = "_splits", "_merges"


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

    Example:
        >>> import torch
        >>> sorted(Skeletonized(keys="label")({"label": torch.ones(1, 8, 8)}))
        ['label', 'label_skeleton']
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


class CriticalComponentsd(MapTransform):
    """Dictionary version of `CriticalComponents`, for postprocessing: ``SaveImaged`` saves what it makes.

    Args:
        keys: keys of the predictions, made discrete.
        label_key: key of the label.
        splits_postfix: is added to a key to name the map of splits: ``pred`` gives ``pred_splits``.
        merges_postfix: is added to a key to name the map of merges.
        num_classes: see `CriticalComponents`.
        include_background: see `CriticalComponents`.
        connectivity: see `CriticalComponents`.
        ignore_index: see `CriticalComponents`.
        backend: see `CriticalComponents`.
        allow_missing_keys: do not raise if a key is missing.

    Example:
        >>> import torch
        >>> sample = {"pred": torch.ones(1, 8, 8), "label": torch.zeros(1, 8, 8)}
        >>> sorted(CriticalComponentsd(keys="pred", label_key="label")(sample))
        ['label', 'pred', 'pred_merges', 'pred_splits']
    """

    backend = CriticalComponents.backend

    def __init__(
        self,
        keys: KeysCollection,
        label_key: Hashable = "label",
        splits_postfix: str = SPLITS_POSTFIX,
        merges_postfix: str = MERGES_POSTFIX,
        num_classes: int | None = None,
        include_background: bool = False,
        connectivity: int | None = None,
        ignore_index: int | None = None,
        backend: str = "auto",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        check_postfixes(splits_postfix, merges_postfix)
        self.label_key = label_key
        self.splits_postfix, self.merges_postfix = splits_postfix, merges_postfix
        self.transform = CriticalComponents(
            num_classes=num_classes,
            include_background=include_background,
            connectivity=connectivity,
            ignore_index=ignore_index,
            backend=backend,
        )

    def __call__(self, data: Mapping[Hashable, NdarrayOrTensor]) -> dict[Hashable, NdarrayOrTensor]:
        """Return a copy of ``data`` with the new items."""
        items = dict(data)
        for key in self.key_iterator(items):
            splits, merges = self.transform(items[key], items[self.label_key])
            items[f"{key}{self.splits_postfix}"], items[f"{key}{self.merges_postfix}"] = splits, merges
        return items


CriticalComponentsD = CriticalComponentsDict = CriticalComponentsd
SkeletonizeD = SkeletonizeDict = Skeletonized
TubedSkeletonizeD = TubedSkeletonizeDict = TubedSkeletonized
