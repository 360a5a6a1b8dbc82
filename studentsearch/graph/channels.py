"""Where each channel comes from: the producer that made it, followed through carriers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studentsearch.graph.network import Network, Node
from studentsearch.graph.rules import HOMOGENEOUS, NORMS, Indices, carried_channels, is_reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """The producers of a node's channels.

    Attributes:
        producers: `[C]`, index of the node that made each channel: the image, a reader, a sum or a constant.
        channels: `[C]`, which of the producer's channels it is.
    """

    producers: Indices
    channels: Indices


def channel_origins(network: Network) -> tuple[Origins, ...]:
    """Origins of the channels of every node.

    Args:
        network: Any traced network.

    Returns:
        One entry a node. A reader, the image, a sum and a constant are their own origin.
    """
    origins: list[Origins] = []
    for node in network.nodes:
        if is_reader(node) or node.operation.kind in {"Input", "Add", "Constant"}:
            producers = np.full(node.num_channels, node.index)
            origins.append(Origins(producers=producers, channels=np.arange(node.num_channels)))
            continue
        inputs = [origins[index] for index in node.inputs]
        origins.append(
            Origins(
                producers=carried_channels(network, node, tuple(item.producers for item in inputs)),
                channels=carried_channels(network, node, tuple(item.channels for item in inputs)),
            )
        )
    return tuple(origins)


def norm_followed(network: Network) -> frozenset[int]:
    """Readers whose every use passes a BatchNorm before any other weight, sum or output.

    A positive scale of such a reader's weights leaves the network's function as it is once the statistics are scaled
    along.

    Args:
        network: Any traced network.

    Returns:
        Node indices of these readers.
    """
    users = network.users()
    absorbed = [False] * len(network.nodes)
    for node in reversed(network.nodes):
        absorbed[node.index] = bool(users[node.index]) and all(
            _absorbs(network.nodes[user], absorbed[user]) for user in users[node.index]
        )
    return frozenset(node.index for node in network.nodes if is_reader(node) and absorbed[node.index])


def _absorbs(user: Node, followed: bool) -> bool:
    if user.operation.kind in NORMS:
        return True
    return user.operation.kind in HOMOGENEOUS and followed
