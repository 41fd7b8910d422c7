"""Pure functions on masks, labels and predictions; tensors and arrays in, the same kind out.

Gradients flow through soft skeletons alone.
"""

from monai_topoloss.topology.betti import betti_numbers, euler_number
from monai_topoloss.topology.components import Components, label_components
from monai_topoloss.topology.critical import CriticalComponentsResult, critical_components
from monai_topoloss.topology.skeleton import skeletonize, tubed_skeleton
from monai_topoloss.topology.soft_skeleton import soft_skeleton

__all__ = [
    "Components",
    "CriticalComponentsResult",
    "betti_numbers",
    "critical_components",
    "euler_number",
    "label_components",
    "skeletonize",
    "soft_skeleton",
    "tubed_skeleton",
]
