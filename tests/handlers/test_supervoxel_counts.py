from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine
from monai.handlers import StatsHandler

from monai_topoloss.handlers import LossWeightSchedule, SupervoxelCounts
from monai_topoloss.losses import DiceCESkeletonRecallLoss, SumLoss, SupervoxelLoss


def line(gaps, blobs=0):
    """Logits and label of a line with so many gaps, and so many objects invented."""
    label = torch.zeros(1, 1, 9, 30)
    label[..., 4, :] = 1
    logits = 2 * label - 1
    logits[..., 4, 2 : 2 + 3 * gaps : 3] = -1
    logits[..., 0, 0 : 2 * blobs : 2] = 1
    return logits, label


def test_means_over_the_samples_of_an_epoch():
    loss = SupervoxelLoss()
    trainer = Engine(lambda _, batch: loss(*batch).item())
    SupervoxelCounts(loss, name="net").attach(trainer)
    pair = [torch.cat(parts) for parts in zip(line(3), line(1, blobs=4), strict=True)]
    metrics = trainer.run([pair, line(0, blobs=2)]).metrics
    assert metrics == {"net_splits": 4 / 3, "net_merges": 2.0}
    assert trainer.run([line(5)], max_epochs=2).metrics == {"net_splits": 5.0, "net_merges": 0.0}


def test_classes_are_summed():
    loss = SupervoxelLoss()
    trainer = Engine(lambda _, batch: loss(*batch).item())
    SupervoxelCounts(loss).attach(trainer)
    channels = [torch.cat(parts, dim=1) for parts in zip(line(3), line(1, blobs=4), strict=True)]
    assert trainer.run([channels]).metrics == {"train_splits": 4.0, "train_merges": 4.0}


def test_epochs_without_a_search_have_none():
    loss = SupervoxelLoss(alpha=0)
    trainer = Engine(lambda _, batch: SumLoss([loss])(*batch).item())
    LossWeightSchedule(loss, value=0.5, start_epoch=2).attach(trainer)
    SupervoxelCounts(loss).attach(trainer)
    assert trainer.run([line(2)], max_epochs=1).metrics == {}
    assert trainer.run([line(2)], max_epochs=2).metrics == {"train_splits": 2.0, "train_merges": 0.0}
    loss.alpha = 0
    trainer = Engine(lambda _, batch: loss(*batch).item())
    SupervoxelCounts(loss).attach(trainer)
    trainer.state.metrics = {"train_splits": 7.0}
    assert trainer.run([line(2)], max_epochs=1).metrics == {}


def test_a_stats_handler_behind_it_logs_them():
    loss = SupervoxelLoss()
    trainer = Engine(lambda _, batch: loss(*batch).item())
    SupervoxelCounts(loss).attach(trainer)
    seen = []
    StatsHandler(epoch_print_logger=lambda engine: seen.append(dict(engine.state.metrics)), iteration_log=False).attach(
        trainer
    )
    trainer.run([line(2)], max_epochs=2)
    assert seen == [{"train_splits": 2.0, "train_merges": 0.0}] * 2


def test_losses_without_counts_are_named():
    with pytest.raises(TypeError, match=r"to be a SupervoxelLoss or SupervoxelAffinityLoss, got DiceCESkel.*inner one"):
        SupervoxelCounts(DiceCESkeletonRecallLoss())
