"""Trainings that resume, and folders that belong to one configuration each."""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from monai.bundle import ConfigParser
from monai.utils import set_determinism
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler


class Training(ABC):
    """A training that can be interrupted: what an epoch does depends on its number, the seed and the weights alone.

    Args:
        parser: configuration with ``network``, ``loss``, ``optimizer``, ``scheduler``, ``handlers``, ``patch_size``,
            ``batch_size``, ``steps_per_epoch`` and ``epochs``.
        seed: of the weights, patches and augmentations.
        dataset: items of the training.
        device: where to train.
    """

    def __init__(self, parser: ConfigParser, seed: int, dataset: Dataset[Any], device: torch.device) -> None:
        self.parser = parser
        self.seed = seed
        self.device = device
        self.dataset = dataset
        set_determinism(seed)
        network = parser.get_parsed_content("network")
        is_2d = len(parser.get_parsed_content("patch_size")) == 2
        self.memory_format = torch.channels_last if is_2d else torch.channels_last_3d
        parser["network"] = network.to(device, memory_format=self.memory_format)
        self.network: torch.nn.Module = parser["network"]
        self.loss = parser.get_parsed_content("loss")
        self.optimizer = parser.get_parsed_content("optimizer")
        self.scheduler = parser.get_parsed_content("scheduler")
        self.handlers = parser.get_parsed_content("handlers")
        self.steps = parser.get_parsed_content("steps_per_epoch")
        self.epochs = parser.get_parsed_content("epochs")
        self.batch_size = parser.get_parsed_content("batch_size")
        self.epoch = 0  # how many are done

    def train(self, checkpoint: Path | None = None) -> None:
        """Train until the end, from the checkpoint on if there is one, and keep one after each epoch."""
        if checkpoint is not None and checkpoint.is_file():
            self.load(checkpoint)
        while self.epoch < self.epochs:
            self.train_epoch()
            if checkpoint is not None:
                self.save(checkpoint)

    def train_epoch(self) -> float:
        """Train an epoch, and return its mean loss."""
        set_determinism(10_000 * (self.seed + 1) + self.epoch)
        self.dataset.transform.set_random_state(10_000 * (self.seed + 1) + self.epoch)  # type: ignore[attr-defined]
        self.set_weights(self.epoch + 1)
        self.network.train()
        losses = [self.step(batch) for batch in self.load_epoch()]
        self.scheduler.step()
        self.epoch += 1
        return float(np.mean(losses))

    def load_epoch(self) -> DataLoader[Any]:
        """Return the batches of an epoch."""
        sampler = RandomSampler(self.dataset, replacement=True, num_samples=self.steps * self.batch_size)  # type: ignore[arg-type]
        return DataLoader(self.dataset, self.batch_size, sampler=sampler)

    def set_weights(self, epoch: int) -> None:
        """Set what the handlers schedule, for an epoch counted from 1."""
        for handler in self.handlers:
            setattr(handler.loss, handler.attribute, handler.at(epoch))

    def step(self, batch: dict[str, Tensor]) -> float:
        """Take a step, and return the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        moved = {key: item.to(self.device) for key, item in batch.items() if isinstance(item, Tensor)}
        value = self.compute_loss(moved)
        value.backward()
        self.optimizer.step()
        return float(value.detach())

    @abstractmethod
    def compute_loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Compute the loss of a batch."""

    def predict(self, image: Tensor) -> Tensor:
        """Return what the network makes of images."""
        logits: Tensor = self.network(image.contiguous(memory_format=self.memory_format))
        return logits

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        states = (self.network.state_dict(), self.optimizer.state_dict(), self.scheduler.state_dict())
        torch.save((self.epoch, *states), path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        try:
            self.epoch, network, optimizer, scheduler = torch.load(path, map_location=self.device)
        except Exception as error:  # of zip files, pickles, and more
            raise RuntimeError(f"Cannot read the checkpoint {path}; remove it to start anew.") from error
        self.network.load_state_dict(network)
        self.optimizer.load_state_dict(optimizer)
        self.scheduler.load_state_dict(scheduler)


def add_arguments(parser: argparse.ArgumentParser, sections: Sequence[str]) -> None:
    """Add what `run_missing` takes."""
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--sections", nargs="+", choices=sections, default=list(sections[1:]))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="override configuration, for tuning")
    parser.add_argument("--threads", type=int, help="of PyTorch")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")


def run_missing(
    args: argparse.Namespace,
    read: Callable[[str, dict[str, Any]], ConfigParser],
    run_one: Callable[[ConfigParser, int, Path, dict[str, Path]], None],
    below: str = "",
) -> None:
    """Run each arm with each seed, if not all of its CSV files are there.

    Args:
        args: the command line, with ``arms``, ``results``, ``work`` and ``cases`` besides those of `add_arguments`.
        read: returns the configuration of an arm, with some changes.
        run_one: is called with a configuration, a seed, a folder for checkpoints, and the file of each section.
        below: where in ``results`` and ``work``.
    """
    if args.threads:
        torch.set_num_threads(args.threads)
    overrides = {key: yaml.safe_load(value) for key, value in (override.split("=", 1) for override in args.set)}
    for seed, arm in itertools.product(args.seeds, args.arms):
        name = ",".join([arm, *args.set])
        folder, work = args.results / below / name, args.work / below / name
        parser = read(arm, overrides)
        configuration = describe(parser, args.cases, args.device)
        claim(folder, configuration)
        claim(work, configuration)
        paths = {section: folder / f"{seed}_{section}.csv" for section in args.sections}
        if all(path.is_file() for path in paths.values()):
            print(f"{name} seed {seed}: there already", flush=True)
            continue
        start = time.perf_counter()
        run_one(parser, seed, work, paths)
        print(f"{name} seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Write a CSV file, whole or not at all."""
    with path.with_suffix(".part").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:  # adding 0 turns -0 into 0
            numbers = {key: f"{value + 0.0:.6g}" if isinstance(value, float) else value for key, value in row.items()}
            writer.writerow(numbers)
    path.with_suffix(".part").replace(path)


def describe(parser: ConfigParser, cases: int | None, device: str) -> dict[str, Any]:
    """Return all but the seed that a result depends on."""
    settings = {key: value for key, value in parser.get().items() if key not in ("title", "control")}
    versions = {name: metadata.version(name) for name in ("torch", "monai", "monai-topoloss")}
    return {**settings, "cases": cases or "all", "device": device, "threads": torch.get_num_threads(), **versions}


def claim(folder: Path, configuration: dict[str, Any]) -> None:
    """Keep the configuration in a folder, and refuse the folder to another one."""
    path = folder / "config.yaml"
    if path.is_file():
        kept = yaml.safe_load(path.read_text())
        keys = sorted(kept.keys() | configuration.keys())
        if differing := [key for key in keys if kept.get(key) != configuration.get(key)]:
            raise SystemExit(f"{folder} has runs with other {', '.join(differing)}; give other --results and --work.")
        return
    if any(folder.glob("*.csv")) or any(folder.glob("*.pt")):
        raise SystemExit(f"{folder} has runs of an unknown configuration; give other --results and --work.")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"config.{os.getpid()}.part"  # others may begin at the same time
    part.write_text(yaml.safe_dump(configuration, sort_keys=False))
    part.replace(path)
