"""Predictions and labels to try losses on, and what a loss keeps of them."""

from __future__ import annotations

import numpy as np
import torch
from monai.networks import one_hot

from tests.images import random_label

SHAPES = {2: (20, 24), 3: (12, 14, 10)}


def make_case(ndim, channels, device, *, batch=2, seed=0, dtype=torch.float32):
    """Logits and a label map whose classes are patches of a random image."""
    spatial = SHAPES[ndim]
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, channels, *spatial, generator=generator, dtype=dtype)
    classes = max(2, channels)
    labels = [np.resize(random_label("boxes", ndim, seed + i, classes), spatial) for i in range(batch)]
    label = torch.from_numpy(np.stack(labels))[:, None] % classes
    return logits.to(device), label.to(device)


def label_channels(label, channels):
    return label.float() if channels == 1 else one_hot(label, channels)


BAD_INPUTS = [  # of losses with softmax and a label map: logits, target, what is said
    (torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 5), "Expected `target` of shape"),
    (torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), "Expected `input` with several channels for `softmax`"),
    (torch.zeros(1, 3, 4, 4), torch.full((1, 1, 4, 4), 3), "class ids below 3"),
    (torch.zeros(3, 4, 4), torch.zeros(1, 1, 4, 4), r"Expected `input` of shape \(B, C, \*spatial\)"),
]


def lay_out(logits, layout):
    """The same logits in another layout of memory, to be differentiated by; expanded ones repeat the first sample."""
    if layout == "expanded":
        logits = logits[:1].expand(len(logits), *logits.shape[1:])
    elif layout == "channels_last":
        logits = logits.to(memory_format=torch.channels_last if logits.ndim == 4 else torch.channels_last_3d)
    elif layout == "transposed":
        logits = logits.transpose(0, 1).contiguous().transpose(0, 1)
    return logits.detach().requires_grad_()


def saved_bytes(loss, logits, target):
    """Bytes kept for the backward pass, other than the input itself."""
    total = 0

    def pack(tensor):
        nonlocal total
        if tensor.untyped_storage().data_ptr() != logits.untyped_storage().data_ptr():
            total += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss(logits, target)
    return total
