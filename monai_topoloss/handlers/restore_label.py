"""Puts the plain label back after a loss has used a pair of label and skeleton."""

from __future__ import annotations

from monai.engines import Trainer, Workflow
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys

__all__ = ["RestoreLabel"]


class RestoreLabel:
    """Replace the target ``(label, skeleton)`` in an engine's output by the label.

    `monai_topoloss.engines.PrepareBatchSkeleton` makes the target a pair. This handler, in ``train_handlers``, unpacks
    it as soon as the loss has been computed, before decollation, postprocessing and metrics see the output. In an
    evaluator, which has no loss, it does so after the forward pass.

    Example:
        >>> import torch
        >>> from monai.engines import SupervisedTrainer
        >>> from monai_topoloss import PrepareBatchSkeleton, SkeletonRecallLoss
        >>> network = torch.nn.Conv2d(1, 1, 1)
        >>> image, label = torch.rand(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
        >>> trainer = SupervisedTrainer(
        ...     device="cpu", max_epochs=1, network=network, optimizer=torch.optim.SGD(network.parameters(), 0.1),
        ...     train_data_loader=[{"image": image, "label": label, "skeleton_label": label}],
        ...     loss_function=SkeletonRecallLoss(sigmoid=True), prepare_batch=PrepareBatchSkeleton(),
        ...     train_handlers=[RestoreLabel()],
        ... )
        >>> trainer.run()
        >>> trainer.state.output[0]["label"].shape
        torch.Size([1, 8, 8])
    """

    def attach(self, engine: Workflow) -> None:
        """Register with a trainer or evaluator.

        Args:
            engine: a `monai.engines.Workflow`.
        """
        event = IterationEvents.LOSS_COMPLETED if isinstance(engine, Trainer) else IterationEvents.FORWARD_COMPLETED
        engine.add_event_handler(event, self)

    def __call__(self, engine: Workflow) -> None:
        """Unpack the target, if it is a pair."""
        label = engine.state.output[CommonKeys.LABEL]
        if isinstance(label, tuple | list):
            engine.state.output[CommonKeys.LABEL] = label[0]
