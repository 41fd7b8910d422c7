"""nnU-Net with Skeleton Recall and the supervoxel loss: trainers for a stock installation.

nnU-Net finds them in the folder that ``python -m monai_topoloss.nnunet --path`` prints, if ``nnUNet_extTrainer`` names
it (from 2.8 on), or after `register` (in every version): ``python -m monai_topoloss.nnunet nnUNetv2_train ...``.
"""

from __future__ import annotations

from monai_topoloss.nnunet.export import export_model
from monai_topoloss.nnunet.registration import TRAINERS, register, trainer_directory

__all__ = ["TRAINERS", "export_model", "register", "trainer_directory"]
