from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import pytest
import torch
from monai.engines import IterationEvents, SupervisedEvaluator, SupervisedTrainer

from monai_topoloss import PrepareBatchSkeleton, SkeletonRecallLoss
from monai_topoloss.handlers import RestoreLabel


@pytest.mark.parametrize("target", [("label", "skeleton"), ["label", "skeleton"], "label"])
def test_unpacks_a_pair(target):
    handler = RestoreLabel()
    for copied in (handler, copy.deepcopy(handler), pickle.loads(pickle.dumps(handler))):
        engine = SimpleNamespace(state=SimpleNamespace(output={"label": target, "loss": 1.0}))
        copied(engine)
        assert engine.state.output == {"label": "label", "loss": 1.0}


@pytest.mark.parametrize("training", [True, False])
def test_unpacks_before_anything_else_sees_the_output(training):
    """In a trainer right after the loss, so before gradients and steps; in an evaluator after the forward pass."""
    tensor = torch.ones(2, 1, 8, 8)
    network = torch.nn.Conv2d(1, 1, 1)
    loader = [{"image": tensor, "label": tensor, "skeleton_label": tensor}]
    common = {"device": "cpu", "network": network, "prepare_batch": PrepareBatchSkeleton(), "decollate": False}
    if training:
        engine = SupervisedTrainer(
            max_epochs=1,
            train_data_loader=loader,
            optimizer=torch.optim.SGD(network.parameters(), 0.1),
            loss_function=SkeletonRecallLoss(sigmoid=True),
            train_handlers=[RestoreLabel()],
            **common,
        )
        events = [
            IterationEvents.FORWARD_COMPLETED, IterationEvents.LOSS_COMPLETED, IterationEvents.BACKWARD_COMPLETED
        ]  # fmt: skip
    else:
        engine = SupervisedEvaluator(val_data_loader=loader, val_handlers=[RestoreLabel()], **common)
        events = [IterationEvents.FORWARD_COMPLETED]
    kinds = []
    for event in events:
        engine.add_event_handler(event, lambda engine: kinds.append(type(engine.state.output["label"])))
    engine.run()
    assert kinds == ([tuple] if training else []) + [torch.Tensor] * (2 if training else 1)
