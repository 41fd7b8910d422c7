"""Turns what our trainers trained into what nnU-Net's own trainer could have trained."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from monai_topoloss.nnunet.checkpoint import load_checkpoint
from monai_topoloss.nnunet.registration import register

__all__ = ["export_model"]

_STOCK = "nnUNetTrainer"


def export_model(source: str | Path, destination: str | Path, *, trust: bool = False) -> list[Path]:
    """Copy a trained model so that it needs nothing but nnU-Net, to predict, and to train on with nnU-Net's optimizer.

    The losses leave no trace in a network: only the trainer's name in the checkpoints has to change. The destination is
    there when all of it has been written and checked, or not at all.

    Args:
        source: folder of the trained model, ``nnUNet_results/DatasetXXX_Name/TRAINER__PLANS__CONFIGURATION``.
        destination: folder to make, outside of ``source``. ``nnUNetv2_predict`` finds it under ``nnUNet_results`` by
            the name ``nnUNetTrainer__PLANS__CONFIGURATION``; ``nnUNetv2_predict_from_modelfolder`` takes any.
        trust: load checkpoints that hold more than tensors, numbers and text, too. Loading such a file can run any
            code: only for files of which you know where they are from. Those of nnU-Net's trainers do not need it.

    Returns:
        The checkpoints that were written.

    Raises:
        ImportError: if nnunetv2 is not installed, too old, or cannot be imported.
        FileExistsError: if ``destination`` exists.
        FileNotFoundError: if ``source`` has no checkpoints.
        ValueError: if ``destination`` is in ``source``, nnU-Net's own trainer would build another network, or a
            checkpoint is broken, or holds more than it should and is not trusted.

    Example:
        >>> results = "nnUNet_results/Dataset001_Vessels"
        >>> export_model(  # doctest: +SKIP
        ...     f"{results}/nnUNetTrainerSkeletonRecall__nnUNetPlans__2d", f"{results}/nnUNetTrainer__nnUNetPlans__2d"
        ... )
    """
    register()
    source, destination = Path(source), Path(destination)
    names = sorted(path.relative_to(source) for path in source.glob("fold_*/checkpoint_*.pth"))
    missing = [name for name in ("plans.json", "dataset.json") if not (source / name).is_file()]
    missing += [] if names else ["fold_*/checkpoint_*.pth"]
    if missing:
        raise FileNotFoundError(f"Expected the folder of a trained model, got {source} without {missing[0]}.")
    if destination.exists() or destination.is_symlink():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(destination))
    _check_outside(source, destination)
    with _new_folders(destination.parent), tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        copy = Path(folder) / "model"
        checkpoints = {source / name for name in names}
        shutil.copytree(
            source, copy, ignore=lambda inside, entries: [x for x in entries if Path(inside, x) in checkpoints]
        )
        for name in names:
            checkpoint = load_checkpoint(source / name, trust=trust)
            _check_architecture(checkpoint["trainer_name"])
            torch.save({**checkpoint, "trainer_name": _STOCK}, copy / name)
            _check_weights(copy, name)  # nnU-Net loads anything: it gets what has been loaded safely, and written anew
        copy.rename(destination)
    return [destination / name for name in names]


def _check_outside(source: Path, destination: Path) -> None:
    """Check that a copy would not hold itself, through links neither."""
    seen = set()
    for folder, names, _ in os.walk(source, followlinks=True):
        real = Path(folder).resolve()
        if destination.resolve().is_relative_to(real):
            raise ValueError(f"Expected `destination` outside of `source`, got {destination}, which is in {folder}.")
        if real in seen:
            names.clear()
        seen.add(real)


@contextlib.contextmanager
def _new_folders(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; take those away again that were not there if something fails."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for each in missing:
            with contextlib.suppress(OSError):  # somebody else may have put something there
                each.rmdir()
        raise


def _check_architecture(name: str) -> None:
    """Check that a trainer, as far as it can be found, builds the network that nnU-Net's own does."""
    theirs = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
    trainer = getattr(theirs, name, theirs.nnUNetTrainer)
    if trainer.build_network_architecture is not theirs.nnUNetTrainer.build_network_architecture:
        raise ValueError(f"Expected a network as {_STOCK} builds it, got {name}, which builds another.")


def _check_weights(model: Path, name: Path) -> None:
    """Check that nnU-Net's own trainer can load a checkpoint."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    fold = name.parent.name.removeprefix("fold_")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False)
            predictor.initialize_from_trained_model_folder(str(model), (fold,), name.name)
    except RuntimeError as error:
        raise ValueError(f"Expected weights of a network as {_STOCK} builds it, got others in {name}.") from error
