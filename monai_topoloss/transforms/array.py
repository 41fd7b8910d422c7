"""Array transforms: a channel-first image in, an image of the same kind out."""

from __future__ import annotations

from monai.config import NdarrayOrTensor
from monai.transforms import Transform
from monai.utils import TransformBackends, convert_to_dst_type

from monai_topoloss._checks import check_channel_first, check_ignore_index, check_int, check_method, check_option
from monai_topoloss.backends import BACKENDS
from monai_topoloss.topology import skeletonize, tubed_skeleton
from monai_topoloss.topology.skeleton import RADIUS

__all__ = ["Skeletonize", "TubedSkeletonize"]


class Skeletonize(Transform):
    """Thin a mask to its skeleton, channel by channel.

    Shapes: ``(C, *spatial)`` to ``(C, *spatial)`` in 2-D and 3-D. NumPy arrays and tensors keep their kind, a
    MetaTensor its affine and applied operations, and the image its dtype: skeleton voxels are 1, others 0.

    A bare skeleton does not survive resampling: nearest-neighbour rotation or zoom breaks it. Skeletonize after spatial
    transforms, or use `TubedSkeletonize`.

    Args:
        method: ``"zhang"`` (2-D), ``"lee"`` or ``"lee_skimage"``, see `monai_topoloss.topology.skeletonize`.
        backend: where to compute, ``"auto"`` follows the image.
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(self, method: str | None = None, backend: str = "auto") -> None:
        check_method(method)
        check_option("backend", backend, BACKENDS)
        self.method = method
        self.compute_backend = backend  # `backend` itself is MONAI's list of what a transform accepts

    def __call__(self, img: NdarrayOrTensor) -> NdarrayOrTensor:
        """Skeletonize each channel of ``img``, where nonzero is foreground.

        Raises:
            TypeError: if ``img`` is no tensor or array of real numbers.
            ValueError: if ``img`` is not ``(C, *spatial)`` in 2-D or 3-D, or not finite.
        """
        spatial_dims = check_channel_first("img", img)
        skeleton = skeletonize(img, method=self.method, spatial_dims=spatial_dims, backend=self.compute_backend)
        return convert_to_dst_type(skeleton, img)[0]


class TubedSkeletonize(Transform):
    """Make the target of Skeleton Recall: the skeleton of a label as a tube that carries the label's classes.

    Shapes: ``(C, *spatial)`` to ``(C, *spatial)`` in 2-D and 3-D, dtype kept. A label map (C = 1, class ids) is thinned
    as the union of its classes; the channels of a multi-label target are thinned one by one. NumPy arrays and tensors
    keep their kind, a MetaTensor its affine and applied operations. The transform is deterministic, so that
    ``CacheDataset`` and ``PersistentDataset`` cache it.

    Where to put it in a ``Compose``:

    - *Before* random spatial transforms it runs once a case and is cached. While training, it costs only the
      transforms of one more key, with ``mode="nearest"`` as for the label. A tube of radius 2 survives a
      nearest-neighbour rotation in one piece where the label is as wide; a bare skeleton (``radius=0``) is shattered.
    - *After* them it costs one skeletonization a sample, and is the exact tube of the label that the network sees: use
      it with strong zooms and elastic deformations.
    - *Before* one-hot encoding: a one-hot label has no union of classes any more, so each channel, background included,
      would get a skeleton of its own.

    Args:
        radius: of the tube in voxels; 0 leaves the bare skeleton.
        per_class: skeletonize each class of a label map on its own.
        ignore_index: an id that is background here; give the loss the same.
        method: thinning method, see `monai_topoloss.topology.skeletonize`.
        backend: where to compute, ``"auto"`` follows the label.
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(
        self,
        radius: int = RADIUS,
        per_class: bool = False,
        ignore_index: int | None = None,
        method: str | None = None,
        backend: str = "auto",
    ) -> None:
        check_int("radius", radius, minimum=0)
        check_ignore_index(ignore_index)
        check_method(method)
        check_option("backend", backend, BACKENDS)
        self.radius = radius
        self.per_class = per_class
        self.ignore_index = ignore_index
        self.method = method
        self.compute_backend = backend  # `backend` itself is MONAI's list of what a transform accepts

    def __call__(self, img: NdarrayOrTensor) -> NdarrayOrTensor:
        """Make the tubed skeleton of the label ``img``.

        Raises:
            TypeError: if ``img`` is no tensor or array of real numbers.
            ValueError: if ``img`` is not ``(C, *spatial)`` in 2-D or 3-D, or holds negative or fractional class ids.
        """
        return tubed_skeleton(
            img,
            radius=self.radius,
            per_class=self.per_class,
            ignore_index=self.ignore_index,
            method=self.method,
            spatial_dims=check_channel_first("img", img),
            backend=self.compute_backend,
        )
