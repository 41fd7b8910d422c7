"""Trains and evaluates one arm on one data set with one seed."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import data
import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data import CacheDataset
from monai.inferers import SlidingWindowInferer
from monai.metrics import DiceMetric, HausdorffDistanceMetric
from torch import Tensor

from monai_topoloss.metrics import (
    compute_adapted_rand_error,
    compute_betti_error,
    compute_centerline_dice,
    compute_critical_error,
    compute_variation_of_information,
)

sys.path.append(str(Path(__file__).parents[1]))
from training import Training

HERE = Path(__file__).parent
ARMS = (
    "dice_ce", "dice_ce_0.5", "dice_ce_0.02", "soft_cldice", "own_cldice", "recall_0.1", "recall_1", "recall_cldice",
    "recall_cldice_3", "recall_cldice_3_beta_0.7", "recall_cldice_beta", "recall_2_cldice_3",
    "recall_cldice_precision", "recall_precision", "penalty", "recall_precision_penalty", "supervoxel_0.5",
    "supervoxel_0.8", "supervoxel_strong", "supervoxel_added", "recall_supervoxel",
)  # fmt: skip
RIVALS = ("betti_matching", "topograph")  # of other packages, which have to be installed


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Make a command line with what the scripts have in common."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder that holds topomortar, chase_db1 and so on")
    parser.add_argument("--data", choices=data.DATA_SETS, default=data.DATA_SETS[0])
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--work", type=Path, default=Path("segmentation_work"), help="checkpoints and predictions")
    return parser


def stem(name: str, section: str) -> str:
    """Return how the files of results begin that are about a section of a data set."""
    return name if section == "test" else f"{name}_{section}"


def read_arm(
    arm: str, overrides: dict[str, Any] | None = None, config: Path | None = None, name: str = data.DATA_SETS[0]
) -> ConfigParser:
    """Read the configuration of an arm, and change settings for a data set, by a file and by hand."""
    parser = ConfigParser()
    folder = HERE / ("rivals" if arm in RIVALS else "arms")
    parser.read_config([str(HERE / "common.yaml"), str(folder / f"{arm}.yaml")])
    changes: dict[str, Any] = {}
    for path in (HERE / "volumes.yaml" if name in data.VOLUMES else None, config):
        changes |= {} if path is None else ConfigParser.load_config_file(path)
    changes |= overrides or {}
    if unknown := sorted(changes.keys() - parser.get().keys()):
        raise ValueError(f"{arm} has no setting {', '.join(unknown)}.")
    parser.update(changes)
    return parser


class Run(Training):
    """Trains one arm with one seed."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.uses_skeleton = self.parser.get_parsed_content("uses_skeleton")

    def compute_loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Compute the loss of images, labels and their skeletons."""
        image, label, skeleton = (batch[key] for key in ("image", "label", "skeleton_label"))
        loss: Tensor = self.loss(self.predict(image), (label, skeleton) if self.uses_skeleton else label)
        return loss


def make_training_set(name: str, root: Path, parser: ConfigParser, cases: int | None = None) -> CacheDataset:
    """Make the training set of a data set; skeletons are made once."""
    transform = data.augment(name, parser.get_parsed_content("patch_size"))
    return CacheDataset(data.list_cases(name, root, "training")[:cases], transform, progress=False)


@torch.no_grad()
def evaluate(run: Run, name: str, root: Path, section: str, cases: int | None = None) -> list[dict[str, Any]]:
    """Measure each image of a section; ``"mask"`` is the prediction."""
    run.network.eval()
    inferer = SlidingWindowInferer(run.parser.get_parsed_content("patch_size"), sw_batch_size=4, overlap=0.25)
    rows = []
    for case in data.list_cases(name, root, section)[:cases]:
        item = data.load(name)(case)
        logits = inferer(item["image"].as_tensor()[None].to(run.device), run.network)
        mask = logits.argmax(dim=1, keepdim=True).cpu()
        rows.append({"case": case["case"], "group": case["group"], **measure(mask, item["label"].as_tensor()[None])})
        rows[-1]["mask"] = mask[0, 0].numpy().astype(np.uint8)
    return rows


def measure(mask: Tensor, label: Tensor) -> dict[str, float]:
    """Measure a mask ``(1, 1, *spatial)`` against its label."""
    values = {
        "dice": DiceMetric()(mask, label),
        "cldice": compute_centerline_dice(mask, label),
        "betti0": compute_betti_error(mask, label, kind=0),
        "betti1": compute_betti_error(mask, label, kind=1),
        "splits": compute_critical_error(mask, label, kind="splits"),
        "merges": compute_critical_error(mask, label, kind="merges"),
        "voi": compute_variation_of_information(mask, label),  # of connected components
        "are": compute_adapted_rand_error(mask, label),
        # a network that finds nothing must not be left out of the mean: the image's diagonal
        "hd95": HausdorffDistanceMetric(percentile=95)(mask, label) if mask.any() else math.hypot(*mask.shape[2:]),
    }
    return {key: float(torch.as_tensor(value).float().mean()) for key, value in values.items()}
