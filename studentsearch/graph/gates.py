"""Where gates sit: one on every input channel of every reader, except on the channels of the image.

A gate scales the reader's weight slice: conv(x * g, W) = conv(x, W * g) along the input axis, so that its cost does not
grow with the batch or the picture, and folding it is one multiplication.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from studentsearch.graph.channels import channel_origins
from studentsearch.graph.network import Network
from studentsearch.graph.rules import is_reader, is_whole

_WIDTHLESS = frozenset({"Select", "Constant"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSite:
    """The gates of one reader, a stretch of the vector of all gates.

    Attributes:
        node: Index of the reader in its network.
        path: Module path of the reader.
        start: Position of its first gate in the vector of all gates.
        num_gates: How many channels it reads.
        features_per_gate: Entries of the weight's input axis that one channel feeds (height times width behind a
            flatten).
    """

    node: int
    path: str
    start: int
    num_gates: int
    features_per_gate: int

    @property
    def span(self) -> slice:
        """Its stretch of the vector of all gates."""
        return slice(self.start, self.start + self.num_gates)

    @property
    def weight_name(self) -> str:
        """The parameter that its gates scale."""
        return f"{self.path}.weight"


def gate_sites(network: Network) -> tuple[GateSite, ...]:
    """The gates of a network, readers in topological order.

    Args:
        network: Any traced network.

    Returns:
        One site a reader; readers of image channels and grouped convolutions have none.
    """
    origins = channel_origins(network)
    widths = _features_per_channel(network)
    sites: list[GateSite] = []
    start = 0
    for node in network.nodes:
        if not is_reader(node) or is_whole(node) or np.any(origins[node.inputs[0]].producers == 0):
            continue
        width = widths[node.inputs[0]]
        num_gates = network.nodes[node.inputs[0]].num_channels // width
        sites.append(
            GateSite(node=node.index, path=node.path, start=start, num_gates=num_gates, features_per_gate=width)
        )
        start += num_gates
    return tuple(sites)


def num_gates(sites: tuple[GateSite, ...]) -> int:
    """Length of the vector of all gates."""
    return sites[-1].span.stop if sites else 0


def scale_weights(weights: Mapping[str, Tensor], sites: tuple[GateSite, ...], gates: Tensor) -> dict[str, Tensor]:
    """The weights of all readers with their gates multiplied in; differentiable in both.

    Args:
        weights: Parameters by name, readers' weights `[C_out, C_in, ...]`.
        sites: Where the gates sit.
        gates: `[G]`, all gates.

    Returns:
        Only the readers' weights, by name.
    """
    scaled: dict[str, Tensor] = {}
    for site in sites:
        weight = weights[site.weight_name]
        gate = gates[site.span].to(weight.dtype)
        if site.features_per_gate > 1:
            gate = torch.repeat_interleave(gate, site.features_per_gate)
        scaled[site.weight_name] = weight * gate.view(1, -1, *([1] * (weight.dim() - 2)))
    return scaled


def _features_per_channel(network: Network) -> list[int]:
    """For every node how many of its entries stand for one channel (1, or the positions that a flatten spread out)."""
    widths: list[int] = []
    for node in network.nodes:
        inputs = (
            set() if is_reader(node) or node.operation.kind in _WIDTHLESS else {widths[index] for index in node.inputs}
        )
        width = inputs.pop() if len(inputs) == 1 else 1  # inputs that disagree get a gate an entry
        if node.operation.kind == "Flatten":
            width *= network.nodes[node.inputs[0]].num_positions
        widths.append(width)
    return widths
