"""Pure functions on masks and labels: tensors or arrays in, the same kind out, never differentiable."""

from monai_topoloss.topology.skeleton import skeletonize, tubed_skeleton

__all__ = ["skeletonize", "tubed_skeleton"]
