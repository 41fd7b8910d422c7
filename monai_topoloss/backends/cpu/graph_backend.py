"""The backend for graphs of skeletons, on the CPU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.backends.base import Branches, GraphBackend
from monai_topoloss.backends.cpu.branches import trace_branches
from monai_topoloss.backends.cpu.links import count_steps, link, step_lengths
from monai_topoloss.backends.cpu.pruning import prune
from monai_topoloss.backends.cpu.radii import radii_at

__all__ = ["BACKEND"]


class CpuGraphBackend:
    """See `GraphBackend`."""

    count_steps = staticmethod(count_steps)
    prune = staticmethod(prune)
    radii_at = staticmethod(radii_at)
    step_lengths = staticmethod(step_lengths)

    @staticmethod
    def trace_branches(skeleton: NDArray[np.bool_], sizes: NDArray[np.float64]) -> Branches:
        """See `GraphBackend.trace_branches`."""
        return trace_branches(link(skeleton), sizes)


BACKEND: GraphBackend = CpuGraphBackend()
