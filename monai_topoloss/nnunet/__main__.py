"""Runs commands of nnU-Net with the trainers: ``python -m monai_topoloss.nnunet nnUNetv2_train ...``."""

from __future__ import annotations

import os
import sys
from importlib import metadata

from monai_topoloss.nnunet import TRAINERS, export_model, register, trainer_directory
from monai_topoloss.nnunet.registration import explain_failure

_USAGE = """\
usage: python -m monai_topoloss.nnunet COMMAND ...   run a command of nnU-Net, such as nnUNetv2_train, with the trainers
       python -m monai_topoloss.nnunet --path        print the folder for nnUNet_extTrainer
       python -m monai_topoloss.nnunet --export [--trust] MODEL DESTINATION
                                                     copy a trained model so that it needs nothing but nnU-Net
                                                     --trust: load checkpoints that hold more than tensors, numbers and
                                                     text; that can run any code, so only from people you trust
trainers: {trainers}, and those in the folders of nnUNet_extTrainer"""


def main() -> int:
    """Run a command; return the exit status."""
    usage = _USAGE.format(trainers=" ".join(TRAINERS))
    arguments = sys.argv[1:]
    if arguments == ["--path"]:
        print(trainer_directory())
        return 0
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage)
        return 0 if arguments else 2
    try:
        if arguments[0] == "--export":
            return _export(arguments[1:], usage)
        register()
        points = metadata.distribution("nnunetv2").entry_points
        commands = {point.name: point for point in points if point.group == "console_scripts"}
        if arguments[0] not in commands:
            print(f"{usage}\n{arguments[0]} is none of {' '.join(commands)}", file=sys.stderr)
            return 2
        with explain_failure():
            command = commands[arguments[0]].load()
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    sys.argv = arguments
    command()
    return 0


def _export(arguments: list[str], usage: str) -> int:
    paths = [each for each in arguments if each != "--trust"]
    if len(paths) != 2:
        print(usage, file=sys.stderr)
        return 2
    try:
        for path in export_model(*paths, trust="--trust" in arguments):
            print(path)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
elif __name__ == "__mp_main__" and "MASTER_ADDR" in os.environ:
    register()  # nnU-Net has set that to start a process for each GPU, which looks for the trainer again
