"""Random weights with which every part of a net matters: nothing zero, nothing saturated."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase


@torch.no_grad()
def randomise(module: nn.Module, shape: tuple[int, int, int], *, seed: int) -> None:
    """Give a freshly made net weights, scales and statistics that no part of it is silent with.

    Args:
        module: The net; it is changed, and left in evaluation mode.
        shape: `[C, H, W]` of one image.
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
    _give_statistics(module, torch.randn(4, *shape, generator=generator), generator)
    module.eval()


def _give_statistics(module: nn.Module, images: torch.Tensor, generator: torch.Generator) -> None:
    """Statistics of a batch, a little off, as after training on other pictures."""
    norms = [norm for norm in module.modules() if isinstance(norm, _NormBase) and norm.running_var is not None]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    module.train()(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        variance, mean = norm.running_var, norm.running_mean
        assert isinstance(variance, torch.Tensor)
        assert isinstance(mean, torch.Tensor)
        variance.clamp_(min=0.1 * variance.mean().item())  # a channel that hardly moves would amplify rounding
        variance.mul_(torch.empty_like(variance).uniform_(0.8, 1.25, generator=generator))
        mean.add_(0.1 * variance.sqrt() * torch.empty_like(mean).normal_(generator=generator))
