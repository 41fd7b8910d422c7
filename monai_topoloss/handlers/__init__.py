"""Ignite handlers."""

from monai_topoloss.handlers.restore_label import RestoreLabel

__all__ = ["RestoreLabel"]
