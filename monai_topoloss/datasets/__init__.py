"""Lists of cases for MONAI's datasets, synthetic ones, readers of public data sets, and files of traced neurons."""

from monai_topoloss.datasets.chase_db1 import chase_db1_datalist
from monai_topoloss.datasets.neurites import synthetic_neurites, synthetic_neurites_datalist
from monai_topoloss.datasets.rasterize import rasterize_swc
from monai_topoloss.datasets.swc import read_swc, write_swc
from monai_topoloss.datasets.synthetic import synthetic_datalist, synthetic_vessels
from monai_topoloss.datasets.topomortar import topomortar_datalist

__all__ = [
    "chase_db1_datalist",
    "rasterize_swc",
    "read_swc",
    "synthetic_datalist",
    "synthetic_neurites",
    "synthetic_neurites_datalist",
    "synthetic_vessels",
    "topomortar_datalist",
    "write_swc",
]
