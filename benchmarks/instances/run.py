"""Train networks that predict affinities of neurites, with different losses, and measure the instances they make.

python benchmarks/instances/run.py --root DATA --seeds 0 1 2
python benchmarks/instances/report.py

A run that is there is left alone, one that was interrupted goes on where it was. Results are CSV files with a row for
each way to make instances, in results/ARM/SEED_SECTION.csv; checkpoints and predictions go to --work.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import volume
from monai.bundle import ConfigParser
from monai.data import CacheDataset
from monai.inferers import SlidingWindowInferer
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1]))
from training import Training, add_arguments, run_missing, write_rows

from monai_topoloss import (
    AffinitiesToInstances,
    affinities,
    critical_affinities,
    label_affinities,
    score_skeletons,
    skeleton_trees,
)
from monai_topoloss.metrics import (
    compute_adapted_rand_error,
    compute_instance_score,
    compute_variation_of_information,
)

HERE = Path(__file__).parent
ARMS = ("bce", "bce_0.5", "bce_0.1", "supervoxel_0.5", "supervoxel_0.9", "mistakes_added", "supervoxel_added")
THRESHOLDS = {  # of probabilities, for each way to make instances
    "components": (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998),
    "mutex_watershed": (0.1, 0.2, 0.3, 0.5, 0.7, 0.8),
}
MIN_SIZE = 20
MIN_NODES = 50  # of a merge, of 10 nm each
GROWTH = 3  # voxels
COLUMNS = (
    "method", "threshold", "voi", "voi_split", "voi_merge", "are", "nerl", "erl", "correct_edges", "neuron_splits",
    "neuron_merges", "splits", "merges", "f1",
)  # fmt: skip


class Run(Training):
    """Trains one arm with one seed."""

    def predict(self, image: Tensor) -> Tensor:
        """Return logits in float32."""
        precision = getattr(torch, self.parser.get_parsed_content("precision"))
        with torch.autocast(self.device.type, precision, enabled=precision != torch.float32):
            return super().predict(image).float()

    def compute_loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Compute the loss of images and ids."""
        loss: Tensor = self.loss(self.predict(batch["image"]), batch["label"])
        return loss


def main() -> None:
    """Run what is not there yet."""
    args = parse_arguments()

    def run_one(parser: ConfigParser, seed: int, work: Path, paths: dict[str, Path]) -> None:
        run = start(parser, seed, volume.read(args.root, "training", args.cases), torch.device(args.device))
        run.train(work / f"{seed}.pt")
        for section, path in paths.items():
            logits, label = predict(run, volume.read(args.root, section, args.cases))
            write_rows(path, COLUMNS, evaluate(logits, label, parser))

    run_missing(args, read_arm, run_one)


def read_arm(arm: str, overrides: dict[str, Any] | None = None) -> ConfigParser:
    """Read the configuration of an arm, and change settings."""
    parser = ConfigParser()
    parser.read_config([str(HERE / "common.yaml"), str(HERE / "arms" / f"{arm}.yaml")])
    if unknown := sorted((overrides or {}).keys() - parser.get().keys()):
        raise ValueError(f"{arm} has no setting {', '.join(unknown)}.")
    parser.update(overrides or {})
    return parser


def start(parser: ConfigParser, seed: int, item: dict[str, Any], device: torch.device) -> Run:
    """Return a training on random patches of a section."""
    transform = volume.augment(parser.get_parsed_content("patch_size"))
    return Run(parser, seed, CacheDataset([item], transform, progress=False), device)


@torch.no_grad()
def predict(run: Run, item: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Return logits of affinities, (edges, z, y, x), and true ids, (z, y, x), of a section."""
    run.network.eval()
    item = volume.load()(item)
    inferer = SlidingWindowInferer(run.parser.get_parsed_content("patch_size"), overlap=0.25, mode="gaussian")
    logits = inferer(item["image"][None].to(run.device), run.predict)
    return logits[0].float().cpu(), item["label"][0]


def evaluate(logits: Tensor, label: Tensor, parser: ConfigParser) -> list[dict[str, object]]:
    """Make instances in several ways, and measure each."""
    edges, n = parser.get_parsed_content("edges"), parser.get_parsed_content("n_joining")
    # Ids of two places that meet in another section only are two objects here.
    true = torch.as_tensor(label_affinities(join(label, edges[:n]), edges[:n]))
    skeletons = skeleton_trees(true, spacing=volume.SPACING)
    rows = []
    for method, probabilities in THRESHOLDS.items():
        for probability in probabilities:
            found = make_instances(logits, parser, method, probability)
            counts = critical_affinities(join(found[0], edges[:n]), true, edges[:n], tolerance=1)
            of_edges = {"splits": int(counts.n_splits), "merges": int(counts.n_merges)}
            scores = measure(found, true[None], skeletons)
            rows.append({"method": method, "threshold": probability, **scores, **of_edges})
    return rows


def make_instances(logits: Tensor, parser: ConfigParser, method: str, probability: float) -> Tensor:
    """Return instances, (1, z, y, x), of what is joined with more than a probability."""
    edges, n = parser.get_parsed_content("edges"), parser.get_parsed_content("n_joining")
    threshold = float(np.log(probability / (1 - probability)))
    find = AffinitiesToInstances(edges, threshold, n, MIN_SIZE, GROWTH, method)
    return torch.as_tensor(find(logits))


def join(label: Tensor, edges: list[list[int]]) -> Tensor:
    """Return the true affinities."""
    return torch.as_tensor(affinities(label, edges))


def measure(found: Tensor, true: Tensor, skeletons: Any) -> dict[str, float]:
    """Measure instances (1, z, y, x)."""
    pair = found[None], true[None]
    split, merge = (compute_variation_of_information(*pair, instances=True, score=kind) for kind in ("split", "merge"))
    total, _ = score_skeletons(found[0], skeletons, spacing=volume.SPACING, min_nodes=MIN_NODES)
    return {
        "voi": float(split + merge),
        "voi_split": float(split),
        "voi_merge": float(merge),
        "are": float(compute_adapted_rand_error(*pair, instances=True)),
        "nerl": total.normalized_erl,
        "erl": total.erl,
        "correct_edges": total.correct,
        "neuron_splits": total.n_splits,
        "neuron_merges": total.n_merges,
        "f1": float(compute_instance_score(*pair)),
    }


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_places(parser)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--planes", type=int, dest="cases", help="use only the first planes of each section")
    add_arguments(parser, list(volume.SECTIONS))
    return parser.parse_args()


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add where data are, and where results and checkpoints go."""
    parser.add_argument("--root", type=Path, required=True, help="folder that holds flyem_medulla")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--work", type=Path, default=Path("instances_work"), help="checkpoints")


if __name__ == "__main__":
    main()
