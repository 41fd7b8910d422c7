"""Two processes must train as one does on their joint batch."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from monai_topoloss.losses import (
    DiceCESkeletonRecallLoss,
    SkeletonPrecisionLoss,
    SkeletonRecallLoss,
    SoftCenterlineDiceLoss,
    SupervoxelLoss,
)

OPTIONS = {"softmax": True, "to_onehot_y": True, "batch": True}
SUMMED = {  # over all processes
    "precision": SkeletonPrecisionLoss(**OPTIONS),
    "soft clDice": SoftCenterlineDiceLoss(**OPTIONS),
    "soft clDice per class": SoftCenterlineDiceLoss(**OPTIONS, per_class=True, include_background=False),
}


def make_data():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 1, 16, 16, generator=generator)
    density = torch.tensor([0.2, 0.9, 0.5, 0.7]).reshape(4, 1, 1, 1)  # ranks hold skeletons of different sizes
    labels = (torch.rand(4, 1, 16, 16, generator=generator) < density).long()
    labels[2] *= 2
    return images, labels


def make_network():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(4, 3, 1))


def train_in_a_process(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    images, labels = (x[2 * rank : 2 * rank + 2] for x in make_data())
    recall, both = SkeletonRecallLoss(**OPTIONS), DiceCESkeletonRecallLoss(**OPTIONS)
    network = make_network()
    parallel = DistributedDataParallel(network)
    loss = recall(parallel(images), labels)
    loss.backward()
    result = {"loss": loss.item(), "gradients": [p.grad.clone() for p in network.parameters()]}
    if rank == 0:  # validation on one rank alone: nobody would answer a collective
        with torch.no_grad():
            result["alone"] = recall(network(images), labels).item()
        recall(network(images).detach(), labels)
    parallel.zero_grad()
    both(parallel(images), labels).backward()
    parallel.zero_grad()
    SupervoxelLoss(to_onehot_y=True, softmax=True)(parallel(images), labels).backward()
    result["supervoxel"] = [p.grad.clone() for p in network.parameters()]
    for name, each in SUMMED.items():
        parallel.zero_grad()
        value = each(parallel(images), labels)
        value.backward()
        result[name] = (value.item(), [p.grad.clone() for p in network.parameters()])
    torch.save(result, f"{folder}/{rank}.pt")
    del parallel  # it must not outlive the group
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one_with_the_whole_batch(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    images, labels = make_data()
    network = make_network()
    loss = SkeletonRecallLoss(**OPTIONS)(network(images), labels)
    loss.backward()
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(train_in_a_process, (folder,), nprocs=2)
        results = [torch.load(Path(folder) / f"{rank}.pt") for rank in range(2)]
    for result in results:
        assert result["loss"] == pytest.approx(loss.item(), abs=1e-6)
        for gradient, parameter in zip(result["gradients"], network.parameters(), strict=True):
            torch.testing.assert_close(gradient, parameter.grad)
    network.zero_grad()
    SupervoxelLoss(to_onehot_y=True, softmax=True)(network(images), labels).backward()
    for result in results:  # each rank has as many voxels, so that the mean of means is the mean
        for gradient, parameter in zip(result["supervoxel"], network.parameters(), strict=True):
            torch.testing.assert_close(gradient, parameter.grad)
    for name, each in SUMMED.items():
        network.zero_grad()
        loss_of_all = each(network(images), labels)
        loss_of_all.backward()
        for value, gradients in (result[name] for result in results):
            assert value == pytest.approx(loss_of_all.item(), abs=1e-6)
            for gradient, parameter in zip(gradients, network.parameters(), strict=True):
                torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        alone = SkeletonRecallLoss(**OPTIONS)(network(images[:2]), labels[:2])
    assert results[0]["alone"] == pytest.approx(alone.item(), abs=1e-6)
    assert alone.item() != pytest.approx(loss.item(), abs=1e-3)


def test_one_process_with_a_process_group(tmp_path):
    assert "RANK" not in os.environ
    images, labels = make_data()
    logits = make_network()(images)
    expected = SkeletonRecallLoss(**OPTIONS)(logits, labels)
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        torch.testing.assert_close(SkeletonRecallLoss(**OPTIONS)(logits, labels), expected)
    finally:
        dist.destroy_process_group()
