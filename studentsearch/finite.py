"""Whether tensors are finite: one scalar on the device for training, names of the others for files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn


def moving_tensors(modules: Sequence[nn.Module]) -> list[Tensor]:
    """The parameters and running statistics of networks: what a training can make infinite.

    Args:
        modules: Networks on one device.

    Returns:
        Their floating-point tensors, sharing memory; buffers that are masks of 0 and -inf are left out.
    """
    parameters = [parameter.detach() for module in modules for parameter in module.parameters()]
    buffers = [buffer for module in modules for buffer in module.buffers()]
    return [
        tensor
        for tensor in (*parameters, *(buffer for buffer in buffers if not _is_mask(buffer)))
        if tensor.is_floating_point() and tensor.numel()
    ]


def largest_magnitude(tensors: Iterable[Tensor]) -> Tensor:
    """The largest absolute value of all entries: not finite where any entry is not.

    A few fused operations, and no wait for the device.

    Args:
        tensors: Floating point, of any shapes, not empty, on one device.

    Returns:
        Scalar on that device, float32 at least; 0 without tensors.
    """
    given = list(tensors)
    if not given:
        return torch.zeros(())
    return torch.nn.utils.get_total_norm(given, norm_type=float("inf")).to(torch.float32)


def names_not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold NaN or infinity.

    Args:
        tensors: By name; masks of 0 and -inf count as finite.

    Returns:
        The names, in order.
    """
    return [
        name
        for name, tensor in tensors.items()
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()) and not _is_mask(tensor)
    ]


def _is_mask(tensor: Tensor) -> bool:
    """Whether a tensor is what attention adds to hide positions: -inf at some of them, 0 elsewhere."""
    is_hidden = tensor == -torch.inf
    # a bias starts at 0, too, but has one axis
    return tensor.dim() >= 2 and bool(is_hidden.any() and (is_hidden | (tensor == 0)).all())
