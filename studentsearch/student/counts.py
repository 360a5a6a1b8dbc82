"""One network counted in every convention of the field, by independent counters."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass

import torch
from thop import profile
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from studentsearch.graph.macs import full_macs, paper_macs
from studentsearch.graph.network import Network

_UNCOUNTED = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.AvgPool2d,
    nn.MaxPool2d,
    nn.AdaptiveAvgPool2d,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.Dropout,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The cost of one image.

    Attributes:
        macs: Multiply-accumulates of convolutions and linear layers; the budget's unit.
        paper: `macs`, 2 per BatchNorm element and 1 per element that a pooling writes (Gu and Tresp 2020).
        thop: What thop reports by default.
        flops: What torch's FlopCounterMode reports: 2 per multiply-accumulate.
        parameters: Trainable numbers.
    """

    macs: int
    paper: int
    thop: int
    flops: int
    parameters: int

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


def count_everything(module: nn.Module, network: Network) -> Counts:
    """All conventions for one network of plain layers.

    Args:
        module: The network as `build` makes it, so that no functional call hides from thop.
        network: Its trace.

    Returns:
        The counts.
    """
    images = torch.zeros(1, *network.input_shape, dtype=next(module.parameters()).dtype)
    # without gradients: FlopCounterMode follows tensors that want one and trips over a bias that stands alone
    copied = copy.deepcopy(module).eval().requires_grad_(False)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copied(images)
    total, _ = profile(copied, (images,), verbose=False)
    return Counts(
        macs=full_macs(network),
        paper=paper_macs(network),
        thop=round(total),
        flops=int(counter.get_total_flops()),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
    )


def thop_macs(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates as thop counts them with BatchNorm, activations and pooling at zero.

    Args:
        module: A network of plain layers; a copy of it is profiled, since thop leaves buffers behind.
        input_shape: `[C, H, W]` of one image.

    Returns:
        An exact integer.
    """
    dtypes = [parameter.dtype for parameter in module.parameters()]  # none in a student that lost every layer
    images = torch.zeros(1, *input_shape, dtype=dtypes[0] if dtypes else None)
    nothing = dict.fromkeys(_UNCOUNTED, _count_nothing)
    total: float = profile(copy.deepcopy(module).eval(), (images,), custom_ops=nothing, verbose=False)[0]
    return round(total)


def _count_nothing(*_: object) -> None:
    """A thop rule that leaves its layer at zero."""
