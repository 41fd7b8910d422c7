"""Changes numbers of a loss over the epochs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from monai.utils import optional_import

from monai_topoloss._checks.options import check_attribute, check_int, check_numbers

if TYPE_CHECKING:
    from ignite.engine import Engine, Events
else:
    Events, _ = optional_import("ignite.engine", name="Events")

__all__ = ["LossWeightSchedule"]

Numbers = float | tuple[float, ...]


class LossWeightSchedule:
    """Switch a number of a loss to another value at an epoch, or ramp it there.

    Epochs count from 1, as Ignite does. Before ``start_epoch`` the number is ``initial``. Over the ``ramp_epochs`` from
    ``start_epoch`` on it grows by equal steps, and from epoch ``start_epoch + ramp_epochs`` on it is ``value``; without
    a ramp, epoch ``start_epoch`` is the first with ``value``. It is set before the first iteration of each epoch, from
    the number of the epoch alone, so that training may be resumed anywhere.

    For example, ``LossWeightSchedule(loss, value=0.5, start_epoch=11)`` trains ten epochs without the supervoxel term.
    ``LossWeightSchedule(sum_loss, "weights", value=(1, 20), initial=(1, 0), start_epoch=11)`` trains ten epochs without
    the second loss of a `monai_topoloss.losses.SumLoss`.

    Args:
        loss: the object that has the number, such as a `monai_topoloss.losses.SupervoxelLoss`. For a loss within
            another, hand over the inner one.
        attribute: its name.
        value: what it is in the end; a sequence for an attribute that is a tuple of numbers.
        start_epoch: first epoch of the change, from 1 on.
        ramp_epochs: how many epochs it is in between.
        initial: what it is at first; as many numbers as ``value``.

    Raises:
        TypeError: if a number is none, or ``loss`` has no such number.
        ValueError: if ``start_epoch`` is below 1, or ``ramp_epochs`` below 0, or ``initial`` has not as many numbers as
            ``value``, or the loss refuses a value.

    Example:
        >>> from ignite.engine import Engine
        >>> from monai_topoloss.losses import SupervoxelLoss
        >>> loss = SupervoxelLoss(alpha=0)
        >>> trainer = Engine(lambda engine, batch: loss.alpha)
        >>> LossWeightSchedule(loss, value=0.5, start_epoch=3).attach(trainer)
        >>> trainer.run([0], max_epochs=2).output, trainer.run([0], max_epochs=3).output
        (0.0, 0.5)
    """

    def __init__(
        self,
        loss: Any,
        attribute: str = "alpha",
        value: float | Sequence[float] = 0.5,
        start_epoch: int = 11,
        ramp_epochs: int = 0,
        initial: float | Sequence[float] = 0.0,
    ) -> None:
        value, initial = check_numbers(value=value, initial=initial)
        check_attribute(loss, attribute, like=value)
        check_int("start_epoch", start_epoch, minimum=1)
        check_int("ramp_epochs", ramp_epochs, minimum=0)
        for number in (value, initial):  # the loss may refuse them, better now than after ten epochs
            setattr(copy.copy(loss), attribute, number)
        self.loss = loss
        self.attribute = attribute
        self.value = value
        self.start_epoch = start_epoch
        self.ramp_epochs = ramp_epochs
        self.initial = initial

    def attach(self, engine: Engine) -> None:
        """Register with a trainer.

        Args:
            engine: an Ignite engine, such as `monai.engines.SupervisedTrainer`.
        """
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Set the number for the current epoch."""
        setattr(self.loss, self.attribute, self.at(engine.state.epoch))

    def at(self, epoch: int) -> Numbers:
        """Return what the number is in an epoch."""
        if epoch < self.start_epoch:
            return self.initial
        steps = epoch - self.start_epoch + 1
        if steps > self.ramp_epochs:
            return self.value
        return _mix(self.initial, self.value, steps / (self.ramp_epochs + 1))


def _mix(first: Numbers, last: Numbers, share: float) -> Numbers:
    if isinstance(first, tuple) and isinstance(last, tuple):
        return tuple(a + (b - a) * share for a, b in zip(first, last, strict=True))
    first, last = cast(float, first), cast(float, last)
    return first + (last - first) * share
