"""The command ``warmup``."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import networkx as nx
import torch
from torch import Tensor

from monai_topoloss._checks.options import METHODS
from monai_topoloss.backends import Backend, SoftBackend, backend_for, graph_backend, soft_backend_for
from monai_topoloss.datasets import rasterize_swc
from monai_topoloss.topology import skeleton_graph, skeleton_trees, skeletonize
from monai_topoloss.topology._balls import make_ball

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)  # others come as one of these
_FLOATS = (torch.half, torch.float, torch.double)
_IDS = (2, 4, 2**7 - 1, 2**31 - 1)  # how many there are decides in which types they are counted


def add_to(commands: Any) -> None:
    """Add the command to others."""
    parser = commands.add_parser(
        "warmup",
        help="compile the CPU kernels, so that no process has to",
        description="Compile all kernels for the CPU and keep them on disk: once for each kind of machine, say while a"
        " container is built. They are kept in the folder that the environment variable NUMBA_CACHE_DIR names, or"
        " without it beside the package or in the user's cache folder, whichever can be written to.",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:  # noqa: ARG001
    """Compile all kernels; return the exit status."""
    started = time.perf_counter()
    backend = backend_for(torch.empty(0), "cpu")
    from monai_topoloss.backends.cpu import cache

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of what is printed below
        for call in _calls(backend):
            call()
            if cache.failures:
                print(
                    f"Compiled kernels cannot be kept: {cache.failures[-1]}. Set NUMBA_CACHE_DIR to a folder that can."
                )
                return 1
    seconds = time.perf_counter() - started
    folders = sorted({str(path.parent) for path in (*cache.kept, *cache.loaded)})
    print(f"Compiled {len(cache.kept)} kernels and loaded {len(cache.loaded)} in {seconds:.1f} s.")
    print(f"They are in {' and '.join(folders)}.")
    return 0


def _calls(backend: Backend) -> Iterator[Callable[[], None]]:
    """Yield calls that need all kernels."""
    yield _call_with_skeletons
    for shape in ((5, 6), (4, 5, 6)):
        yield partial(_call_with_masks, backend, shape)
        yield partial(_call_with_probabilities, soft_backend_for(torch.empty(0)), shape)
        for image in _label_maps(shape):
            yield partial(_call_with_labels, backend, image)


def _call_with_masks(backend: Backend, shape: tuple[int, ...]) -> None:
    """Call what takes masks only."""
    mask = _random_ids(shape, 2).bool()
    for method in METHODS[len(shape)]:
        backend.skeletonize(mask, method=method)
    for connectivity in range(1, len(shape) + 1):
        backend.betti_numbers(mask, connectivity=connectivity)
        backend.euler_number(mask, connectivity=connectivity)
    edges = torch.eye(len(shape), dtype=torch.int64).tolist()
    joined = mask[:, None].expand(-1, len(edges), *shape)
    backend.label_affinities(joined, edges=edges)
    for tolerance in (0, 2):
        backend.critical_affinities(joined, mask, edges=edges, tolerance=tolerance)


def _call_with_skeletons() -> None:
    """Call what takes skeletons and trees."""
    line = torch.eye(9, dtype=torch.bool)
    line[:5, 4] = True
    skeletonize(line, prune=9, prune_factor=1)
    skeleton_graph(line)
    graph_backend().count_steps(line.numpy(), line.numpy())
    trees = skeleton_trees(line)
    rasterize_swc(trees, line.shape)
    nx.set_node_attributes(trees, 2**16, "object")
    rasterize_swc(trees, line.shape)


def _call_with_probabilities(backend: SoftBackend, shape: tuple[int, ...]) -> None:
    """Call what takes probabilities, or masks of bytes."""
    mask = _random_ids(shape, 2)
    backend.soft_skeleton(mask.to(torch.uint8), iterations=1)
    for image in (mask.float(), mask.double()):
        backend.soft_skeleton(image, iterations=1)
        backend.soft_skeleton_backward(image, image, iterations=1)


def _call_with_labels(backend: Backend, image: Tensor) -> None:
    """Call what takes masks, instances and class maps of any type."""
    ndim = image.ndim - 1
    for method, per_class in product(METHODS[ndim], (False, True)):
        backend.tubed_skeleton(image, ball=make_ball(2, None, image.shape[1:]), per_class=per_class, method=method)
    if image.is_floating_point():
        return
    for highest in (None, int(image.max())):
        backend.label_components(image, connectivity=ndim, highest=highest)
    other = image.roll(1, dims=-1)
    classes = (None, int(image.max()) + 1) if image.max() < 2**7 else (None,)
    for num_classes, own in product(classes, (1, ndim)):
        backend.critical_components(
            other, image, num_classes=num_classes, object_connectivity=own, mistake_connectivity=ndim
        )
    for foreground_only in (False, True):
        backend.compare_partitions(other, image, foreground_only=foreground_only)


def _label_maps(shape: tuple[int, ...]) -> Iterator[Tensor]:
    for highest in _IDS:
        ids = _random_ids(shape, highest)
        yield from (ids.to(dtype) for dtype in _INTEGERS if torch.iinfo(dtype).max >= highest)
    yield from (_random_ids(shape, 3).to(dtype) for dtype in (torch.bool, *_FLOATS))


def _random_ids(shape: tuple[int, ...], highest: int) -> Tensor:
    """Two items of ids, of which half are 0."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, highest, (2, *shape), generator=generator) if highest > 2 else torch.ones(2, *shape)
    return (ids * (torch.rand(2, *shape, generator=generator) < 0.5)).long()
