"""Logs how many splits and merges the supervoxel loss found in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from ignite.distributed import all_reduce
from monai.utils import optional_import
from torch import Tensor

from monai_topoloss._checks.losses import check_counting_loss
from monai_topoloss.losses import SupervoxelAffinityLoss, SupervoxelLoss

if TYPE_CHECKING:
    from ignite.engine import Engine, Events
else:
    Events, _ = optional_import("ignite.engine", name="Events")

__all__ = ["SupervoxelCounts"]


class SupervoxelCounts:
    """Put the mean numbers of splits and merges of an epoch into ``engine.state.metrics``.

    They are those that a `monai_topoloss.losses.SupervoxelLoss` has found while it was computed, summed over classes,
    for each sample that it was given, over all processes. They cost nothing more: sums stay on the device of the
    predictions, and are read once an epoch. An epoch without a search, with ``alpha=0``, gives no numbers.

    Before a ``StatsHandler`` or ``TensorBoardStatsHandler`` in ``train_handlers``, these log them.

    Args:
        loss: the loss whose ``last_counts`` are taken. Of a loss within another, hand over the inner one.
        name: what the names in ``engine.state.metrics`` begin with: ``name_splits`` and ``name_merges``.

    Raises:
        TypeError: if ``loss`` keeps no ``last_counts``.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_topoloss.losses import SupervoxelLoss
        >>> loss = SupervoxelLoss()
        >>> trainer = Engine(lambda engine, batch: loss(*batch).item())
        >>> SupervoxelCounts(loss).attach(trainer)
        >>> logits, label = torch.full((2, 1, 8, 8), -1.0), torch.ones(2, 1, 8, 8)
        >>> trainer.run([(logits, label)]).metrics
        {'train_splits': 1.0, 'train_merges': 0.0}
    """

    def __init__(self, loss: SupervoxelLoss | SupervoxelAffinityLoss, name: str = "train") -> None:
        check_counting_loss(loss)
        self.loss = loss
        self.name = name
        self._sums: Tensor | None = None  # splits, merges, samples

    def attach(self, engine: Engine) -> None:
        """Register with a trainer.

        Args:
            engine: an Ignite engine, such as `monai.engines.SupervisedTrainer`.
        """
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.update)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.complete)

    def start(self, engine: Engine) -> None:  # noqa: ARG002
        """Forget what was counted."""
        self._sums = None

    def update(self, engine: Engine) -> None:  # noqa: ARG002
        """Add the counts of the last call of the loss."""
        counts = self.loss.last_counts
        if counts is not None:
            samples = counts.n_splits.new_tensor(len(counts.n_splits))
            new = torch.stack([counts.n_splits.sum(), counts.n_merges.sum(), samples])
            self._sums = new if self._sums is None else self._sums + new

    def complete(self, engine: Engine) -> None:
        """Write the means."""
        sums = torch.zeros(3, dtype=torch.int64) if self._sums is None else self._sums
        splits, merges, samples = cast(Tensor, all_reduce(sums)).tolist()
        for kind, count in (("splits", splits), ("merges", merges)):
            if samples:
                engine.state.metrics[f"{self.name}_{kind}"] = count / samples
            else:
                engine.state.metrics.pop(f"{self.name}_{kind}", None)
