"""Where gates sit: one on every input channel of every reader, except on the channels of the image.

A gate scales the reader's weight slice: conv(x * g, W) = conv(x, W * g) along the input axis, so that its cost does not
grow with the batch or the image, and folding it is one multiplication.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from studentsearch.graph.channels import channel_origins, joined, shared_units
from studentsearch.graph.dependencies import Indices, Mask
from studentsearch.graph.network import Network, Node
from studentsearch.graph.operations.table import has_reading_weight, is_grouped, is_reader, weight_axes_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GateSite:
    """The gates of one reader, a stretch of the vector of all gates.

    Attributes:
        node: Index of the reader in its network.
        path: Module path of the reader.
        start: Position of its first gate in the vector of all gates.
        num_gates: How many gates it has.
        gate_of: `[C_in]`, for every entry of the weight's input axis its gate, counted from `start`; None where each
            entry has its own.
        weight_axis: The input axis of its weight.
        calls: Indices of all nodes that call this layer.
    """

    node: int
    path: str
    start: int
    num_gates: int
    gate_of: Indices | None
    weight_axis: int
    calls: tuple[int, ...]

    @property
    def span(self) -> slice:
        """Its stretch of the vector of all gates."""
        return slice(self.start, self.start + self.num_gates)

    @property
    def weight_name(self) -> str:
        """The parameter that its gates scale."""
        return f"{self.path}.weight"

    def entries(self, is_open: Mask) -> Mask:
        """From all gates `[..., G]` the entries of the weight's input axis that are open, `[..., C_in]`."""
        own = is_open[..., self.span]
        return own if self.gate_of is None else own[..., self.gate_of]


@dataclass(frozen=True, slots=True, kw_only=True)
class UngatedLayer:
    """A layer without gates of its own, and why."""

    path: str
    reason: str


def gate_sites(network: Network) -> tuple[GateSite, ...]:
    """The gates of a network, readers in topological order.

    Args:
        network: Any traced network.

    Returns:
        One site a reader. None have readers of image channels, grouped convolutions, layers that keep all channels in
        another call, and readers that the logits do not depend on, whose gates no loss would hold open.
    """
    units = shared_units(network)
    calls = _calls(network)
    images = _image_readers(network)
    trained = _before_logits(network)
    sites: list[GateSite] = []
    start = 0
    for node in network.nodes:
        if node.path not in calls or calls[node.path][0] != node.index or images & set(calls[node.path]):
            continue
        if trained.isdisjoint(calls[node.path]):
            continue
        unit = joined([units[network.nodes[index].inputs[0]] for index in calls[node.path]])
        is_own = np.array_equal(unit, np.arange(len(unit)))
        sites.append(
            GateSite(
                node=node.index,
                path=node.path,
                start=start,
                num_gates=int(unit.max()) + 1,
                gate_of=None if is_own else unit,
                weight_axis=weight_axes_of(node).inputs,
                calls=calls[node.path],
            )
        )
        start = sites[-1].span.stop
    return tuple(sites)


def ungated_layers(network: Network, sites: Sequence[GateSite]) -> tuple[UngatedLayer, ...]:
    """The layers that have no gates, or that are never cut, and why.

    Args:
        network: Any traced network.
        sites: Its gates.

    Returns:
        In topological order, a layer once.
    """
    gated = {site.path for site in sites}
    images, trained = _image_readers(network), _before_logits(network)
    found: dict[str, str] = {}
    for node in network.nodes:
        reason = node.keeps_all
        if not reason and has_reading_weight(node.operation) and node.path not in gated:
            reason = "reads the image" if node.index in images else ""
            reason = reason if node.index in trained else "the logits do not depend on it"
        if not reason and is_grouped(node):
            depthwise = node.operation.integer("groups") == node.operation.integer("in_channels")
            reason = (
                "depthwise: falls with its readers" if depthwise else "grouped: whole groups fall with their readers"
            )
        if reason:
            found.setdefault(node.path or node.location or node.name, reason)
    return tuple(UngatedLayer(path=path, reason=reason) for path, reason in found.items())


def num_gates(sites: tuple[GateSite, ...]) -> int:
    """Length of the vector of all gates."""
    return sites[-1].span.stop if sites else 0


def scale_weights(weights: Mapping[str, Tensor], sites: tuple[GateSite, ...], gates: Tensor) -> dict[str, Tensor]:
    """The weights of all readers with their gates multiplied in; differentiable in both.

    Args:
        weights: Parameters by name, readers' weights `[C_out, C_in, ...]` (`[C_in, C_out, ...]` where transposed).
        sites: Where the gates sit.
        gates: `[G]`, all gates.

    Returns:
        Only the readers' weights, by name.
    """
    scaled: dict[str, Tensor] = {}
    for site in sites:
        weight = weights[site.weight_name]
        gate = gates[site.span].to(weight.dtype)
        if site.gate_of is not None:
            gate = gate[torch.from_numpy(site.gate_of).to(gate.device)]
        shape = [1] * weight.dim()
        shape[site.weight_axis] = -1
        scaled[site.weight_name] = weight * gate.view(shape)
    return scaled


def _image_readers(network: Network) -> set[int]:
    """Nodes of readers that read channels of the image as they are."""
    origins = channel_origins(network)
    images = {node.index for node in network.nodes if node.operation.kind == "Input"}
    return {
        node.index
        for node in network.nodes
        if is_reader(node) and images & set(np.unique(origins[node.inputs[0]].producers).tolist())
    }


def _before_logits(network: Network) -> set[int]:
    """Indices of the nodes that the logits are computed from."""
    found = {network.logits.index}
    for node in reversed(network.nodes):
        if node.index in found:
            found.update(node.inputs)
    return found


def _calls(network: Network) -> dict[str, tuple[int, ...]]:
    """For the path of every layer that is a reader in all of its calls the nodes that call it."""
    calls: dict[str, list[Node]] = {}
    for node in network.nodes:
        if has_reading_weight(node.operation):
            calls.setdefault(node.path, []).append(node)
    return {path: tuple(node.index for node in nodes) for path, nodes in calls.items() if all(map(is_reader, nodes))}
