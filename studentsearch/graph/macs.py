"""Multiply-accumulates as exact integers, for all gates open or any set of open gates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studentsearch.graph.dependencies import Mask
from studentsearch.graph.gates import GateSite, num_gates
from studentsearch.graph.liveness import Liveness, liveness
from studentsearch.graph.network import Network, Node
from studentsearch.graph.operations.table import is_reader, record_of

Counts = NDArray[np.int64]
_QUESTIONS_AT_ONCE = 256


def node_macs(alive: Liveness, node: Node) -> Counts:
    """Multiply-accumulates of one node for one image.

    Args:
        alive: The network's liveness, masks with any leading axes.
        node: Any node of the network.

    Returns:
        `[...]` int64; 0 for constants that are not computed, and for everything but convolutions and linear layers, as
        in torchvision's published figures.
    """
    outputs = alive.needed[node.index].sum(axis=-1, dtype=np.int64)
    for known in (alive.constant, alive.bordered):
        if node.index in known:
            outputs = np.where(known[node.index], 0, outputs)
    if is_reader(node):
        return np.asarray(outputs * alive.reads[node.index].sum(axis=-1, dtype=np.int64) * node.unit_macs)
    return np.asarray(outputs * node.unit_macs)


def count_macs(network: Network, alive: Liveness) -> Counts:
    """Multiply-accumulates of what is alive.

    Args:
        network: The traced network.
        alive: Its liveness, masks with any leading axes.

    Returns:
        `[...]` int64.
    """
    total = np.zeros(alive.image_is_needed.shape, dtype=np.int64)
    for node in network.nodes:
        if node.unit_macs:
            total += node_macs(alive, node)
    return total


def paper_macs(network: Network) -> int:
    """The count of Gu and Tresp 2020: multiply-accumulates, 2 per BatchNorm element, 1 per element a pooling writes.

    Args:
        network: The traced network.

    Returns:
        An exact integer.
    """
    extra = 0
    for node in network.nodes:
        record = record_of(node.operation)
        if record is not None:
            extra += record.paper_cost * node.num_channels * node.num_positions
    return full_macs(network) + extra


def full_macs(network: Network) -> int:
    """Multiply-accumulates of a network with every gate open, an exact integer.

    Args:
        network: The traced network.

    Returns:
        The count with every gate open.
    """
    return int(count_macs(network, liveness(network, (), np.ones(0, dtype=np.bool_))))


def macs_saved_by_gate(network: Network, sites: tuple[GateSite, ...], is_open: Mask) -> Counts:
    """F_j: what the network saves when gate j alone closes, with everything that falls with it.

    Args:
        network: The traced network.
        sites: Its gates.
        is_open: `[G]`, the state from which one gate closes.

    Returns:
        `[G]` int64; 0 for gates that are closed already.

    Source:
        Gu and Tresp 2020, the weights of the L1 term.
    """
    before = int(count_macs(network, liveness(network, sites, is_open)))
    saved = np.zeros(num_gates(sites), dtype=np.int64)
    for first in range(0, len(saved), _QUESTIONS_AT_ONCE):
        asked = np.arange(first, min(first + _QUESTIONS_AT_ONCE, len(saved)))
        states = np.repeat(is_open[np.newaxis], len(asked), axis=0)
        states[np.arange(len(asked)), asked] = False
        saved[asked] = before - count_macs(network, liveness(network, sites, states))
    return saved
