"""Keeps nnU-Net away from the user's folders: some of its versions read these when they are imported."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_FOLDER = Path(tempfile.mkdtemp(prefix="nnunet-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
os.environ |= {f"nnUNet_{name}": str(_FOLDER / name) for name in ("raw", "preprocessed", "results")}
os.environ |= {"nnUNet_compile": "f", "nnUNet_def_n_proc": "1"}
