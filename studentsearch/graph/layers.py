"""The layers that torch.nn lacks: picking channels, what a layer without inputs computes, and stochastic depth.

Their source is copied into a student's model.py, so they import torch alone and explain themselves.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Select(nn.Module):
    """The channels of its input that the next layer reads; where an index is -1, a channel of zeros."""

    channels: Tensor

    def __init__(self, channels: tuple[int, ...], axis: int = 1) -> None:
        """Keep which channels are read.

        Args:
            channels: Indices on `axis`, -1 for zeros.
            axis: The axis of channels, counted with the batch.
        """
        super().__init__()
        self.axis, self.picked = axis, channels
        self.has_zeros = -1 in channels
        self.is_run = channels == tuple(range(channels[0], channels[0] + len(channels))) and not self.has_zeros
        self.first = channels[0]
        self.register_buffer("channels", torch.tensor(channels), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pick the channels."""
        if self.is_run:
            return x.narrow(self.axis, self.first, self.channels.numel())
        if not self.has_zeros:
            return x.index_select(self.axis, self.channels)
        shape = [1] * x.dim()
        shape[self.axis] = -1
        return x.index_select(self.axis, self.channels.clamp(min=0)) * (self.channels >= 0).view(shape).to(x.dtype)


class Constant(nn.Module):
    """What a layer computes once it has lost all its inputs: the same numbers at every position."""

    def __init__(
        self,
        num_channels: int,
        axis: int = 1,
        rank: int = 4,
        like_axis: int = 1,
        windows: tuple[tuple[int, ...], ...] = (),
        sizes: tuple[int, ...] = (),
        made_for: tuple[int, ...] = (),
        border: tuple[int, ...] = (),
    ) -> None:
        """Keep the channels and what tells the positions: those of a tensor, behind windows, or fixed sizes.

        Args:
            num_channels: Channels of the output.
            axis: The axis of channels, counted with the batch.
            rank: Dimensions of the output, counted with the batch.
            like_axis: The axis of channels of the tensor that gives the size.
            windows: Of every layer passed its kernels, strides, paddings and dilations, one number a spatial axis
                each, and how it rounds: 0 down, 1 up, 2 where it spreads (transposed) and its paddings are what it
                cuts off in all.
            sizes: Fixed positions, where no windows tell them.
            made_for: The tensor's own positions for which `sizes` hold; any others are refused.
            border: For every spatial axis how many positions at either end have numbers of their own.
        """
        super().__init__()
        self.axis, self.rank, self.like_axis, self.windows = axis, rank, like_axis, windows
        self.sizes, self.made_for, self.border = sizes, made_for, border
        self.value = nn.Parameter(torch.zeros(num_channels, *(2 * width + 1 for width in border)))

    def forward(self, x: Tensor) -> Tensor:
        """The constant, of the size of `x` but for its channels."""
        places = [size for axis, size in enumerate(x.shape) if axis not in {0, self.like_axis}]
        if self.made_for and places != list(self.made_for):
            found, expected = ("x".join(map(str, sizes)) for sizes in (places, self.made_for))
            raise ValueError(f"made for images of {expected}, found {found}; resize them, or search at that size")
        places = (list(self.sizes) or places)[: self.rank - 2]
        for window in self.windows:
            n = len(window) // 4
            rows = (window[:n], window[n : 2 * n], window[2 * n : 3 * n], window[3 * n : 4 * n])
            for axis, (kernel, stride, padding, dilation) in enumerate(zip(*rows, strict=True)):
                extent = dilation * (kernel - 1) + 1
                if window[-1] == 2:
                    places[axis] = (places[axis] - 1) * stride + extent - padding
                    continue
                room = places[axis] + 2 * padding - extent
                rounded_up = window[-1] and room % stride and (room // stride + 1) * stride < places[axis] + padding
                places[axis] = room // stride + (2 if rounded_up else 1)
        if self.border:
            value = self.value.to(x.dtype)
            for axis, (width, length) in enumerate(zip(self.border, places, strict=True), start=1):
                if length < 2 * width + 1:
                    raise ValueError(f"made for at least {2 * width + 1} positions, found {length}; give larger images")
                place = torch.arange(length, device=x.device)
                first, last = place.clamp(max=width), (place - length + 1 + 2 * width).clamp(min=width)
                value = value.index_select(axis, torch.where(place < width, first, last))
            return value.expand(x.shape[0], *value.shape)
        size, shape = [x.shape[0], *places], [1] * self.rank
        size.insert(self.axis, self.value.numel())
        shape[self.axis] = -1
        return self.value.to(x.dtype).view(shape).expand(size)


class StochasticDepth(nn.Module):
    """A branch that is dropped at random in training, for each image (`row`) or the whole batch (`batch`)."""

    def __init__(self, p: float, mode: str = "row") -> None:
        """Keep the probability.

        Args:
            p: Probability of dropping the branch; what is kept is divided by 1 - p.
            mode: `row` or `batch`.
        """
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, x: Tensor) -> Tensor:
        """The branch or zeros in training, the branch otherwise."""
        if not self.training or self.p == 0:
            return x
        shape = [x.shape[0] if self.mode == "row" else 1] + [1] * (x.dim() - 1)
        return x * x.new_empty(shape).bernoulli_(1 - self.p) / max(1 - self.p, torch.finfo(x.dtype).tiny)
