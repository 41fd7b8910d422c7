"""Turns what our trainers trained into what nnU-Net's own trainer could have trained."""

from __future__ import annotations

import contextlib
import importlib
import io
import shutil
from pathlib import Path

import torch

from monai_topoloss.nnunet.registration import register

__all__ = ["export_model"]

_STOCK = "nnUNetTrainer"


def export_model(source: str | Path, destination: str | Path) -> list[Path]:
    """Copy a trained model so that it needs nothing but nnU-Net, to predict, and to train on with nnU-Net's optimizer.

    The losses leave no trace in a network: only the trainer's name in the checkpoints has to change.

    Args:
        source: folder of the trained model, ``nnUNet_results/DatasetXXX_Name/TRAINER__PLANS__CONFIGURATION``.
        destination: folder to make. ``nnUNetv2_predict`` finds it under ``nnUNet_results`` by the name
            ``nnUNetTrainer__PLANS__CONFIGURATION``; ``nnUNetv2_predict_from_modelfolder`` takes any.

    Returns:
        The checkpoints that were written.

    Raises:
        ImportError: if nnunetv2 is not installed or too old.
        FileExistsError: if ``destination`` exists.
        FileNotFoundError: if ``source`` has no checkpoints.
        ValueError: if nnU-Net's own trainer would build another network.

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
    destination.mkdir(parents=True)
    try:
        shutil.copytree(source, destination, dirs_exist_ok=True)
        for name in names:
            _rename_trainer(destination / name)
            _check_weights(destination, name)
    except BaseException:
        shutil.rmtree(destination)
        raise
    return [destination / name for name in names]


def _rename_trainer(path: Path) -> None:
    # nnU-Net's checkpoints hold more than tensors; they are the user's own.
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    _check_architecture(checkpoint["trainer_name"])
    checkpoint["trainer_name"] = _STOCK
    torch.save(checkpoint, path)


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
