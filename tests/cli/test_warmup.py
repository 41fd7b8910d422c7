from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from monai_topoloss.cli import main

# Uses what there is, in its own way: a kernel that warmup has not compiled is compiled here.
BROAD_USE = """
    import sys
    import numpy as np
    import torch
    from numba.core.dispatcher import Dispatcher
    import monai_topoloss as topo
    from monai_topoloss import datasets, losses, metrics, transforms

    rng = np.random.default_rng(0)

    def images(shape):
        coarse = rng.integers(0, 4, shape) * (rng.random(shape) < 0.6)
        for dtype in "?bBhHiIlLefd":
            yield coarse.astype(dtype)
        yield coarse.astype(">i4")
        yield np.asfortranarray(coarse)
        yield coarse[::-1]
        read_only = coarse.astype("u1")
        read_only.setflags(write=False)
        yield read_only
        yield np.frombuffer(b"." + coarse.tobytes(), "i8", offset=1).reshape(shape)  # not aligned
        yield torch.from_numpy(coarse).transpose(0, 1)
        yield torch.from_numpy(coarse).bfloat16()
        yield torch.from_numpy(coarse)[..., ::2]
        yield coarse * 100
        yield coarse * 2**40
        yield np.zeros(shape, "i2")
        yield np.ones(shape, "i4")

    for shape in ((9, 70), (1, 1), (6, 7, 65), (1, 8, 9), (5, 6, 1)):
        ndim = len(shape)
        topo.soft_skeleton(rng.random(shape) < 0.5, iterations=2)
        for dtype in (torch.float16, torch.float32, torch.float64):
            share = torch.rand(shape, dtype=dtype, requires_grad=True)
            topo.soft_skeleton(share, iterations=2).sum().backward()
        for image in images(shape):
            other = image.flip(0) if isinstance(image, torch.Tensor) else image[::-1]
            for method in ("lee", "lee_skimage") + ("zhang", "thin") * (ndim == 2):
                topo.skeletonize(image, method=method)
                for per_class in (False, True):
                    if per_class and float(image.max()) > 1000:
                        continue
                    topo.tubed_skeleton(image, radius=2, method=method, per_class=per_class)
            for connectivity in range(1, ndim + 1):
                topo.label_components(image, connectivity=connectivity)
                topo.betti_numbers(image, connectivity=connectivity)
                topo.euler_number(image, connectivity=connectivity)
                topo.critical_components(other, image, object_connectivity=connectivity)
                topo.critical_components(other, image, mistake_connectivity=connectivity)
                topo.critical_components(other, image, connectivity=connectivity, ignore_index=2)
                if image.max() < 4:
                    topo.critical_components(other, image, num_classes=4, connectivity=connectivity)
            joined = topo.affinities(image, edges := np.eye(ndim, dtype=int))
            topo.label_affinities(joined, edges)
            topo.critical_affinities(topo.affinities(other, edges), image, edges)

        for image in images(shape):
            if image.min() == 0 < image.max() < 1000:
                topo.skeletonize(image, prune=2, prune_factor=1.5)
                topo.skeleton_graph(image, spacing=0.5)
                trees = topo.skeleton_trees(image)
                datasets.rasterize_swc(trees, shape)
                for node in trees:
                    trees.nodes[node]["object"] += 2**16
                datasets.rasterize_swc(trees, shape)
        if ndim == 3:
            topo.tubed_skeleton(image, kind="surface")

    for shape in ((20, 66), (7, 8, 66)):
        logits = torch.from_numpy(rng.normal(size=(2, 3, *shape))).float()
        label = torch.from_numpy(rng.integers(0, 3, (2, 1, *shape)))
        for image in (label, label.float(), label.byte()):
            losses.SkeletonRecallLoss(softmax=True, to_onehot_y=True)(logits, image)
            losses.SupervoxelLoss(softmax=True, to_onehot_y=True)(logits, image)
            losses.SupervoxelLoss()(logits[:, :1], image)
            edges = [[int(i == k) for i in range(len(shape))] for k in range(len(shape))][:3]
            losses.SupervoxelAffinityLoss(edges)(logits[:, : len(edges)], image)
        one_hot = [(logits.argmax(1, keepdim=True) == k).float() for k in range(3)]
        pair = torch.cat(one_hot, 1), torch.cat([(label == k).float() for k in range(3)], 1)
        metrics.compute_betti_error(*pair)
        metrics.compute_centerline_dice(*pair)
        metrics.compute_centerline_dice(*pair, spacing=0.5)
        metrics.compute_critical_error(*pair)
        metrics.compute_variation_of_information(*pair)
        metrics.compute_adapted_rand_error(*pair)
        metrics.compute_adapted_rand_error(label, label.flip(-1), instances=True)
        transforms.TubedSkeletonize()(label[0])

    kernels = {}
    for name in sorted(sys.modules):
        if name.startswith("monai_topoloss.backends.cpu"):
            kernels |= {id(value): value for value in vars(sys.modules[name]).values() if isinstance(value, Dispatcher)}
    missed = [f"{kernel.py_func.__name__}{types}" for kernel in kernels.values() for types in kernel.stats.cache_misses]
    loaded = sum(len(kernel.stats.cache_hits) for kernel in kernels.values())
    print("loaded", loaded, "missed", *missed)
"""


def run(folder, *arguments):
    command = [sys.executable, "-W", "ignore", *arguments]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_all_kernels_are_compiled(tmp_path):
    compiled, where = run(tmp_path, "-m", "monai_topoloss", "warmup")
    assert where == f"They are in {tmp_path / 'monai_topoloss'}."
    files = list(tmp_path.rglob("*.kernel"))
    assert f"Compiled {len(files)} kernels and loaded 0 in" in compiled
    (line,) = run(tmp_path, "-c", textwrap.dedent(BROAD_USE))
    _, loaded, _, *missed = line.split(" ", 3)
    assert missed == []
    assert int(loaded) > 15
    assert "Compiled 0 kernels" in run(tmp_path, "-m", "monai_topoloss", "warmup")[0]
    assert set(tmp_path.rglob("*.kernel")) == set(files)


@pytest.mark.slow
def test_it_fails_where_nothing_can_be_kept(tmp_path):
    (tmp_path / "file").touch()
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "file" / "below")}
    command = [sys.executable, "-m", "monai_topoloss", "warmup"]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert str(tmp_path / "file" / "below") in done.stdout
    assert "Set NUMBA_CACHE_DIR" in done.stdout
    assert "Warning" not in done.stderr


def test_in_this_process(capsys):
    assert main(["warmup"]) == 0
    out = capsys.readouterr().out
    assert "kernels" in out
    assert "They are in" in out
