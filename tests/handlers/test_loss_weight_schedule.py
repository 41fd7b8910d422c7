from __future__ import annotations

import copy
import pickle

import pytest
from ignite.engine import Engine, Events

from monai_topoloss.handlers import LossWeightSchedule
from monai_topoloss.losses import SumLoss, SupervoxelLoss


def run(schedule, epochs, first=0):
    """Return what each iteration of each epoch sees."""
    seen = []
    engine = Engine(lambda engine, _: seen.append((engine.state.epoch, schedule.loss.alpha)))
    schedule.attach(engine)
    engine.add_event_handler(Events.STARTED, lambda: setattr(engine.state, "epoch", first))
    engine.run([0, 0], max_epochs=epochs)
    return seen


def test_switches_at_the_epoch_asked_for():
    seen = run(LossWeightSchedule(SupervoxelLoss(alpha=1), value=0.5, start_epoch=3), 4)
    assert seen == [(1, 0), (1, 0), (2, 0), (2, 0), (3, 0.5), (3, 0.5), (4, 0.5), (4, 0.5)]


def test_ramps():
    schedule = LossWeightSchedule(SupervoxelLoss(), value=0.8, start_epoch=2, ramp_epochs=3)
    assert [alpha for _, alpha in run(schedule, 6)[::2]] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 0.8])


def test_from_the_first_epoch_on_and_after_resuming():
    loss = SupervoxelLoss(alpha=0.1)
    LossWeightSchedule(loss)
    assert loss.alpha == 0.1
    assert run(LossWeightSchedule(SupervoxelLoss(), start_epoch=1), 1)[0] == (1, 0.5)
    assert run(LossWeightSchedule(SupervoxelLoss(), start_epoch=3), 5, first=2)[0] == (3, 0.5)


def test_other_attributes_and_copies():
    schedule = LossWeightSchedule(SupervoxelLoss(), "beta", value=0.25, start_epoch=1, initial=1.0)
    for each in (schedule, copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule))):
        run(each, 1)
        assert each.loss.beta == 0.25


def test_the_weights_of_a_sum():
    loss = SumLoss([SupervoxelLoss(alpha=0), SupervoxelLoss(alpha=1)])
    schedule = LossWeightSchedule(loss, "weights", value=[1, 9], initial=(1, 0), start_epoch=2, ramp_epochs=2)
    assert [schedule.at(epoch) for epoch in range(1, 6)] == [(1, 0), (1, 3), (1, 6), (1, 9), (1, 9)]
    engine = Engine(lambda *_: loss.weights)
    schedule.attach(engine)
    assert loss.weights == (1, 1)
    assert engine.run([0], max_epochs=1).output == (1, 0)
    assert engine.run([0], max_epochs=4).output == (1, 9)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, TypeError, "Expected `initial` to hold as many numbers as `value`"),
        ({"initial": [1]}, ValueError, "Expected `initial` to hold as many numbers as `value`, 2, got 1"),
        ({"initial": [1, "a"]}, TypeError, "Expected `initial` to be a number, got str"),
        ({"value": 1.0, "initial": 0.0}, TypeError, "weights"),
        ({"value": [1, 2, 3], "initial": [0, 0, 0]}, ValueError, "weights"),
        ({"attribute": "alpha", "initial": [1, 2]}, TypeError, "got SumLoss without"),
        ({"attribute": "losses", "initial": [1, 2]}, TypeError, "got SumLoss without"),
    ],
)
def test_bad_arguments_of_sums(options, error, message):
    with pytest.raises(error, match=message):
        LossWeightSchedule(
            SumLoss([SupervoxelLoss(), SupervoxelLoss()]), **{"attribute": "weights", "value": [1, 2], **options}
        )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"attribute": "gamma"}, TypeError, "Expected `loss` to have a number `gamma`, got SupervoxelLoss without"),
        ({"attribute": "softmax"}, TypeError, "Expected `loss` to have a number `softmax`"),
        ({"start_epoch": 0}, ValueError, "Expected `start_epoch` to be at least 1, got 0"),
        ({"start_epoch": 1.5}, TypeError, "Expected `start_epoch` to be an int"),
        ({"ramp_epochs": -1}, ValueError, "Expected `ramp_epochs` to be at least 0, got -1"),
        ({"value": 2.0}, ValueError, "Expected `alpha` from 0 to 1, got 2.0"),
        ({"initial": float("nan")}, ValueError, "Expected `alpha` from 0 to 1, got nan"),
        ({"value": "high"}, TypeError, "Expected `value` to be a number, got str"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        LossWeightSchedule(SupervoxelLoss(), **options)
