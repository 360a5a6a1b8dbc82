"""Where each channel comes from: the producer that made it, followed through what only carries channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studentsearch.graph.dependencies import Indices
from studentsearch.graph.network import Network, Node
from studentsearch.graph.operations.operation_record import Family
from studentsearch.graph.operations.table import is_reader, record_of


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
        One entry a node. Whatever joins or mixes channels is their origin.
    """
    origins: list[Origins] = []
    for node in network.nodes:
        if not _carries(node):
            producers = np.full(node.num_channels, node.index)
            origins.append(Origins(producers=producers, channels=np.arange(node.num_channels)))
            continue
        producers = np.full(node.num_channels, node.index)
        channels = np.arange(node.num_channels)
        for source, dependency in zip(node.inputs, node.dependencies, strict=True):
            of_input = dependency.labels(np.arange(dependency.num_inputs))
            taken = of_input >= 0
            producers[taken] = origins[source].producers[of_input[taken]]
            channels[taken] = origins[source].channels[of_input[taken]]
        origins.append(Origins(producers=producers, channels=channels))
    return tuple(origins)


def _carries(node: Node) -> bool:
    """Whether every channel of the node is one channel of one input."""
    if is_reader(node) or not node.inputs or node.keeps_all:
        return False
    if not all(dependency.takes_one for dependency in node.dependencies):
        return False
    return node.operation.kind in {"Concat", "Output"} or len(node.inputs) == 1


def shared_units(network: Network) -> tuple[Indices, ...]:
    """For every node labels of its channels: those of one label are one unit, and a gate on one is a gate on all.

    Positions that a flatten spread out, channels of one group of a convolution or a norm, and copies of one channel
    belong together.

    Args:
        network: Any traced network.

    Returns:
        `[C]` labels from 0 a node, in order of first appearance.
    """
    units: list[Indices] = []
    for node in network.nodes:
        if is_reader(node) or node.keeps_all or not node.inputs:
            units.append(np.arange(node.num_channels))
            continue
        partitions = [] if node.coupled is None else [node.coupled]
        start = 0
        own = np.full(node.num_channels, -1, dtype=np.int64)
        for source, dependency in zip(node.inputs, node.dependencies, strict=True):
            labels = dependency.labels(units[source])
            if node.operation.kind == "Concat":
                own = np.where(labels >= 0, labels + start, own)
                start += len(units[source])
            else:
                partitions.append(np.where(labels >= 0, labels, -1 - np.arange(len(labels))))
        if node.operation.kind == "Concat":
            partitions.append(own)
        units.append(joined([part for part in partitions if len(np.unique(part)) > 1 or len(part) == 1]))
        if len(units[-1]) != node.num_channels:
            units[-1] = np.arange(node.num_channels)
    return tuple(units)


def joined(partitions: list[Indices]) -> Indices:
    """The finest partition that joins whatever one of the given ones joins."""
    if not partitions:
        return np.zeros(0, dtype=np.int64)
    labels = np.unique(partitions[0], return_inverse=True)[1].astype(np.int64)
    while True:
        before = labels
        for part in partitions[1:]:
            inverse = np.unique(part, return_inverse=True)[1]
            smallest = np.full(int(inverse.max()) + 1, len(labels), dtype=np.int64)
            np.minimum.at(smallest, inverse, labels)
            labels = smallest[inverse]
            smallest = np.full(int(before.max()) + 1, len(labels), dtype=np.int64)
            np.minimum.at(smallest, before, labels)
            labels = smallest[before]
        if np.array_equal(labels, before):
            break
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def norm_followed(network: Network) -> frozenset[int]:
    """Readers whose every use passes a BatchNorm before any other weight, sum or output.

    A positive scale of such a reader's weights leaves the network's function as it is once the statistics are scaled
    along.

    Args:
        network: Any traced network.

    Returns:
        Node indices of these readers; a layer that is called several times is not among them.
    """
    users = network.users()
    absorbed = [False] * len(network.nodes)
    for node in reversed(network.nodes):
        absorbed[node.index] = bool(users[node.index]) and all(
            _absorbs(network.nodes[user], absorbed[user]) for user in users[node.index]
        )
    shared = {index for group in reused_layers(network) for index in group}
    return frozenset(
        node.index for node in network.nodes if is_reader(node) and absorbed[node.index] and node.index not in shared
    )


def _absorbs(user: Node, followed: bool) -> bool:
    """Whether a scale of the reader ends at this user, or behind it; not where channels of several scales meet."""
    mixes = not all(dependency.takes_one for dependency in user.dependencies)
    if user.keeps_all or user.coupled is not None or mixes:
        return False
    record = record_of(user.operation)
    if record is not None and record.family is Family.BATCH_NORM:
        return user.operation.arguments["track_running_stats"] is True
    return record is not None and record.is_homogeneous and followed


def reused_layers(network: Network) -> tuple[tuple[int, ...], ...]:
    """Groups of nodes that call one layer, which must agree on its channels.

    A layer that takes any number of channels has no tensor a channel, so calls with different numbers are apart.

    Args:
        network: Any traced network.

    Returns:
        Node indices, ascending in each group; layers that are called once have none.
    """
    calls: dict[tuple[str, int], list[int]] = {}
    for node in network.nodes:
        record = record_of(node.operation)
        if record is not None and record.has_tensors:
            calls.setdefault((node.path, node.num_channels), []).append(node.index)
    return tuple(tuple(indices) for indices in calls.values() if len(indices) > 1)
