"""Whole volumes that no memory holds: functions and scores of Dask's arrays, with the same bits as in memory.

They take what Dask reads, such as Zarr, and run wherever Dask does: in threads, in processes or on a cluster. What they
return is lazy, but for skeletons.
"""

from monai_topoloss.chunked.betti import betti_numbers, euler_number
from monai_topoloss.chunked.components import label_components
from monai_topoloss.chunked.critical import critical_components
from monai_topoloss.chunked.scores import (
    adapted_rand_error,
    betti_error,
    centerline_dice,
    critical_error,
    variation_of_information,
)
from monai_topoloss.chunked.skeleton import skeletonize, tubed_skeleton

__all__ = [
    "adapted_rand_error",
    "betti_error",
    "betti_numbers",
    "centerline_dice",
    "critical_components",
    "critical_error",
    "euler_number",
    "label_components",
    "skeletonize",
    "tubed_skeleton",
    "variation_of_information",
]
