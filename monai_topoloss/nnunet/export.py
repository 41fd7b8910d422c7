"""Turns what our trainers trained into what nnU-Net's own trainer could have trained."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from monai_topoloss.nnunet.registration import check_version

__all__ = ["export_model"]

_STOCK = "nnUNetTrainer"


def export_model(source: str | Path, destination: str | Path) -> list[Path]:
    """Copy a trained model so that it needs nothing but nnU-Net, for prediction and for further training.

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
        ValueError: if the network is not the one that nnU-Net's own trainer builds.
    """
    check_version()
    source, destination = Path(source), Path(destination)
    names = sorted(path.relative_to(source) for path in source.glob("fold_*/checkpoint_*.pth"))
    if not names:
        raise FileNotFoundError(
            f"Expected the folder of a trained model, got {source} without fold_*/checkpoint_*.pth."
        )
    shutil.copytree(source, destination)
    try:
        for name in names:
            _rename_trainer(destination / name)
            _check_network(destination, name)
    except BaseException:
        shutil.rmtree(destination)
        raise
    return [destination / name for name in names]


def _rename_trainer(path: Path) -> None:
    # nnU-Net's checkpoints hold more than tensors; they are the user's own.
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    checkpoint["trainer_name"] = _STOCK
    torch.save(checkpoint, path)


def _check_network(model: Path, name: Path) -> None:
    """Check that nnU-Net, on its own, can load a checkpoint."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False)
    fold = name.parent.name.removeprefix("fold_")
    try:
        predictor.initialize_from_trained_model_folder(str(model), (fold,), name.name)
    except RuntimeError as error:
        raise ValueError(
            f"Expected the network of nnU-Net's own trainer, got another one in {name}, which needs the trainer that"
            " built it."
        ) from error
