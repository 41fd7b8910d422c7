"""nnU-Net's trainer with Skeleton Recall, with what minds inventions besides, and with the supervoxel loss.

The skeleton comes from the data loader, as further channels of the segmentation. All else is nnU-Net's: network,
augmentation, losses, their weights over the outputs, and what DDP needs. Change the class attributes in a subclass.
"""

from __future__ import annotations

from typing import Any

import torch
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import DownsampleSegForDSTransform
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from monai_topoloss._checks.options import UNITS, check_method, check_option, check_radius, check_share, check_weight
from monai_topoloss.losses import (
    SkeletonPrecisionLoss,
    SkeletonRecallLoss,
    SoftCenterlineDiceLoss,
    SumLoss,
    SupervoxelLoss,
)
from monai_topoloss.losses.dice_ce_skeleton_recall import CLDICE_BETA, CLDICE_ITERATIONS
from monai_topoloss.losses.skeleton_precision import THRESHOLDS
from monai_topoloss.nnunet.loss import IGNORED, ExtendedLoss
from monai_topoloss.nnunet.transform import AddSkeletonTransform
from monai_topoloss.topology.skeleton import RADIUS

__all__ = [
    "TopologyTrainerMixin",
    "nnUNetTrainerSkeletonRecall",
    "nnUNetTrainerSkeletonRecallCenterlineDice",
    "nnUNetTrainerSkeletonRecallPrecision",
    "nnUNetTrainerSkeletonRecallSupervoxel",
    "nnUNetTrainerSupervoxel",
]


class TopologyTrainerMixin:
    """Skeleton Recall and the supervoxel loss for any trainer of nnU-Net that has the stock targets.

    Its class attributes are the settings, read when transforms and loss are built. Put it before the trainer::

        class Mine(TopologyTrainerMixin, nnUNetTrainerNoMirroring):
            recall_weight = 0.5
    """

    # There is no constructor: nnU-Net introspects that of its trainers.

    recall_weight = 0.0  # of the recall beside Dice and cross entropy, which have 1; 0 for none
    skeleton_radius: float = RADIUS  # of the tubes, in the following units
    skeleton_units = "voxels"  # or "mm": of the plans' spacing
    skeleton_kind = "curve"  # or, in 3-D, "surface" for sheets
    cldice_weight = 0.0  # of soft clDice; 0 for none
    cldice_iterations = CLDICE_ITERATIONS  # how often it erodes: half the width of the thickest structures, or more
    cldice_beta = CLDICE_BETA  # how much recall weighs in it beside precision
    precision_weight = 0.0  # of the skeleton precision; 0 for none
    precision_thresholds = THRESHOLDS  # of the probabilities whose skeletons it takes
    full_resolution_only = False  # True: train the first output alone, as the released Skeleton Recall does in effect
    supervoxel_alpha = 0.0  # how much splits and merges weigh in the supervoxel loss; 0 for none
    supervoxel_beta = 0.5  # how much of that is for splits
    supervoxel_start = 0.2  # share of the epochs before the supervoxel loss begins

    def _build_loss(self: Any) -> torch.nn.Module:
        self._check_settings()
        loss: Any = super()._build_loss()  # type: ignore[misc]
        result: torch.nn.Module = loss
        if isinstance(loss, DeepSupervisionWrapper):
            loss.loss = self._extend(loss.loss)
            if self.full_resolution_only:
                unused = 1e-6 if self.is_ddp else 0.0  # DDP wants a gradient of each parameter
                first, *others = loss.weight_factors
                loss.weight_factors = (first, *[unused] * len(others))
        else:
            result = self._extend(loss)
        return result

    def _check_settings(self: Any) -> None:
        for name in ("recall_weight", "cldice_weight", "cldice_beta", "precision_weight"):
            check_weight(name, getattr(self, name))
        check_option("skeleton_units", self.skeleton_units, UNITS)
        check_radius(self.skeleton_radius, self._spacing(), name="skeleton_radius")
        check_method(None, len(self.configuration_manager.patch_size), self.skeleton_kind)
        for name in ("supervoxel_alpha", "supervoxel_beta", "supervoxel_start"):
            check_share(name, getattr(self, name))

    def _spacing(self: Any) -> list[float] | None:
        return None if self.skeleton_units == "voxels" else [float(x) for x in self.configuration_manager.spacing]

    def _extend(self: Any, loss: torch.nn.Module) -> ExtendedLoss:
        """Add terms to the loss of one output."""
        manager, regions = self.label_manager, self._num_regions()
        ignore_index = (IGNORED if regions else manager.ignore_label) if manager.has_ignore_label else None
        options: dict[str, Any] = {
            "softmax": not regions,
            "to_onehot_y": not regions,
            "sigmoid": bool(regions),
            "batch": self.configuration_manager.batch_dice,
            "ignore_index": ignore_index,
        }
        supervoxel = inventions = None
        recall = SkeletonRecallLoss(**options) if self.recall_weight else None
        if self.cldice_weight or self.precision_weight:
            cldice = SoftCenterlineDiceLoss(
                self.cldice_iterations,
                include_background=bool(regions),
                beta=self.cldice_beta,
                per_class=True,
                **options,
            )
            precision = SkeletonPrecisionLoss(thresholds=self.precision_thresholds, **options)
            inventions = SumLoss([cldice, precision], [self.cldice_weight, self.precision_weight])
        if self.supervoxel_alpha:
            supervoxel = SupervoxelLoss(
                to_onehot_y=not regions,
                softmax=not regions,
                alpha=0,
                beta=self.supervoxel_beta,
                ignore_index=ignore_index,
            )
        return ExtendedLoss(
            loss,
            recall=recall,
            supervoxel=supervoxel,
            inventions=inventions,
            recall_weight=self.recall_weight,
            regions=regions,
            num_plain=regions + manager.has_ignore_label if regions else 1,
            num_skeletons=(regions or 1) if self.recall_weight else 0,
        )

    def _num_regions(self: Any) -> int:
        return len(self.label_manager.foreground_regions) if self.label_manager.has_regions else 0

    def _one_output_loss(self: Any) -> ExtendedLoss:
        loss = self.loss.loss if isinstance(self.loss, DeepSupervisionWrapper) else self.loss
        if not isinstance(loss, ExtendedLoss):
            raise TypeError(f"Expected the loss that this trainer built, got {type(loss).__name__}.")
        return loss

    def get_training_transforms(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Return nnU-Net's transforms, which carry the skeleton."""
        return self._with_skeleton(super().get_training_transforms(*args, **kwargs))  # type: ignore[misc]

    def get_validation_transforms(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Return nnU-Net's transforms, which carry the skeleton."""
        return self._with_skeleton(super().get_validation_transforms(*args, **kwargs))  # type: ignore[misc]

    def _with_skeleton(self: Any, transforms: ComposeTransforms) -> ComposeTransforms:
        """Add the skeleton last, and low resolutions with it instead of nnU-Net's."""
        scales = self._get_deep_supervision_scales()
        minds_low = self.supervoxel_alpha or self.cldice_weight or self.precision_weight
        if not self.recall_weight and (scales is None or not minds_low):
            return transforms
        kept = [each for each in transforms.transforms if not isinstance(each, DownsampleSegForDSTransform)]
        skeleton = AddSkeletonTransform(
            scales,
            regions=self._num_regions(),
            ignore_label=self.label_manager.ignore_label,
            radius=self.skeleton_radius,
            spacing=self._spacing(),
            kind=self.skeleton_kind,
            append=bool(self.recall_weight),
        )
        return ComposeTransforms([*kept, skeleton])

    def on_train_epoch_start(self: Any) -> None:
        """Switch the supervoxel loss on in time."""
        super().on_train_epoch_start()  # type: ignore[misc]
        supervoxel = self._one_output_loss().supervoxel
        if supervoxel is not None:
            start = round(self.supervoxel_start * self.num_epochs, 6)  # as 0.07 * 100 is a little more than 7
            supervoxel.alpha = self.supervoxel_alpha if self.current_epoch >= start else 0

    def validation_step(self: Any, batch: dict[str, Any]) -> dict[str, Any]:
        """Compute the loss on all of the target, and nnU-Net's pseudo Dice on what it knows."""
        split, loss, whole = self._one_output_loss().split, self.loss, batch["target"]
        if isinstance(whole, list):
            whole = [part.to(self.device, non_blocking=True) for part in whole]
            plain = [split(part)[0] for part in whole]
        else:
            whole = whole.to(self.device, non_blocking=True)
            plain = split(whole)[0]
        self.loss = lambda output, _: loss(output, whole)  # nnU-Net changes the plain target, but not before
        try:
            result: dict[str, Any] = super().validation_step({**batch, "target": plain})  # type: ignore[misc]
        finally:
            self.loss = loss
        return result


class nnUNetTrainerSkeletonRecall(TopologyTrainerMixin, nnUNetTrainer):  # type: ignore[misc]  # noqa: N801
    """Dice + cross entropy + Skeleton Recall, as published."""

    recall_weight = 1.0


class nnUNetTrainerSkeletonRecallCenterlineDice(TopologyTrainerMixin, nnUNetTrainer):  # type: ignore[misc]  # noqa: N801
    """Dice + cross entropy + Skeleton Recall + soft clDice, with the weights that we recommend."""

    recall_weight = 2.0
    cldice_weight = 3.0


class nnUNetTrainerSkeletonRecallPrecision(TopologyTrainerMixin, nnUNetTrainer):  # type: ignore[misc]  # noqa: N801
    """Dice + cross entropy + Skeleton Recall + skeleton precision."""

    recall_weight = 2.0
    precision_weight = 3.0


class nnUNetTrainerSupervoxel(TopologyTrainerMixin, nnUNetTrainer):  # type: ignore[misc]  # noqa: N801
    """Dice + cross entropy, and after a fifth of the epochs the supervoxel loss."""

    supervoxel_alpha = 0.5


class nnUNetTrainerSkeletonRecallSupervoxel(TopologyTrainerMixin, nnUNetTrainer):  # type: ignore[misc]  # noqa: N801
    """Both."""

    recall_weight = 1.0
    supervoxel_alpha = 0.5
