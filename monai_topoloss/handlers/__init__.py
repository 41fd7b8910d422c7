"""Ignite handlers."""

from monai_topoloss.handlers.loss_weight_schedule import LossWeightSchedule
from monai_topoloss.handlers.metrics import BettiError, CenterlineDice, CriticalError
from monai_topoloss.handlers.restore_label import RestoreLabel

__all__ = ["BettiError", "CenterlineDice", "CriticalError", "LossWeightSchedule", "RestoreLabel"]
