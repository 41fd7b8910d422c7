from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

import monai_topoloss


@pytest.mark.parametrize("missing", [("numba", "cupy", "cucim", "skimage"), ("ignite",), ("nnunetv2", "matplotlib")])
def test_import_needs_no_optional_package(missing):
    hide = "; ".join(f"sys.modules[{name!r}] = None" for name in missing)
    code = f"import sys; {hide}; import monai_topoloss; print(monai_topoloss.SkeletonRecallLoss(sigmoid=True))"
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "SkeletonRecallLoss" in result.stdout


def test_public_names():
    for name in monai_topoloss.__all__:
        assert getattr(monai_topoloss, name).__doc__
    assert sorted(monai_topoloss.__all__) == sorted(set(monai_topoloss.__all__))


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", monai_topoloss.__version__)
    assert version("monai-topoloss") == monai_topoloss.__version__
