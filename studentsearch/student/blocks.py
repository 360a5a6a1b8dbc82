"""What was kept, reader by reader and block by block: the facts behind the report's tables and triangles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studentsearch.graph.channels import channel_origins
from studentsearch.graph.liveness import Liveness, liveness
from studentsearch.graph.macs import node_macs
from studentsearch.graph.network import Network
from studentsearch.graph.rules import is_reader
from studentsearch.graph.stages import block_names


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceShare:
    """How many of one producer's channels a reader keeps.

    Attributes:
        path: Module path of the producer, or the name of a sum or of the image.
        channels: Channels that the reader had from it.
        kept: Channels that it still reads.
    """

    path: str
    channels: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderShare:
    """What one reader keeps.

    Attributes:
        path: Its module path.
        inputs: Channels (or features) it read.
        kept_inputs: Those that it still reads, ascending indices.
        outputs: Filters it had.
        kept_outputs: Those that live, ascending indices.
        macs_before: Multiply-accumulates in the teacher.
        macs_after: Multiply-accumulates in the student.
        sources: Where its inputs come from, in order.
    """

    path: str
    inputs: int
    kept_inputs: tuple[int, ...]
    outputs: int
    kept_outputs: tuple[int, ...]
    macs_before: int
    macs_after: int
    sources: tuple[SourceShare, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockShare:
    """The readers of one block, in the order of the forward pass."""

    name: str
    readers: tuple[ReaderShare, ...]


def kept_by_block(network: Network, alive: Liveness) -> tuple[BlockShare, ...]:
    """What a student keeps of every block.

    Args:
        network: The teacher's trace.
        alive: What lives in the student, unbatched masks.

    Returns:
        Blocks in the order of the forward pass.
    """
    whole = liveness(network, (), np.ones(0, dtype=np.bool_))
    names = block_names(network)
    origins = channel_origins(network)
    blocks: dict[str, list[ReaderShare]] = {}
    for node in network.nodes:
        if not is_reader(node):
            continue
        reads = alive.reads[node.index]
        producers = origins[node.inputs[0]].producers
        share = ReaderShare(
            path=node.path,
            inputs=len(reads),
            kept_inputs=tuple(np.flatnonzero(reads).tolist()),
            outputs=node.num_channels,
            kept_outputs=tuple(np.flatnonzero(alive.needed[node.index]).tolist()),
            macs_before=int(node_macs(whole, node)),
            macs_after=int(node_macs(alive, node)),
            sources=tuple(
                SourceShare(
                    path=network.nodes[producer].path or network.nodes[producer].name,
                    channels=int((producers == producer).sum()),
                    kept=int((reads & (producers == producer)).sum()),
                )
                for producer in dict.fromkeys(producers.tolist())
            ),
        )
        blocks.setdefault(names[node.index], []).append(share)
    return tuple(BlockShare(name=name, readers=tuple(readers)) for name, readers in blocks.items())
