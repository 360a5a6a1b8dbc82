"""The two layers that torch.nn lacks: picking channels, and what a convolution without inputs computes.

Their source is copied into a student's model.py, so they import torch alone and explain themselves.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Select(nn.Module):
    """The channels of its input that the next layer reads, `[B, C, ...]` to `[B, len(channels), ...]`."""

    channels: Tensor

    def __init__(self, channels: tuple[int, ...]) -> None:
        """Keep which channels are read.

        Args:
            channels: Ascending indices on axis 1.
        """
        super().__init__()
        self.register_buffer("channels", torch.tensor(channels), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pick the channels."""
        return x[:, self.channels]


class Constant(nn.Module):
    """What a layer computes once it has lost all its inputs: its bias, or zero, at every position."""

    def __init__(
        self, num_channels: int, bias: bool, windows: tuple[tuple[int, int, int, int, int, int, int, int], ...]
    ):
        """Keep the channels and the windows between the tensor that gives the size and the output.

        Args:
            num_channels: Channels of the output.
            bias: Whether the layer had a bias.
            windows: Kernel, stride, padding and dilation (height, width each) of every layer passed; none for a vector.
        """
        super().__init__()
        self.num_channels = num_channels
        self.windows = windows
        self.bias = nn.Parameter(torch.zeros(num_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """The constant, `[B, num_channels]` or `[B, num_channels, H', W']` for an input `[B, C, H, W]`."""
        height, width = (x.shape[2], x.shape[3]) if self.windows else (1, 1)
        for kh, kw, sh, sw, ph, pw, dh, dw in self.windows:
            height = (height + 2 * ph - dh * (kh - 1) - 1) // sh + 1
            width = (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1
        size = (x.shape[0], self.num_channels) + ((height, width) if self.windows else ())
        if self.bias is None:
            return x.new_zeros(size)
        return self.bias.to(x.dtype).view(1, -1, *([1] * (len(size) - 2))).expand(size)
