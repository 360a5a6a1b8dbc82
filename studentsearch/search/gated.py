"""The gated copy of a teacher: the same layers, each reader's weight slices multiplied by its gates."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from studentsearch.graph.gates import GateSite, scale_weights


def gated_forward(module: nn.Module, sites: tuple[GateSite, ...], gates: Tensor, images: Tensor) -> object:
    """What the gated copy returns; differentiable in the module's weights and in the gates.

    Args:
        module: The copy whose weights are searched with.
        sites: Where its gates sit.
        gates: `[G]`, all gates.
        images: `[B, C, H, W]`.

    Returns:
        One tensor, or several as the module groups them.
    """
    answer: object = functional_call(module, scale_weights(dict(module.named_parameters()), sites, gates), (images,))
    return answer


def reader_means(sites: tuple[GateSite, ...], gates: Tensor, readers: frozenset[int]) -> Tensor:
    """For every gate the mean of its reader's open gates, at most 1.

    Behind BatchNorm only the direction of W * g counts. When the gates of a reader have mean m, a step of W of the
    same length turns W * g by 1 / m^2 as much, and the loss's gradient over g is 1 / m of what it is over g / m. With
    these factors taken out, shrinking gates neither raise the learning rate nor drown the penalty.

    Args:
        sites: Where the gates sit.
        gates: `[G]`, closed where 0.
        readers: Node indices of the readers that a BatchNorm follows; the others, and those without open gates, get 1.

    Returns:
        `[G]`, in (0, 1].
    """
    means = torch.ones_like(gates)
    for site in sites:
        if site.node in readers:
            own = gates[site.span].abs()
            mean = own.sum() / (own > 0).sum().clamp_min(1)
            means[site.span] = torch.where(mean > 0, mean.clamp(max=1.0), 1.0)
    return means


@torch.no_grad()
def scale_gradients(module: nn.Module, sites: tuple[GateSite, ...], scale: Tensor) -> None:
    """Each reader's weight gradient times the scale of its gates.

    Args:
        module: The gated copy after the backward pass; its gradients are changed in place.
        sites: Where its gates sit.
        scale: `[G]`, equal for all gates of a reader.
    """
    parameters = dict(module.named_parameters())
    for site in sites:
        gradient = parameters[site.weight_name].grad
        if gradient is not None:
            gradient.mul_(scale[site.start])
