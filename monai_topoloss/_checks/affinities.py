"""Affinities: edges between voxels, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_topoloss._checks.options import check_int
from monai_topoloss._checks.tensors import check_same_device, check_tensor


def check_edges(edges: Any) -> list[tuple[int, ...]]:
    """Return edges, steps from a voxel to a neighbour, as tuples of 2 or 3 ints."""
    edges = _as_sequence(edges)
    if not isinstance(edges, Sequence) or isinstance(edges, str):
        raise TypeError(f"Expected `edges` to be a sequence of steps, got {type(edges).__name__}.")
    steps = []
    for edge in map(_as_sequence, edges):
        for step in edge if isinstance(edge, Sequence) else [edge]:
            check_int("edges", step)
        steps.append(tuple(map(int, edge)) if isinstance(edge, Sequence) else (int(edge),))
    if not steps or {len(edge) for edge in steps} not in ({2}, {3}) or not all(map(any, steps)):
        raise ValueError(f"Expected `edges` to be steps of 2 or 3 numbers, not all 0, got {steps}.")
    if any(abs(step) >= 2**31 for edge in steps for step in edge):
        raise ValueError(f"Expected `edges` of steps below 2 ** 31, got {steps}.")
    return steps


def _as_sequence(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | Tensor) else value


def check_n_joining(n_joining: Any, edges: Sequence[Sequence[int]]) -> int:
    """Return how many edges join voxels to instances: as many as asked for, else all."""
    if n_joining is None:
        return len(edges)
    check_int("n_joining", n_joining, minimum=1)
    if n_joining > len(edges):
        raise ValueError(f"Expected `n_joining` to be at most {len(edges)}, the number of edges, got {n_joining}.")
    return int(n_joining)


def check_affinity(name: str, value: Any, edges: Sequence[Sequence[int]]) -> Tensor:
    """Return affinities ``(..., edges, *spatial)`` of 0 and 1 as a plain bool tensor."""
    tensor = check_tensor(name, value)
    if tensor.ndim <= len(edges[0]) or tensor.shape[-len(edges[0]) - 1] != len(edges):
        raise ValueError(
            f"Expected `{name}` of shape (..., {len(edges)}, *spatial) in {len(edges[0])}-D, a channel for each edge,"
            f" got {tuple(tensor.shape)}."
        )
    if tensor.dtype == torch.bool:
        return tensor
    joined = tensor != 0
    if not (joined == tensor).all():
        raise ValueError(f"Expected `{name}` to hold 0 and 1, got others; logits and probabilities need a threshold.")
    return joined


def check_affinity_image(name: str, image: Any, edges: Sequence[Sequence[int]]) -> Tensor:
    """Return an image with a channel for each edge, of its rank, as a plain tensor."""
    return _check_image(name, image, len(edges), edges)


def check_channel_of_ids(name: str, image: Any, edges: Sequence[Sequence[int]]) -> Tensor:
    """Return an image with one channel of ids, of the rank of edges, as a plain tensor."""
    return _check_image(name, image, 1, edges)


def _check_image(name: str, image: Any, channels: int, edges: Sequence[Sequence[int]]) -> Tensor:
    tensor = check_tensor(name, image)
    if tensor.ndim != len(edges[0]) + 1 or len(tensor) != channels:
        raise ValueError(
            f"Expected `{name}` of shape ({channels}, *spatial) in {len(edges[0])}-D, as `edges` are,"
            f" got {tuple(tensor.shape)}."
        )
    return tensor


def check_ids_of_edges(name: str, tensor: Tensor, edges: Sequence[Sequence[int]]) -> None:
    """Check that a map of ids has at least the axes that edges lead along."""
    if tensor.ndim < len(edges[0]):
        raise ValueError(
            f"Expected `{name}` of shape (..., *spatial) in {len(edges[0])}-D, as `edges` are,"
            f" got {tuple(tensor.shape)}."
        )


def check_instances(label: Tensor, input: Tensor, edges: Sequence[Sequence[int]]) -> None:
    """Check that ``input`` has a channel for each edge, of its rank, and a label of instances matches it."""
    if input.shape[1] != len(edges) or input.ndim - 2 != len(edges[0]):
        raise ValueError(
            f"Expected `input` of shape (B, {len(edges)}, *spatial) in {len(edges[0])}-D, a channel for each edge,"
            f" got {tuple(input.shape)}."
        )
    check_same_device("target", label, input)
    expected = (input.shape[0], 1, *input.shape[2:])
    if tuple(label.shape) != expected:
        raise ValueError(f"Expected `target` of shape {expected}, got {tuple(label.shape)}.")
