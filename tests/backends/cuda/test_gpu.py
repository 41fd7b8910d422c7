"""What only a GPU can show: streams, devices, memory, and that nothing large goes to the host."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from monai.data import Dataset, ThreadDataLoader
from monai.transforms import Compose, ToDeviced
from torch.profiler import ProfilerActivity, profile

from monai_topoloss import (
    CriticalComponentsd,
    DiceCESkeletonRecallLoss,
    SkeletonRecallLoss,
    SupervoxelLoss,
    TubedSkeletonized,
    betti_numbers,
    critical_components,
    label_components,
    tubed_skeleton,
)

pytestmark = pytest.mark.gpu

_SMALL = 64 * 1024  # bytes: counts that have to be read, not images


def make_pair(shape=(2, 1, 48, 48, 48)):
    rng = np.random.default_rng(0)
    label = torch.from_numpy(rng.random(shape) < 0.2).to("cuda", torch.uint8)
    logits = torch.from_numpy(rng.normal(size=(shape[0], 2, *shape[2:]))).to("cuda", torch.float32)
    return logits.requires_grad_(), label


def functions():
    logits, label = make_pair()
    prediction = (logits[:, 1:] > 0).detach()
    recall, both = (loss(softmax=True, to_onehot_y=True) for loss in (SkeletonRecallLoss, DiceCESkeletonRecallLoss))
    supervoxel = SupervoxelLoss(to_onehot_y=True, softmax=True)
    return {
        "tubed_skeleton": lambda: tubed_skeleton(label, spatial_dims=3),
        "critical_components": lambda: critical_components(prediction, label != 0, spatial_dims=3).splits,
        "label_components": lambda: label_components(label, spatial_dims=3).labels,
        "betti_numbers": lambda: betti_numbers(label, spatial_dims=3),
        "SkeletonRecallLoss": lambda: torch.autograd.grad(recall(logits, label), logits)[0],
        "DiceCESkeletonRecallLoss": lambda: torch.autograd.grad(both(logits, label), logits)[0],
        "SupervoxelLoss": lambda: torch.autograd.grad(supervoxel(logits, label), logits)[0],
    }


NAMES = ("tubed_skeleton", "critical_components", "label_components", "betti_numbers", "SkeletonRecallLoss",
         "DiceCESkeletonRecallLoss", "SupervoxelLoss")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_image_goes_to_the_host(name, tmp_path):
    function = functions()[name]
    function()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        function()
        torch.cuda.synchronize()
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    copies = [event for event in events if event.get("cat") == "gpu_memcpy"]
    kernels = [event for event in events if event.get("cat") == "kernel"]
    assert kernels
    for copy in copies:
        if "DtoD" not in copy["name"]:
            assert copy["args"]["bytes"] < _SMALL, copy["name"]


@pytest.mark.parametrize("name", NAMES)
def test_follows_the_stream_and_leaves_devices_alone(name):
    import cupy

    function = functions()[name]
    expected = function()
    devices = torch.cuda.current_device(), cupy.cuda.runtime.getDevice(), cupy.cuda.get_current_stream().ptr
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    for _ in range(3):
        with torch.cuda.stream(stream):
            torch.cuda._sleep(10_000_000)  # work on this stream comes late: who looks from another one sees too little
            found = function()
            found = found.clone()
        torch.cuda.current_stream().wait_stream(stream)
        torch.testing.assert_close(found, expected)
    assert devices == (
        torch.cuda.current_device(), cupy.cuda.runtime.getDevice(), cupy.cuda.get_current_stream().ptr
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_keeps_no_memory(name):
    import cupy

    function = functions()[name]
    function()
    before = torch.cuda.memory_allocated()
    function()
    assert torch.cuda.memory_allocated() == before
    assert cupy.get_default_memory_pool().used_bytes() == 0


def test_tensors_of_the_host_are_taken_there_and_back():
    label = make_pair()[1].cpu()
    found = tubed_skeleton(label, spatial_dims=3, backend="cuda")
    assert found.is_cpu
    torch.testing.assert_close(found, tubed_skeleton(label, spatial_dims=3))
    splits = critical_components(label, label.flip(-1), spatial_dims=3, backend="cuda").splits
    assert splits.is_cpu


@pytest.mark.filterwarnings("ignore")
def test_in_a_loader_with_threads():
    """Transforms on the GPU, in the threads of MONAI's loader."""
    items = [{"label": torch.rand(1, 40, 40, 40) < 0.2} for _ in range(6)]
    transform = Compose([ToDeviced("label", "cuda"), TubedSkeletonized("label"), CriticalComponentsd("label", "label")])
    loader = ThreadDataLoader(Dataset(items, transform), batch_size=1, num_workers=0, use_thread_workers=True)
    for item, batch in zip(items, loader, strict=True):
        assert batch["skeleton_label"].is_cuda
        assert bool((batch["skeleton_label"][0].cpu() == tubed_skeleton(item["label"], spatial_dims=3)).all())


@pytest.mark.parametrize("name", ["SkeletonRecallLoss", "DiceCESkeletonRecallLoss", "SupervoxelLoss"])
def test_under_autocast(name):
    function = functions()[name]
    expected = function()
    with torch.autocast("cuda", torch.bfloat16):
        found = function()
    torch.testing.assert_close(found, expected, rtol=0.05, atol=1e-4)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_another_device_than_the_current_one():
    label = make_pair()[1]
    expected = tubed_skeleton(label, spatial_dims=3)
    found = tubed_skeleton(label.to("cuda:1"), spatial_dims=3)
    assert found.device.index == 1
    assert torch.cuda.current_device() == 0
    torch.testing.assert_close(found.to("cuda:0"), expected)
