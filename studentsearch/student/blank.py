"""Images that a module takes, by the numbers it computes in."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn


def blank_images(module: nn.Module, shapes: tuple[tuple[int, ...], ...], *, number: int = 1) -> list[Tensor]:
    """Images of zeros.

    Args:
        module: Any module; where it has no parameters its buffers tell.
        shapes: The shape of one image, one an input.
        number: How many of each.

    Returns:
        `[number, ...]` an input, of the type and on the device of the module's tensors.
    """
    tensors = chain(module.parameters(), module.buffers())
    like = next((tensor for tensor in tensors if tensor.is_floating_point()), torch.zeros(0))
    return [torch.zeros(number, *shape, dtype=like.dtype, device=like.device) for shape in shapes]
