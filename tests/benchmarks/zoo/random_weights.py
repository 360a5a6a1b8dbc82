"""Random weights with which every part of a net matters: nothing zero, nothing saturated."""

from __future__ import annotations

import torch
from norm_statistics import norm_statistics
from torch import Tensor, nn


@torch.no_grad()
def randomise(module: nn.Module, images: Tensor, *, seed: int) -> None:
    """Give a freshly made net weights, scales and statistics that no part of it is silent with.

    Args:
        module: The net; it is changed, and left in evaluation mode.
        images: `[B, C, H, W]`.
        seed: Of the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        first = parameter.flatten()[:1]
        if parameter.numel() and bool((parameter == first).all()):
            # biases, last scales of a branch, layer scales: as they are made, some branches add nothing
            if first.item() == 0:
                parameter.normal_(0.0, 0.05, generator=generator)
            else:
                parameter.uniform_(0.5, 1.5, generator=generator)
    statistics = norm_statistics(module.eval(), {}, images, seed=seed)
    for name, tensor in module.named_buffers():
        if name in statistics:
            tensor.copy_(statistics[name])
