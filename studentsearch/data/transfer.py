"""Tensors on their way from the processor to the device that computes."""

import torch
from torch import Tensor


def send(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor on another device; the program does not wait for a CUDA device to have it.

    Args:
        tensor: Any shape, on any device.
        device: Where it shall lie.

    Returns:
        The tensor there: itself where it lies there already.
    """
    if tensor.device.type == "cpu" and torch.device(device).type == "cuda":
        # Only from pinned memory is a copy queued; the allocator keeps that memory until the copy is done.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
