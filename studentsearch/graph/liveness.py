"""Which channels are still needed when some gates are closed: one pass from the output back to the image.

A producer's filter lives while some reader still reads its channel; a reader reads a channel while its gate is open and
any of its own filters lives. Masks may carry leading axes, so many "what if" questions are answered at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studentsearch.graph.gates import GateSite
from studentsearch.graph.network import Network
from studentsearch.graph.rules import Mask, is_reader, is_whole, needed_inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """What is alive for given open gates.

    Attributes:
        needed: For every node `[..., C]`, its output channels that something still needs.
        reads: For every reader, by node index, `[..., C_in]`, the input entries that its kept weights use.
    """

    needed: tuple[Mask, ...]
    reads: dict[int, Mask]

    def is_emptied(self, reader: int) -> bool:
        """Whether a reader lost all its inputs while its (constant) outputs are still needed; unbatched masks only."""
        return bool(self.needed[reader].any()) and not self.reads[reader].any()

    @property
    def image_is_needed(self) -> Mask:
        """`[...]`, whether any path from the image to the output is left."""
        return np.asarray(self.needed[0].any(axis=-1))


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
    site_of = {site.node: site for site in sites}
    reads: dict[int, Mask] = {}
    for node in reversed(network.nodes):
        if is_reader(node):
            source = node.inputs[0]
            alive = needed[node.index].any(axis=-1, keepdims=True)
            if is_whole(node):
                needed[node.index] |= alive
            site = site_of.get(node.index)
            if site is None:
                reads[node.index] = np.broadcast_to(alive, (*leading, network.nodes[source].num_channels))
            else:
                gates = is_open[..., site.span]
                reads[node.index] = np.repeat(gates, site.features_per_gate, axis=-1) & alive
            needed[source] |= reads[node.index]
        else:
            for source, mask in zip(node.inputs, needed_inputs(network, node, needed[node.index]), strict=True):
                needed[source] |= mask
    return Liveness(needed=tuple(needed), reads=reads)
