"""Transforms that part instances which touch."""

from __future__ import annotations

from monai.config import NdarrayOrTensor
from monai.config.type_definitions import KeysCollection
from monai.transforms import Transform
from monai.utils import TransformBackends

from monai_topoloss._checks.options import check_ignore_index, check_int, check_option
from monai_topoloss._checks.tensors import check_channel_first
from monai_topoloss.backends import BACKENDS
from monai_topoloss.topology import separate_instances
from monai_topoloss.topology.separation import GAP
from monai_topoloss.transforms._derived import DerivedOne

__all__ = ["SeparateInstances", "SeparateInstancesD", "SeparateInstancesDict", "SeparateInstancesd"]


class SeparateInstances(Transform):
    """Part instances that touch by a gap of background, see `monai_topoloss.topology.separate_instances`.

    Shapes: ``(C, *spatial)`` to the same in 2-D and 3-D, each channel on its own; the type stays. NumPy arrays and
    tensors keep their kind, a MetaTensor its affine and applied operations. Put it before random transforms, so that a
    `monai.data.CacheDataset` does it once, and let `AffinitiesToInstances` grow what a network then predicts.

    Args:
        gap: see `monai_topoloss.topology.separate_instances`.
        ignore_index: an id that is no instance; its voxels stay as they are.
        backend: of the skeletons, ``"auto"`` follows the instances.

    Example:
        >>> import torch
        >>> SeparateInstances()(torch.tensor([[[1] * 6 + [2] * 6] * 9]))[0, 0]
        tensor([1, 1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 2])
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(self, gap: int = GAP, ignore_index: int | None = None, backend: str = "auto") -> None:
        check_int("gap", gap, minimum=1)
        check_ignore_index(ignore_index)
        check_option("backend", backend, BACKENDS)
        self.gap = gap
        self.ignore_index = ignore_index
        self.compute_backend = backend  # `backend` itself is MONAI's list of what a transform accepts

    def __call__(self, img: NdarrayOrTensor) -> NdarrayOrTensor:
        """Part the instances ``img``; 0 is background.

        Raises:
            TypeError: if ``img`` is no tensor or array of real numbers.
            ValueError: if ``img`` is not ``(C, *spatial)`` in 2-D or 3-D, or holds negative or fractional ids.
        """
        check_channel_first("img", img)
        return separate_instances(
            img,
            gap=self.gap,
            ignore_index=self.ignore_index,
            spatial_dims=img.ndim - 1,
            backend=self.compute_backend,
        )


class SeparateInstancesd(DerivedOne):
    """Dictionary version of `SeparateInstances`.

    Args:
        keys: keys of the instances.
        prefix: goes in front of a key to name the result; the empty one overwrites.
        gap: see `SeparateInstances`.
        ignore_index: see `SeparateInstances`.
        backend: see `SeparateInstances`.
        allow_missing_keys: do not raise if a key is missing.

    Raises:
        TypeError: if ``prefix`` is no str, and see `SeparateInstances`.
        ValueError: if it makes a name that MONAI takes for metadata, and see `SeparateInstances`.

    Example:
        >>> import torch
        >>> sample = {"label": torch.tensor([[[1] * 6 + [2] * 6] * 9])}
        >>> SeparateInstancesd("label")(sample)["label"][0, 0]
        tensor([1, 1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 2])
    """

    backend = SeparateInstances.backend

    def __init__(
        self,
        keys: KeysCollection,
        prefix: str = "",
        gap: int = GAP,
        ignore_index: int | None = None,
        backend: str = "auto",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, prefix, allow_missing_keys)
        self.transform = SeparateInstances(gap, ignore_index, backend)


SeparateInstancesD = SeparateInstancesDict = SeparateInstancesd
