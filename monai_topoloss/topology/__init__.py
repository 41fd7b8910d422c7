"""Pure functions on masks, labels and predictions; tensors and arrays in, the same kind out, never differentiable."""

from monai_topoloss.topology.components import Components, label_components
from monai_topoloss.topology.critical import CriticalComponentsResult, critical_components
from monai_topoloss.topology.skeleton import skeletonize, tubed_skeleton

__all__ = [
    "Components",
    "CriticalComponentsResult",
    "critical_components",
    "label_components",
    "skeletonize",
    "tubed_skeleton",
]
