from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine
from monai.data import DataLoader, decollate_batch
from monai.engines import SupervisedEvaluator
from monai.handlers import CheckpointSaver, MetricsSaver, from_engine
from monai.transforms import AsDiscreted
from torch import nn

from monai_topoloss.handlers import (
    AdaptedRandError,
    BettiError,
    CenterlineDice,
    CriticalError,
    VariationOfInformation,
)
from monai_topoloss.metrics import (
    compute_adapted_rand_error,
    compute_betti_error,
    compute_centerline_dice,
    compute_critical_error,
    compute_variation_of_information,
)

OPTIONS = [
    (CenterlineDice, compute_centerline_dice, {"score": "precision", "include_background": True}),
    (CenterlineDice, compute_centerline_dice, {"ignore_empty": False, "method": "lee"}),
    (BettiError, compute_betti_error, {"kind": 0, "patch_size": 8, "stride": 4, "connectivity": 1}),
    (BettiError, compute_betti_error, {"kind": "euler", "ignore_empty": True}),
    (CriticalError, compute_critical_error, {"kind": "merges_per_object", "connectivity": 1}),
    (VariationOfInformation, compute_variation_of_information, {"score": "merge", "foreground_only": False}),
    (VariationOfInformation, compute_variation_of_information, {"ignore_empty": False, "connectivity": 1}),
    (AdaptedRandError, compute_adapted_rand_error, {"score": "recall", "include_background": True}),
]


def make_pair():
    generator = torch.Generator().manual_seed(0)
    return ((torch.rand(4, 2, 16, 16, generator=generator) < 0.4).float() for _ in range(2))


@pytest.mark.parametrize(("handler", "function", "options"), OPTIONS)
def test_hands_its_options_to_the_metric(handler, function, options):
    pred, label = make_pair()
    engine = Engine(lambda _, batch: batch)
    handler(**options).attach(engine, "value")
    engine.run([(pred[:2], label[:2]), (decollate_batch(pred[2:]), decollate_batch(label[2:]))])
    values = function(pred, label, **options)
    assert engine.state.metrics["value"] == pytest.approx(values.nanmean().item())
    torch.testing.assert_close(engine.state.metric_details["value"].squeeze(), values.squeeze())
    plain = handler(reduction="sum", save_details=False, **options)
    engine = Engine(lambda _, batch: batch)
    plain.attach(engine, "value")
    engine.run([(pred, label)])
    assert engine.state.metrics["value"] == pytest.approx(values.nansum().item())
    assert not getattr(engine.state, "metric_details", {})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_in_monais_evaluator(tmp_path):
    """As key metric with a checkpoint, and in MONAI's report."""
    image, label = make_pair()
    items = [{"image": i[:1], "label": x[:1]} for i, x in zip(image, label, strict=True)]
    network = nn.Conv2d(1, 2, 1)
    transform = from_engine(["pred", "label"])
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(items, batch_size=2),
        network=network,
        postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2),
        key_val_metric={"cldice": CenterlineDice(output_transform=transform)},
        additional_metrics={
            "betti": BettiError(output_transform=transform),
            "splits": CriticalError(output_transform=transform),
            "voi": VariationOfInformation(output_transform=transform),
            "are": AdaptedRandError(output_transform=transform),
        },
        val_handlers=[
            CheckpointSaver(str(tmp_path), {"network": network}, save_key_metric=True),
            MetricsSaver(str(tmp_path), metrics="*", metric_details="*"),
        ],
    )
    evaluator.run()
    assert set(evaluator.state.metrics) == {"cldice", "betti", "splits", "voi", "are"}
    assert list(tmp_path.glob("*key_metric*.pt"))
    assert "betti" in (tmp_path / "metrics.csv").read_text()
    assert len((tmp_path / "splits_raw.csv").read_text().splitlines()) == 5
