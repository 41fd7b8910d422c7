"""Draws what broke, every few epochs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.utils import optional_import

from monai_topoloss._checks.options import check_int
from monai_topoloss._checks.pictures import check_channel, check_destinations, check_item
from monai_topoloss._checks.tensors import check_channel_first
from monai_topoloss.visualize import plot_critical

if TYPE_CHECKING:
    from ignite.engine import Engine, Events
    from matplotlib.figure import Figure
else:
    Events, _ = optional_import("ignite.engine", name="Events")

__all__ = ["CriticalFigure"]

_DPI = 110


class CriticalFigure:
    """Write the figure of `monai_topoloss.visualize.plot_critical` to PNG files, to TensorBoard, or to both.

    Attach it to an evaluator: at the end of an epoch it takes an image of the last batch, so that, as long as
    validation data are not shuffled, figures of several epochs show the same one. Of several processes the first draws.

    Args:
        batch_transform: takes images out of the engine's batch, such as ``from_engine("image")``.
        output_transform: takes predictions and labels out of the engine's output, such as
            ``from_engine(["pred", "label"])``: one-hot or with a mask for each class, each of which gets a row; or one
            channel with objects' ids, or with ``num_classes`` with class ids.
        output_dir: folder for PNG files, which are named by ``tag`` and epoch.
        summary_writer: of TensorBoard.
        interval: write every so many epochs; MONAI's evaluators count them as the trainer does.
        item: which image of the batch.
        channel: the only one of prediction and label to show. Default: all.
        num_classes: see `plot_critical`.
        include_background: see `plot_critical`.
        edges: see `plot_critical`; for one channel of instances that touch.
        tolerance: see `plot_critical`.
        tag: name of files, and in TensorBoard.
        zooms: see `plot_critical`.
        connectivity: see `plot_critical`.
        spacing: see `plot_critical`.
        axis: see `plot_critical`.
        index: see `plot_critical`.

    Raises:
        TypeError: if a number is no int.
        ValueError: if there is neither ``output_dir`` nor ``summary_writer``, or ``interval`` is below 1.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai.handlers import from_engine
        >>> folder = tempfile.TemporaryDirectory()
        >>> batch = {name: torch.ones(1, 1, 16, 16) for name in ("image", "pred", "label")}
        >>> evaluator = Engine(lambda engine, batch: batch)
        >>> transforms = from_engine("image"), from_engine(["pred", "label"])
        >>> CriticalFigure(*transforms, output_dir=folder.name).attach(evaluator)
        >>> state = evaluator.run([batch])
        >>> [path.name for path in Path(folder.name).iterdir()]
        ['critical_0001.png']
        >>> folder.cleanup()
    """

    def __init__(
        self,
        batch_transform: Callable[..., Any],
        output_transform: Callable[..., Any],
        output_dir: str | os.PathLike[str] | None = None,
        summary_writer: Any = None,
        interval: int = 1,
        item: int = 0,
        channel: int | None = None,
        num_classes: int | None = None,
        include_background: bool = False,
        edges: Sequence[Sequence[int]] | None = None,
        tolerance: int = 0,
        tag: str = "critical",
        zooms: int = 4,
        connectivity: int | None = None,
        spacing: float | Sequence[float] | None = None,
        axis: int | Sequence[int] | None = None,
        index: int | None = None,
    ) -> None:
        check_destinations(output_dir=output_dir, summary_writer=summary_writer)
        check_int("interval", interval, minimum=1)
        check_int("item", item)
        if channel is not None:
            check_int("channel", channel)
        self.batch_transform = batch_transform
        self.output_transform = output_transform
        self.output_dir = None if output_dir is None else Path(output_dir)
        self.summary_writer = summary_writer
        self.interval = interval
        self.item = item
        self.channel = channel
        self.tag = tag
        self.options: dict[str, Any] = {
            "num_classes": num_classes,
            "include_background": include_background,
            "edges": edges,
            "tolerance": tolerance,
            "zooms": zooms,
            "connectivity": connectivity,
            "spacing": spacing,
            "axis": axis,
            "index": index,
        }

    def attach(self, engine: Engine) -> None:
        """Draw at the end of epochs of an engine."""
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self)

    def __call__(self, engine: Engine) -> None:
        """Draw the engine's last batch."""
        if _rank() != 0:
            return
        images = self.batch_transform(engine.state.batch)
        if isinstance(images, tuple) and len(images) == 1:  # so `from_engine` returns what a dictionary has
            (images,) = images
        check_item(self.item, len(images))
        prediction, label = (
            self._select(name, values[self.item])
            for name, values in zip(("prediction", "label"), self.output_transform(engine.state.output), strict=True)
        )
        epoch = engine.state.epoch
        figure = plot_critical(
            prediction,
            label,
            images[self.item],
            title=f"{self.tag}, epoch {epoch}",
            spatial_dims=prediction.ndim - 1,
            **self.options,
        )
        if self.output_dir is not None:
            path = self.output_dir / f"{self.tag}_{epoch:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=_DPI)
        if self.summary_writer is not None:
            self.summary_writer.add_image(self.tag, _as_array(figure), epoch, dataformats="HWC")

    def _select(self, name: str, image: Any) -> Any:
        """Return what to show of a ``(C, *spatial)`` image: all channels or one, with its metadata."""
        check_channel_first(name, image)
        if self.channel is None:
            return image
        check_channel(name, image, self.channel)
        channel = self.channel % len(image)
        return image[channel : channel + 1]


def _rank() -> int:
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def _as_array(figure: Figure) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Render a figure, uint8 (height, width, 3)."""
    canvas_type, _ = optional_import("matplotlib.backends.backend_agg", name="FigureCanvasAgg")
    figure.set_dpi(_DPI)
    canvas = canvas_type(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
