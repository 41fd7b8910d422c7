from __future__ import annotations

import importlib
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


@pytest.mark.parametrize(
    "package",
    ["transforms", "losses", "metrics", "engines", "handlers", "topology", "visualize", "datasets", "chunked"],
)
def test_every_public_name_has_an_example(package):
    module = importlib.import_module(f"monai_topoloss.{package}")
    for name in module.__all__:
        value = getattr(module, name)
        if not (isinstance(value, type) and issubclass(value, tuple)):  # results of functions
            assert ">>> " in value.__doc__, name


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", monai_topoloss.__version__)
    assert version("monai-topoloss") == monai_topoloss.__version__


def test_the_command_line_imports_neither_monai_nor_losses():
    """They take seconds, which are most of what it takes to compare two images."""
    code = "import sys; from monai_topoloss.cli import evaluate, files; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "monai_topoloss.cli.scores" in modules
    assert {"monai", "monai_topoloss.losses", "numba", "nibabel", "skimage"}.isdisjoint(modules)


def test_names_are_looked_up():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = monai_topoloss.nothing
    assert set(monai_topoloss.__all__) <= set(dir(monai_topoloss))
    for name in ("topology", "transforms", "losses", "engines", "handlers"):
        assert getattr(monai_topoloss, name) is importlib.import_module(f"monai_topoloss.{name}")
