from __future__ import annotations

import os
import subprocess
import sys

import torch

from monai_topoloss.backends.cpu import bits, skeleton, thinning2d, thinning3d
from monai_topoloss.topology import tubed_skeleton

CODE = "import numpy as np, monai_topoloss as m; print(int(m.skeletonize(np.ones((5, 5, 5), bool)).sum()))"


def test_no_kernel_is_compiled_for_each_type():
    dtypes = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.half, torch.float64]
    for dtype in dtypes:
        for shape in ((6, 7), (5, 6, 7)):
            for view in (torch.ones(shape, dtype=dtype), torch.ones(shape, dtype=dtype).transpose(0, 1)):
                tubed_skeleton(view)
    assert len(skeleton._copy.signatures) <= 4  # by size in bytes
    for kernel in (bits._fill, skeleton._write_balls, thinning2d._thin_packed, thinning3d._thin_packed):
        assert len(kernel.signatures) == 1


def test_the_caches_are_used(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-W", "ignore", "-c", CODE], env=environment, check=True, capture_output=True)
    indices = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.kernel")}
    assert any("thinning3d" in path.name for path in indices)
    subprocess.run([sys.executable, "-W", "ignore", "-c", CODE], env=environment, check=True, capture_output=True)
    assert indices == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.kernel")}
