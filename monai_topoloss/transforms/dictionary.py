"""Dictionary transforms: the array transforms applied to items of a dictionary."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from monai.config import NdarrayOrTensor
from monai.config.type_definitions import KeysCollection

from monai_topoloss._checks.keys import check_two_prefixes
from monai_topoloss._checks.options import KINDS, UNITS
from monai_topoloss.topology.skeleton import RADIUS
from monai_topoloss.topology.soft_skeleton import ITERATIONS
from monai_topoloss.transforms._derived import Derived, DerivedOne
from monai_topoloss.transforms.array import CriticalComponents, Skeletonize, SoftSkeletonize, TubedSkeletonize

__all__ = [
    "CRITICAL_PREFIXES",
    "SKELETON_PREFIX",
    "SOFT_SKELETON_PREFIX",
    "CriticalComponentsD",
    "CriticalComponentsDict",
    "CriticalComponentsd",
    "SkeletonizeD",
    "SkeletonizeDict",
    "Skeletonized",
    "SoftSkeletonizeD",
    "SoftSkeletonizeDict",
    "SoftSkeletonized",
    "TubedSkeletonizeD",
    "TubedSkeletonizeDict",
    "TubedSkeletonized",
]

# MONAI takes items whose keys begin with another key and an underscore for that one's metadata.
SKELETON_PREFIX = "skeleton_"
SOFT_SKELETON_PREFIX = "soft_skeleton_"
CRITICAL_PREFIXES = ("splits_", "merges_")


class Skeletonized(DerivedOne):
    """Dictionary version of `Skeletonize`.

    Args:
        keys: keys of the masks.
        prefix: goes in front of a key to name the skeleton: ``label`` gives ``skeleton_label``. An empty one
            overwrites.
        kind: see `Skeletonize`.
        prune: see `Skeletonize`.
        prune_factor: see `Skeletonize`.
        spacing: see `Skeletonize`.
        units: see `Skeletonize`.
        method: see `Skeletonize`.
        backend: see `Skeletonize`.
        allow_missing_keys: do not raise if a key is missing.

    Raises:
        TypeError: if ``prefix`` is no str, and see `Skeletonize`.
        ValueError: if it makes a name that MONAI takes for metadata, and see `Skeletonize`.

    Example:
        >>> import torch
        >>> sorted(Skeletonized(keys="label")({"label": torch.ones(1, 8, 8)}))
        ['label', 'skeleton_label']
    """

    backend = Skeletonize.backend

    def __init__(
        self,
        keys: KeysCollection,
        prefix: str = SKELETON_PREFIX,
        kind: str = KINDS[0],
        prune: float | None = None,
        prune_factor: float | None = None,
        spacing: float | Sequence[float] | None = None,
        units: str = UNITS[0],
        method: str | None = None,
        backend: str = "auto",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, prefix, allow_missing_keys)
        self.transform = Skeletonize(
            kind=kind,
            prune=prune,
            prune_factor=prune_factor,
            spacing=spacing,
            units=units,
            method=method,
            backend=backend,
        )


class TubedSkeletonized(DerivedOne):
    """Dictionary version of `TubedSkeletonize`, which says where in a ``Compose`` it belongs.

    Args:
        keys: keys of the labels.
        prefix: goes in front of a key to name the skeleton: ``label`` gives ``skeleton_label``. An empty one
            overwrites.
        radius: see `TubedSkeletonize`.
        spacing: see `TubedSkeletonize`.
        units: see `TubedSkeletonize`.
        per_class: see `TubedSkeletonize`.
        ignore_index: see `TubedSkeletonize`.
        kind: see `TubedSkeletonize`.
        prune: see `TubedSkeletonize`.
        prune_factor: see `TubedSkeletonize`.
        method: see `TubedSkeletonize`.
        backend: see `TubedSkeletonize`.
        allow_missing_keys: do not raise if a key is missing.

    Raises:
        TypeError: if ``prefix`` is no str, and see `TubedSkeletonize`.
        ValueError: if it makes a name that MONAI takes for metadata, and see `TubedSkeletonize`.

    Example:
        >>> import torch
        >>> sample = {"label": torch.ones(1, 8, 8, dtype=torch.uint8)}
        >>> sorted(TubedSkeletonized(keys="label")(sample))
        ['label', 'skeleton_label']
    """

    backend = TubedSkeletonize.backend

    def __init__(
        self,
        keys: KeysCollection,
        prefix: str = SKELETON_PREFIX,
        radius: float = RADIUS,
        spacing: float | Sequence[float] | None = None,
        units: str = UNITS[0],
        per_class: bool = False,
        ignore_index: int | None = None,
        kind: str = KINDS[0],
        prune: float | None = None,
        prune_factor: float | None = None,
        method: str | None = None,
        backend: str = "auto",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, prefix, allow_missing_keys)
        self.transform = TubedSkeletonize(
            radius=radius,
            spacing=spacing,
            units=units,
            per_class=per_class,
            ignore_index=ignore_index,
            kind=kind,
            prune=prune,
            prune_factor=prune_factor,
            method=method,
            backend=backend,
        )


class SoftSkeletonized(DerivedOne):
    """Dictionary version of `SoftSkeletonize`.

    Args:
        keys: keys of the labels.
        prefix: goes in front of a key to name the skeleton: ``label`` gives ``soft_skeleton_label``. An empty one
            overwrites.
        iterations: see `SoftSkeletonize`.
        num_classes: see `SoftSkeletonize`.
        ignore_index: see `SoftSkeletonize`.
        allow_missing_keys: do not raise if a key is missing.

    Raises:
        TypeError: if ``prefix`` is no str, and see `SoftSkeletonize`.
        ValueError: if it makes a name that MONAI takes for metadata, and see `SoftSkeletonize`.

    Example:
        >>> import torch
        >>> sample = {"label": torch.ones(1, 8, 8, dtype=torch.uint8)}
        >>> sorted(SoftSkeletonized(keys="label")(sample))
        ['label', 'soft_skeleton_label']
    """

    backend = SoftSkeletonize.backend

    def __init__(
        self,
        keys: KeysCollection,
        prefix: str = SOFT_SKELETON_PREFIX,
        iterations: int = ITERATIONS,
        num_classes: int | None = None,
        ignore_index: int | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, prefix, allow_missing_keys)
        self.transform = SoftSkeletonize(iterations, num_classes, ignore_index)


class CriticalComponentsd(Derived):
    """Dictionary version of `CriticalComponents`, for postprocessing: ``SaveImaged`` saves the maps that it makes.

    Args:
        keys: keys of the predictions, made discrete.
        label_key: key of the label.
        prefix: two that go in front of a key to name the maps of splits and of merges: ``pred`` gives ``splits_pred``
            and ``merges_pred``. An empty one overwrites. Their numbers have an ``n_`` more in front: ``n_splits_pred``.
        num_classes: see `CriticalComponents`.
        include_background: see `CriticalComponents`.
        per_class: see `CriticalComponents`.
        connectivity: see `CriticalComponents`.
        ignore_index: see `CriticalComponents`.
        backend: see `CriticalComponents`.
        allow_missing_keys: do not raise if a key is missing.

    Raises:
        TypeError: if ``prefix`` is not two of str, and see `CriticalComponents`.
        ValueError: if they do not differ or make a name that MONAI takes for metadata, and see `CriticalComponents`.

    Example:
        >>> import torch
        >>> sample = {"pred": torch.ones(1, 8, 8), "label": torch.zeros(1, 8, 8)}
        >>> sorted(CriticalComponentsd(keys="pred", label_key="label")(sample))
        ['label', 'merges_pred', 'n_merges_pred', 'n_splits_pred', 'pred', 'splits_pred']
    """

    backend = CriticalComponents.backend

    def __init__(
        self,
        keys: KeysCollection,
        label_key: Hashable = "label",
        prefix: Sequence[str] = CRITICAL_PREFIXES,
        num_classes: int | None = None,
        include_background: bool = False,
        per_class: bool = False,
        connectivity: int | None = None,
        ignore_index: int | None = None,
        backend: str = "auto",
        allow_missing_keys: bool = False,
    ) -> None:
        self.prefix = check_two_prefixes(prefix)
        super().__init__(keys, allow_missing_keys)
        self.label_key = label_key
        self.transform = CriticalComponents(
            num_classes=num_classes,
            include_background=include_background,
            per_class=per_class,
            connectivity=connectivity,
            ignore_index=ignore_index,
            backend=backend,
        )

    def _names(self, key: Hashable) -> list[str]:
        maps = [f"{prefix}{key}" for prefix in self.prefix]
        return [*maps, *(f"n_{name}" for name in maps)]

    def _make(self, item: NdarrayOrTensor, items: Mapping[Hashable, Any]) -> Iterable[NdarrayOrTensor]:
        return self.transform(item, items[self.label_key])


CriticalComponentsD = CriticalComponentsDict = CriticalComponentsd
SkeletonizeD = SkeletonizeDict = Skeletonized
SoftSkeletonizeD = SoftSkeletonizeDict = SoftSkeletonized
TubedSkeletonizeD = TubedSkeletonizeDict = TubedSkeletonized
