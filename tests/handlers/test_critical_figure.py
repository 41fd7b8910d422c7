from __future__ import annotations

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from matplotlib import image as mpl_image
from matplotlib.figure import Figure
from monai.data import DataLoader, MetaTensor
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import ValidationHandler, from_engine
from monai.transforms import AsDiscreted
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from monai_topoloss.handlers import CriticalFigure
from monai_topoloss.visualize import critical_overlay

TRANSFORMS = {"batch_transform": from_engine("image"), "output_transform": from_engine(["pred", "label"])}


def make_batch(shape=(24, 26), channels=2):
    generator = torch.Generator().manual_seed(0)
    image, pred, label = (torch.rand(2, channels, *shape, generator=generator) for _ in range(3))
    return {"image": image}, {"pred": (pred < 0.4).float(), "label": (label < 0.4).float()}


def run(handler, batch, output, epochs=1):
    engine = Engine(lambda _, __: output)
    handler.attach(engine)
    engine.run([batch], max_epochs=epochs)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_in_validation_of_a_trainer(tmp_path):
    batch, output = make_batch()
    items = [{"image": i[:1], "label": x[:1]} for i, x in zip(batch["image"], output["label"], strict=True)]
    network = nn.Conv2d(1, 2, 1)
    writer = SummaryWriter(str(tmp_path / "runs"))
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(items, batch_size=2),
        network=network,
        postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2),
        val_handlers=[CriticalFigure(**TRANSFORMS, output_dir=tmp_path / "png", summary_writer=writer, interval=2)],
    )
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=4,
        train_data_loader=DataLoader(items, batch_size=2),
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=lambda input, target: nn.functional.cross_entropy(input, target[:, 0].long()),
        train_handlers=[ValidationHandler(1, evaluator)],
    )
    trainer.run()
    writer.close()
    assert sorted(path.name for path in (tmp_path / "png").iterdir()) == ["critical_0002.png", "critical_0004.png"]
    events = EventAccumulator(str(tmp_path / "runs")).Reload()
    assert [event.step for event in events.Images("critical")] == [2, 4]
    picture = mpl_image.imread(tmp_path / "png" / "critical_0002.png")
    assert picture.shape[:2] == (events.Images("critical")[0].height, events.Images("critical")[0].width)


@pytest.mark.parametrize("spatial", [(24, 26), (8, 9, 10)])
@pytest.mark.parametrize("decollated", [True, False])
def test_takes_item_and_channel(tmp_path, spatial, decollated, monkeypatch):
    batch, output = make_batch(spatial, channels=3)
    if decollated:
        output = [{key: output[key][i] for key in output} for i in range(2)]
        batch = [{key: batch[key][i] for key in batch} for i in range(2)]
    shown = []
    monkeypatch.setattr(
        "monai_topoloss.handlers.critical_figure.plot_critical",
        lambda *images, **options: shown.append((images, options)),
    )
    handler = CriticalFigure(**TRANSFORMS, output_dir=tmp_path, item=1, channel=0, tag="x", zooms=2, connectivity=1)
    with pytest.raises(AttributeError):  # there is no figure to save
        run(handler, batch, output)
    (pred, label, image), options = shown[0]
    expected = make_batch(spatial, channels=3)
    np.testing.assert_array_equal(pred, expected[1]["pred"][1, :1])
    np.testing.assert_array_equal(label, expected[1]["label"][1, :1])
    np.testing.assert_array_equal(image, expected[0]["image"][1])
    assert options == {
        "zooms": 2,
        "connectivity": 1,
        "spacing": None,
        "axis": None,
        "index": None,
        "num_classes": None,
        "include_background": False,
        "edges": None,
        "tolerance": 0,
        "spatial_dims": len(spatial),
        "title": "x, epoch 1",
    }


def get_figure(monkeypatch, tmp_path, handler_options, batch, output):
    """Run the handler, and return the figure that it saves."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    run(CriticalFigure(**TRANSFORMS, output_dir=tmp_path, zooms=0, **handler_options), batch, output)
    (figure,) = figures
    return figure


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["class 1", "class 2"]),
        ({"include_background": True}, ["class 0", "class 1", "class 2"]),
        ({"channel": -1}, [""]),
    ],
)
def test_each_class_is_drawn(tmp_path, monkeypatch, options, names):
    batch, output = make_batch(channels=3)
    figure = get_figure(monkeypatch, tmp_path, options, batch, output)
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes] == names
    expected = critical_overlay(output["pred"][0, 2], output["label"][0, 2], batch["image"][0])
    np.testing.assert_array_equal(figure.axes[-1].images[0].get_array(), expected)


def test_class_maps_and_instances(tmp_path, monkeypatch):
    batch, _ = make_batch(channels=1)
    ids = {
        key: torch.randint(0, 3, (2, 1, 24, 26), generator=torch.Generator().manual_seed(3))
        for key in ("pred", "label")
    }
    figure = get_figure(monkeypatch, tmp_path, {"num_classes": 3}, batch, ids)
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes] == ["class 1", "class 2"]
    figure = get_figure(monkeypatch, tmp_path, {}, batch, ids)
    expected = critical_overlay(ids["pred"][0, 0], ids["label"][0, 0], batch["image"][0])
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), expected)


def test_spacing_of_what_an_evaluator_puts_out(tmp_path, monkeypatch):
    batch, output = make_batch((8, 9, 10), channels=2)
    affine = torch.diag(torch.tensor([4.0, 2, 1, 1]))
    output = [{key: MetaTensor(output[key][0], affine=affine) for key in output}] * 2
    for options, aspects in (({}, [2, 4, 2]), ({"channel": 1, "axis": (0, 1)}, [2, 4]), ({"spacing": 1}, [1, 1, 1])):
        figure = get_figure(monkeypatch, tmp_path, options, batch, output)
        assert [axes.get_aspect() for axes in figure.axes] == aspects


def test_tags_may_have_folders(tmp_path):
    run(CriticalFigure(**TRANSFORMS, output_dir=tmp_path, tag="val/broken"), *make_batch())
    assert (tmp_path / "val" / "broken_0001.png").is_file()


def test_only_the_first_process_draws(tmp_path, monkeypatch):
    monkeypatch.setattr("monai_topoloss.handlers.critical_figure._rank", lambda: 1)
    run(CriticalFigure(**TRANSFORMS, output_dir=tmp_path / "out"), *make_batch())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"output_dir": None}, ValueError, "Expected one of `output_dir`, `summary_writer`, got none"),
        ({"interval": 0}, ValueError, "Expected `interval` to be at least 1"),
        ({"item": 2}, ValueError, "Expected `item` of one of 2 in the batch, got 2"),
        ({"channel": 0.5}, TypeError, "Expected `channel` to be an int"),
        ({"item": 0.5}, TypeError, "Expected `item` to be an int"),
        ({"channel": 2}, ValueError, "Expected `channel` of one of 2 in `prediction`, got 2"),
    ],
)
def test_bad_options(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        run(CriticalFigure(**TRANSFORMS, **{"output_dir": tmp_path, **options}), *make_batch())
