"""Pictures of what broke: overlays as arrays, and figures with legend and close-ups."""

from monai_topoloss.visualize.figure import plot_critical
from monai_topoloss.visualize.overlay import critical_overlay, skeleton_overlay

__all__ = ["critical_overlay", "plot_critical", "skeleton_overlay"]
