"""BatchNorm statistics of a net under other weights, so that its signal lives however many gates are closed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase

_ROLES = ("running_mean", "running_var", "num_batches_tracked")


def is_statistic(name: str) -> bool:
    """Whether a tensor of this name is a statistic of a norm."""
    return name.endswith(_ROLES)


@torch.no_grad()
def norm_statistics(
    module: nn.Module, weights: Mapping[str, Tensor], images: Tensor, *, seed: int
) -> dict[str, Tensor]:
    """Statistics of a batch, a little off, as after training on other images.

    Args:
        module: Any net in evaluation mode; it is not changed.
        weights: What it has in the place of its own tensors, by name.
        images: `[B, C, H, W]`.
        seed: Of what they are off by.

    Returns:
        Running means and variances by name.
    """
    norms = {
        path: norm
        for path, norm in module.named_modules()
        if isinstance(norm, _NormBase) and norm.running_var is not None
    }
    if not norms:
        return {}
    own = {name: tensor.clone() for name, tensor in module.named_buffers() if is_statistic(name)}
    momenta = [norm.momentum for norm in norms.values()]
    for norm in norms.values():
        norm.momentum = 1.0
        norm.train()  # they alone: heads for training only may not take small images
    intact = {path: own[f"{path}.running_var"].mean().item() for path in norms}
    functional_call(module, {**weights, **own}, (images,))
    for norm, momentum in zip(norms.values(), momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
    generator = torch.Generator().manual_seed(seed)
    for path in norms:
        mean, variance = own[f"{path}.running_mean"], own[f"{path}.running_var"]
        # a channel that hardly moves any more would amplify rounding, layer by layer
        variance.copy_(torch.maximum(variance, 0.01 * mean**2)).clamp_(
            min=0.1 * max(intact[path], variance.mean().item())
        )
        variance.mul_(torch.empty_like(variance).uniform_(0.8, 1.25, generator=generator))
        mean.add_(0.1 * variance.sqrt() * torch.empty_like(mean).normal_(generator=generator))
    return own
