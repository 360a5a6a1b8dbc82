"""What was kept of one block: its layers, their connections, and the sums that its branches end in."""

from dataclasses import dataclass

from studentsearch.records.blocks import BlockShare, ReaderShare, SumShare


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What one reader keeps of one producer's channels: a connection.

    Attributes:
        path: Module path of the producer.
        channels: Channels that the reader had from it.
        kept: Channels that it still reads.
    """

    path: str
    channels: int
    kept: int

    @property
    def drop_ratio(self) -> float:
        """Share of the channels that went, 0 to 1."""
        return drop_ratio(self.kept, self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderFacts:
    """What one layer keeps: a convolution, mostly, or a linear layer.

    Attributes:
        path: Its module path.
        inputs: Channels it read.
        kept_inputs: Channels it still reads.
        outputs: Filters it had.
        kept_outputs: Filters it still has.
        macs_before: Multiply-accumulates in the teacher.
        macs_after: Multiply-accumulates in the student.
        sources: Where its inputs come from, in order.
        groups: Groups of its channels; one that has several chooses no inputs of its own.
    """

    path: str
    inputs: int
    kept_inputs: int
    outputs: int
    kept_outputs: int
    macs_before: int
    macs_after: int
    sources: tuple[SourceFacts, ...]
    groups: int = 1

    @property
    def drop_ratio(self) -> float:
        """Share of the input channels that went, 0 to 1."""
        return drop_ratio(self.kept_inputs, self.inputs)

    @property
    def is_depthwise(self) -> bool:
        """Whether it carries each channel alone, so that inputs and filters are the same channels."""
        return self.groups > 1 and self.groups == self.inputs == self.outputs

    @property
    def is_removed(self) -> bool:
        """Whether nothing of it is left but, where something still needs it, a constant."""
        return self.kept_inputs == 0 or self.kept_outputs == 0

    @property
    def is_at_one_channel(self) -> bool:
        """Whether it keeps the one input that a layer must keep without which no image reaches the output."""
        return self.kept_inputs == 1 < self.inputs and not self.is_removed and self.groups == 1

    @property
    def state(self) -> str:
        """`removed`, `one channel`, `whole` or `cut`."""
        if self.is_removed:
            return "removed"
        if self.is_at_one_channel:
            return "one channel"
        return "whole" if (self.kept_inputs, self.kept_outputs) == (self.inputs, self.outputs) else "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchFacts:
    """One branch that a sum adds: the layer or sum that ends it, and whether it was removed whole."""

    path: str
    is_removed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SumFacts:
    """What is kept of a sum.

    Attributes:
        name: Its module path, or its name in the student's source.
        after: Module path of the layer that comes last before it; empty where none does.
        channels: Channels it had.
        kept: Channels that something still needs.
        branches: What it adds, in order.
    """

    name: str
    after: str
    channels: int
    kept: int
    branches: tuple[BranchFacts, ...]

    @property
    def drop_ratio(self) -> float:
        """Share of the channels that went, 0 to 1."""
        return drop_ratio(self.kept, self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFacts:
    """The layers and sums of one block, each in the order of the forward pass."""

    name: str
    readers: tuple[ReaderFacts, ...]
    sums: tuple[SumFacts, ...] = ()

    @property
    def mixing_readers(self) -> tuple[ReaderFacts, ...]:
        """Readers that choose their inputs: all but convolutions of several groups."""
        return tuple(reader for reader in self.readers if reader.groups == 1)

    @property
    def connection_readers(self) -> tuple[ReaderFacts, ...]:
        """Readers of what several layers produced, and readers of the first of these alone."""
        sources = {source.path for reader in self.readers if len(reader.sources) > 1 for source in reader.sources}
        return tuple(
            reader
            for reader in self.readers
            if reader.sources and all(source.path in sources for source in reader.sources)
        )

    @property
    def channel_readers(self) -> tuple[ReaderFacts, ...]:
        """Readers of one layer's output that nothing else is joined to: bottlenecks and plain chains."""
        connections = {reader.path for reader in self.connection_readers}
        return tuple(reader for reader in self.mixing_readers if reader.path not in connections)

    @property
    def inputs(self) -> int:
        """Channels that the mixing readers had, summed."""
        return sum(reader.inputs for reader in self.mixing_readers)

    @property
    def kept_inputs(self) -> int:
        """Channels that the mixing readers still read, summed."""
        return sum(reader.kept_inputs for reader in self.mixing_readers)

    @property
    def outputs(self) -> int:
        """Filters that the mixing readers had, summed."""
        return sum(reader.outputs for reader in self.mixing_readers)

    @property
    def kept_outputs(self) -> int:
        """Filters that the mixing readers still have, summed."""
        return sum(reader.kept_outputs for reader in self.mixing_readers)

    @property
    def macs_before(self) -> int:
        """Multiply-accumulates in the teacher."""
        return sum(reader.macs_before for reader in self.readers)

    @property
    def macs_after(self) -> int:
        """Multiply-accumulates in the student."""
        return sum(reader.macs_after for reader in self.readers)

    @property
    def drop_ratio(self) -> float:
        """Share of all input channels that went, 0 to 1."""
        return drop_ratio(self.kept_inputs, self.inputs)

    @property
    def connections_drop_ratio(self) -> float | None:
        """Share that went over `connection_readers`; None where there are none."""
        return _drop_over(self.connection_readers)

    @property
    def channels_drop_ratio(self) -> float | None:
        """Share that went over `channel_readers`; None where there are none."""
        return _drop_over(self.channel_readers)


def drop_ratio(kept: int, before: int) -> float:
    """Share that went.

    Args:
        kept: What is left, 0 to `before`.
        before: What there was; of nothing, nothing went.

    Returns:
        0 to 1.
    """
    return 1 - kept / before if before else 0.0


def block_facts(share: BlockShare) -> BlockFacts:
    """A block from its entry in config.json.

    Args:
        share: The entry.

    Returns:
        Its facts.
    """
    return BlockFacts(
        name=share.name,
        readers=tuple(_reader(reader) for reader in share.readers),
        sums=tuple(_sum(entry) for entry in share.sums),
    )


def _reader(share: ReaderShare) -> ReaderFacts:
    return ReaderFacts(
        path=share.path,
        inputs=share.inputs,
        kept_inputs=len(share.kept_inputs),
        outputs=share.outputs,
        kept_outputs=len(share.kept_outputs),
        macs_before=share.macs_before,
        macs_after=share.macs_after,
        sources=tuple(
            SourceFacts(path=source.path, channels=source.channels, kept=source.kept) for source in share.sources
        ),
        groups=share.groups,
    )


def _sum(share: SumShare) -> SumFacts:
    return SumFacts(
        name=share.name,
        after=share.after,
        channels=share.channels,
        kept=share.kept,
        branches=tuple(BranchFacts(path=branch.path, is_removed=branch.is_removed) for branch in share.branches),
    )


def _drop_over(readers: tuple[ReaderFacts, ...]) -> float | None:
    if not readers:
        return None
    return drop_ratio(sum(reader.kept_inputs for reader in readers), sum(reader.inputs for reader in readers))
