"""Which channels are still needed when some gates are closed: from the output back to the image, to a fixed point.

A producer's filter lives while some reader still reads its channel; a reader reads a channel while its gate is open and
any of its own filters lives. Masks may carry leading axes, so many "what if" questions are answered at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studentsearch.graph.channels import reused_layers
from studentsearch.graph.constancy import bordered_nodes, constant_nodes
from studentsearch.graph.dependencies import Indices, Mask
from studentsearch.graph.gates import GateSite
from studentsearch.graph.network import Network
from studentsearch.graph.operations.table import is_reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """What is alive for given open gates.

    Attributes:
        needed: For every node `[..., C]`, its output channels that something still needs.
        reads: For every reader, by node index, `[..., C_in]`, the input entries that its kept weights use.
        constant: By node index `[...]`, whether it is one number a channel whatever the image, and is not computed; no
            entry where it never is.
        bordered: The same for layers that are such a constant but for their border.
        image_is_needed: `[...]`, whether any path from an image to the output is left.
    """

    needed: tuple[Mask, ...]
    reads: dict[int, Mask]
    image_is_needed: Mask
    constant: dict[int, Mask]
    bordered: dict[int, Mask]

    def is_constant(self, index: int) -> bool:
        """Whether a node is a constant that is not computed; unbatched masks only."""
        return index in self.constant and bool(self.constant[index])

    def is_bordered(self, index: int) -> bool:
        """Whether a layer is a constant but for its border, and is not computed; unbatched masks only."""
        return index in self.bordered and bool(self.bordered[index])

    def is_emptied(self, reader: int) -> bool:
        """Whether a reader lost all its inputs while its (constant) outputs are still needed; unbatched masks only."""
        return bool(self.needed[reader].any()) and not self.reads[reader].any()


def liveness(network: Network, sites: tuple[GateSite, ...], is_open: Mask) -> Liveness:
    """What is alive when the gates in `is_open` are open and all others closed.

    Args:
        network: The traced network.
        sites: Its gates.
        is_open: `[..., G]`, one entry a gate.

    Returns:
        Needed and read channels of every node.
    """
    leading = is_open.shape[:-1]
    needed = [np.zeros((*leading, node.num_channels), dtype=np.bool_) for node in network.nodes]
    needed[-1][...] = True
    gates = {call: site.entries(is_open) for site in sites for call in site.calls}
    reads: dict[int, Mask] = {}
    reused = reused_layers(network)
    while True:
        _backward(network, gates, needed, reads)
        if not _agree(reused, needed):
            break
    constant = constant_nodes(network, needed, reads, leading)
    images = [needed[node.index] for node in network.nodes if node.operation.kind == "Input"]
    return Liveness(
        needed=tuple(needed),
        reads=reads,
        constant=constant,
        bordered=bordered_nodes(network, constant),
        image_is_needed=np.asarray(np.any([image.any(axis=-1) for image in images], axis=0)),
    )


def _backward(network: Network, gates: dict[int, Mask], needed: list[Mask], reads: dict[int, Mask]) -> None:
    for node in reversed(network.nodes):
        wanted = needed[node.index]
        if is_reader(node):
            (source,) = node.inputs
            alive = wanted.any(axis=-1, keepdims=True)
            own = gates.get(node.index)
            size = network.nodes[source].num_channels
            reads[node.index] = np.broadcast_to(alive, (*wanted.shape[:-1], size)) if own is None else own & alive
            needed[source] |= node.dependencies[0].needed(reads[node.index])
            continue
        if node.coupled is not None:
            needed[node.index] = wanted = _closed(wanted, node.coupled)
        for source, dependency in zip(node.inputs, node.dependencies, strict=True):
            needed[source] |= dependency.needed(wanted)


def _closed(wanted: Mask, coupled: Indices) -> Mask:
    """What is wanted, and all that is coupled to it."""
    size = len(coupled)
    if coupled[-1] == 0:
        return np.broadcast_to(wanted.any(axis=-1, keepdims=True), wanted.shape).copy()
    width = size // (int(coupled[-1]) + 1)
    groups = wanted.reshape(*wanted.shape[:-1], -1, width).any(axis=-1)
    return np.repeat(groups, width, axis=-1)


def _agree(reused: tuple[tuple[int, ...], ...], needed: list[Mask]) -> bool:
    """Give all calls of a layer the union of what is needed of it; whether that changed anything."""
    is_changed = False
    for calls in reused:
        union = np.logical_or.reduce([needed[index] for index in calls])
        for index in calls:
            if not np.array_equal(union, needed[index]):
                needed[index] = union.copy()
                is_changed = True
    return is_changed
