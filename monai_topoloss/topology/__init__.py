"""Pure functions on masks, labels and predictions; tensors and arrays in, the same kind out.

Gradients flow through soft skeletons alone.
"""

from monai_topoloss.topology.affinity import (
    CriticalAffinitiesResult,
    affinities,
    critical_affinities,
    label_affinities,
)
from monai_topoloss.topology.betti import betti_numbers, euler_number
from monai_topoloss.topology.components import Components, label_components
from monai_topoloss.topology.critical import CriticalComponentsResult, critical_components
from monai_topoloss.topology.separation import separate_instances
from monai_topoloss.topology.skeleton import skeletonize, tubed_skeleton
from monai_topoloss.topology.skeleton_graph import skeleton_graph
from monai_topoloss.topology.skeleton_scores import SkeletonScores, score_skeletons
from monai_topoloss.topology.skeleton_trees import skeleton_trees
from monai_topoloss.topology.soft_skeleton import soft_skeleton

__all__ = [
    "Components",
    "CriticalAffinitiesResult",
    "CriticalComponentsResult",
    "SkeletonScores",
    "affinities",
    "betti_numbers",
    "critical_affinities",
    "critical_components",
    "euler_number",
    "label_affinities",
    "label_components",
    "score_skeletons",
    "separate_instances",
    "skeleton_graph",
    "skeleton_trees",
    "skeletonize",
    "soft_skeleton",
    "tubed_skeleton",
]
