"""What a backend can do: the few array operations everything above is built from."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Backend(Protocol):
    """Topology of a batch of images, one implementation per kind of device.

    Every operation takes and returns plain, detached tensors whose first axis counts independent items and whose other
    two or three axes are spatial. Arguments have been checked by the caller; the result lives where the input lived,
    in fresh memory. All backends return the same bits for the same input.
    """

    def skeletonize(self, mask: Tensor, *, method: str) -> Tensor:
        """Thin each item of ``mask``, bool ``(N, *spatial)``, to its skeleton, bool ``(N, *spatial)``."""
        ...

    def tubed_skeleton(self, label: Tensor, *, radius: int, per_class: bool, method: str) -> Tensor:
        """Tubed skeleton of each item of ``label``, ``(N, *spatial)`` of any real dtype, in the same dtype."""
        ...
