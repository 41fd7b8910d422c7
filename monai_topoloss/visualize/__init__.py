"""Pictures of what broke: overlays as arrays, figures with legend and close-ups, and volumes in 3-D."""

from monai_topoloss.visualize.figure import plot_critical
from monai_topoloss.visualize.overlay import critical_overlay, skeleton_overlay
from monai_topoloss.visualize.render import render_critical, render_skeleton

__all__ = ["critical_overlay", "plot_critical", "render_critical", "render_skeleton", "skeleton_overlay"]
