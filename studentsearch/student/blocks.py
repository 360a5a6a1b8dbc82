"""What was kept, layer by layer and block by block: the facts behind the report's tables, triangles and strips."""

from __future__ import annotations

import math
from itertools import takewhile

import numpy as np

from studentsearch.graph.channels import channel_origins
from studentsearch.graph.dependencies import Mask
from studentsearch.graph.liveness import Liveness, liveness
from studentsearch.graph.macs import node_macs
from studentsearch.graph.network import Network, Node
from studentsearch.graph.operations.table import is_reader
from studentsearch.graph.stages import block_names
from studentsearch.records.blocks import BlockShare
from studentsearch.records.shares import BranchShare, ReaderShare, SourceShare, SumShare


def kept_by_block(network: Network, alive: Liveness) -> tuple[BlockShare, ...]:
    """What a student keeps of every block.

    Args:
        network: The teacher's trace.
        alive: What lives in the student, unbatched masks.

    Returns:
        Blocks in the order of the forward pass.
    """
    shares = _Shares(network, alive)
    layers = [node for node in network.nodes if node.unit_macs]
    names = _layer_blocks(network, layers)
    readers: dict[str, list[ReaderShare]] = {}
    sums: dict[str, list[SumShare]] = {}
    latest: Node | None = None
    for node in network.nodes:
        if node.unit_macs:
            latest = node
            readers.setdefault(names[node.index], []).append(shares.of_layer(node))
        elif node.operation.kind == "Add" and layers:
            block = names[(latest or layers[0]).index]
            sums.setdefault(block, []).append(shares.of_sum(node, after=latest))
    return tuple(
        BlockShare(name=name, readers=tuple(entries), sums=tuple(sums.get(name, ())))
        for name, entries in readers.items()
    )


class _Shares:
    """Compares a student with its teacher, one node at a time."""

    def __init__(self, network: Network, alive: Liveness) -> None:
        self._network = network
        self._alive = alive
        self._whole = liveness(network, (), np.ones(0, dtype=np.bool_))
        self._origins = channel_origins(network)
        self._varied = _varying(network, self._whole)
        self._varies = _varying(network, self._alive)

    def of_layer(self, node: Node) -> ReaderShare:
        needed = self._alive.needed[node.index]
        reads = self._alive.reads[node.index] if is_reader(node) else node.dependencies[0].needed(needed)
        if self._alive.is_constant(node.index) or self._alive.is_bordered(node.index):
            reads = np.zeros_like(reads)
        groups = node.operation.integer("groups") if "groups" in node.operation.arguments else 1
        return ReaderShare(
            path=self._name(node.index),
            inputs=len(reads),
            kept_inputs=tuple(np.flatnonzero(reads).tolist()),
            outputs=node.num_channels,
            kept_outputs=tuple(np.flatnonzero(needed).tolist()),
            macs_before=int(node_macs(self._whole, node)),
            macs_after=int(node_macs(self._alive, node)),
            sources=self._sources(node, reads) if groups == 1 else (),
            groups=groups,
        )

    def _sources(self, node: Node, reads: Mask) -> tuple[SourceShare, ...]:
        producers = self._origins[node.inputs[0]].producers
        return tuple(
            SourceShare(
                path=self._name(producer),
                channels=int((producers == producer).sum()),
                kept=int((reads & (producers == producer)).sum()),
            )
            for producer in dict.fromkeys(producers.tolist())
        )

    def of_sum(self, node: Node, *, after: Node | None) -> SumShare:
        producers = [producer for source in node.inputs for producer in self._producers(source)]
        return SumShare(
            name=self._name(node.index),
            after=self._name(after.index) if after else "",
            channels=node.num_channels,
            kept=int(self._alive.needed[node.index].sum()),
            branches=tuple(
                BranchShare(
                    path=self._name(self._end(producer)),
                    is_removed=bool(self._varied[producer]) and not self._varies[producer],
                )
                for producer in producers
            ),
        )

    def _producers(self, source: int) -> list[int]:
        """What made the channels of a node, without those that it or a node before it was padded with."""
        origins = self._origins[source]
        producers, first = np.unique(origins.producers, return_index=True)
        made = np.argsort(first)
        pairs = zip(producers[made].tolist(), origins.channels[first[made]].tolist(), strict=True)
        return [producer for producer, channel in pairs if not _is_padding(self._network.nodes[producer], channel)]

    def _end(self, producer: int) -> int:
        """The layer, sum or image behind a producer; behind a product (scale, attention) that of its largest factor."""
        node = self._network.nodes[producer]
        while not node.unit_macs and node.operation.kind != "Add":
            factors = [self._network.nodes[source] for source in node.inputs if self._varied[source]]
            if not factors:
                break
            node = max(factors, key=lambda factor: math.prod(factor.shape))
        return node.index

    def _name(self, index: int) -> str:
        return self._network.nodes[index].path or self._network.nodes[index].name


def _varying(network: Network, alive: Liveness) -> list[bool]:
    """For every node whether something before it is still computed; what is left of the others is a constant."""
    varying: list[bool] = []
    for node in network.nodes:
        if node.operation.kind == "Input":
            varying.append(True)
        elif node.unit_macs:  # of a constant too, where its positions are unlike each other
            read = alive.reads[node.index] if is_reader(node) else alive.needed[node.index]
            is_constant = alive.is_constant(node.index) or alive.is_bordered(node.index)
            varying.append(bool(read.any()) and not is_constant)
        else:
            varying.append(any(varying[source] for source in node.inputs))
    return varying


def _is_padding(node: Node, channel: int) -> bool:
    """Whether a channel takes nothing of what its node reads: an added one, as where a shortcut is widened by zeros."""
    if is_reader(node):  # its dependency leads to the entries of its weight
        return False
    takes = [dependency.labels(np.arange(dependency.num_inputs))[channel] for dependency in node.dependencies]
    return bool(takes) and max(takes) < 0 and node.operation.kind != "Constant"


def _layer_blocks(network: Network, layers: list[Node]) -> dict[int, str]:
    """The block of every layer: a grouped convolution is in that of the reader with the nearest module path."""
    names = block_names(network)
    readers = [(node.index, tuple(node.path.split("."))) for node in layers if node.index in names]
    for node in layers:
        if node.index in names or not readers:
            continue
        path = tuple(node.path.split("."))
        # of readers equally near by path the next one: a depthwise convolution and the projection behind it are a pair
        nearness = [(_shared(path, other), index > node.index, -abs(index - node.index)) for index, other in readers]
        names[node.index] = names[readers[nearness.index(max(nearness))][0]]
    return {node.index: names.get(node.index, node.path.split(".")[0]) for node in layers}


def _shared(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    """How many leading parts two paths share."""
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
