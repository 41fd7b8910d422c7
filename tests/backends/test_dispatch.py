from __future__ import annotations

import pytest
import torch

from monai_topoloss import backends
from monai_topoloss.backends import backend_for
from monai_topoloss.backends.cpu.backend import CpuBackend
from monai_topoloss.topology import skeletonize, tubed_skeleton


@pytest.fixture(autouse=True)
def _fresh_caches():
    yield
    for function in (backends._load, backends._has_cuda, backends._warn_of_host_copy):
        function.cache_clear()


@pytest.fixture
def no_cuda(monkeypatch):
    """Hide the CUDA backend, whether it can be had or not."""
    for function in (backends._load, backends._has_cuda, backends._warn_of_host_copy):
        function.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)


class FakeTensor:
    """As much of a tensor on a device as the dispatch looks at."""

    def __init__(self, device):
        self.device = torch.device(device)
        self.is_cpu, self.is_cuda = device == "cpu", device == "cuda"


@pytest.mark.parametrize("backend", ["auto", "cpu"])
def test_cpu_tensors_are_computed_on_the_cpu(backend):
    assert isinstance(backend_for(torch.zeros(1), backend), CpuBackend)
    assert backend_for(torch.zeros(1), backend) is backend_for(torch.ones(1))


@pytest.mark.usefixtures("no_cuda")
def test_a_cuda_tensor_falls_back_with_one_warning():
    with pytest.warns(UserWarning, match=r'pip install "monai-topoloss\[cuda12\]".*Computing on the CPU') as caught:
        chosen = [backend_for(FakeTensor("cuda")) for _ in range(3)]
    assert len(caught) == 1
    assert all(isinstance(backend, CpuBackend) for backend in chosen)


@pytest.mark.usefixtures("no_cuda")
def test_a_tensor_of_another_device_falls_back_with_one_warning():
    with pytest.warns(UserWarning, match="no kernels for 'mps' tensors. Computing on the CPU") as caught:
        chosen = [backend_for(FakeTensor("mps")) for _ in range(3)]
    assert len(caught) == 1
    assert all(isinstance(backend, CpuBackend) for backend in chosen)


def test_a_forced_cpu_does_not_warn(recwarn):
    assert isinstance(backend_for(FakeTensor("cuda"), "cpu"), CpuBackend)
    assert not recwarn


@pytest.mark.usefixtures("no_cuda")
def test_a_forced_cuda_that_cannot_be_had_says_what_to_install():
    with pytest.raises(ImportError, match=r'pip install "monai-topoloss\[cuda12\]"` \(or `\[cuda13\]`\)'):
        tubed_skeleton(torch.zeros(4, 4), backend="cuda")


def test_a_method_of_the_cpu_falls_back_with_one_warning():
    with pytest.warns(UserWarning, match="method='lee_skimage' can be had on the CPU only. Computing on") as caught:
        chosen = [backend_for(FakeTensor("cuda"), "auto", "lee_skimage") for _ in range(3)]
    assert len(caught) == 1
    assert all(isinstance(backend, CpuBackend) for backend in chosen)


@pytest.mark.parametrize("function", [skeletonize, tubed_skeleton])
def test_a_method_of_the_cpu_cannot_be_forced_elsewhere(function, recwarn):
    with pytest.raises(ValueError, match="Expected another `method` with backend='cuda', 'lee_skimage' can be had on"):
        function(torch.zeros(4, 4), method="lee_skimage", backend="cuda")
    assert isinstance(backend_for(FakeTensor("cuda"), "cpu", "lee_skimage"), CpuBackend)
    assert not recwarn


def test_unknown_backends_are_named():
    with pytest.raises(ValueError, match="`backend` to be one of 'auto', 'cpu', 'cuda', got 'gpu'"):
        backend_for(torch.zeros(1), "gpu")
