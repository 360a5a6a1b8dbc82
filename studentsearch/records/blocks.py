"""What was kept of a network, layer by layer and block by block, as config.json holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from studentsearch.records.bounds import Amount, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceShare:
    """How many of one producer's channels a reader keeps.

    Attributes:
        path: Module path of the producer, or the name of a sum or of the image.
        channels: Channels that the reader had from it.
        kept: Channels that it still reads.
    """

    path: Text
    channels: Amount
    kept: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderShare:
    """What one layer keeps that costs multiply-accumulates: a convolution, mostly, or a linear layer.

    Attributes:
        path: Its module path.
        inputs: Channels (or features) it read.
        kept_inputs: Those that it still reads, ascending indices.
        outputs: Filters it had.
        kept_outputs: Those that live, ascending indices.
        macs_before: Multiply-accumulates in the teacher.
        macs_after: Multiply-accumulates in the student.
        sources: Where its inputs come from, in order; empty for a convolution of several groups.
        groups: Groups of its channels; one that has several chooses no inputs of its own, and depthwise every channel
            is a group.
    """

    path: Text
    inputs: Amount
    kept_inputs: tuple[Amount, ...]
    outputs: Amount
    kept_outputs: tuple[Amount, ...]
    macs_before: Amount
    macs_after: Amount
    sources: tuple[SourceShare, ...]
    groups: Amount = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchShare:
    """One branch that a sum adds.

    Attributes:
        path: Module path of the layer that ends it, or the name of a sum or of the image.
        is_removed: Whether nothing of it is computed any more; what is left is a constant.
    """

    path: Text
    is_removed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SumShare:
    """What is kept of a sum: a residual stream where a branch is added to it.

    Attributes:
        name: Its module path, or its name in the student's source.
        after: Module path of the layer that comes last before it; empty where none does.
        channels: Channels it had.
        kept: Channels that something still needs.
        branches: What it adds, in order.
    """

    name: Text
    after: Text
    channels: Amount
    kept: Amount
    branches: tuple[BranchShare, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockShare:
    """The layers and sums of one block, each in the order of the forward pass."""

    name: Text
    readers: tuple[ReaderShare, ...]
    sums: tuple[SumShare, ...] = ()


def impossible_share(blocks: tuple[BlockShare, ...]) -> str | None:
    """The first layer, connection or sum that would keep more than it had.

    Args:
        blocks: Blocks as read from a file.

    Returns:
        Its path; None where every share is possible.
    """
    return next((path for path, kept, had in _shares(blocks) if kept > had), None)


def _shares(blocks: tuple[BlockShare, ...]) -> Iterator[tuple[str, int, int]]:
    for block in blocks:
        for reader in block.readers:
            yield reader.path, len(reader.kept_inputs), reader.inputs
            yield reader.path, len(reader.kept_outputs), reader.outputs
            yield reader.path, max((*reader.kept_inputs, 0)) + 1, max(reader.inputs, 1)
            yield reader.path, max((*reader.kept_outputs, 0)) + 1, max(reader.outputs, 1)
            yield from ((source.path, source.kept, source.channels) for source in reader.sources)
        yield from ((entry.name, entry.kept, entry.channels) for entry in block.sums)
