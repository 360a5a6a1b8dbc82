"""What was kept of a network, block by block, as config.json holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from studentsearch.records.bounds import Text
from studentsearch.records.shares import ReaderShare, SumShare, drop_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockShare:
    """The layers and sums of one block, each in the order of the forward pass."""

    name: Text
    readers: tuple[ReaderShare, ...]
    sums: tuple[SumShare, ...] = ()

    @property
    def mixing_readers(self) -> tuple[ReaderShare, ...]:
        """Readers that choose their inputs: all but convolutions of several groups."""
        return tuple(reader for reader in self.readers if reader.groups == 1)

    @property
    def connection_readers(self) -> tuple[ReaderShare, ...]:
        """Readers of what several layers produced, and readers of the first of these alone."""
        sources = {source.path for reader in self.readers if len(reader.sources) > 1 for source in reader.sources}
        return tuple(
            reader
            for reader in self.readers
            if reader.sources and all(source.path in sources for source in reader.sources)
        )

    @property
    def channel_readers(self) -> tuple[ReaderShare, ...]:
        """Readers of one layer's output that nothing else is joined to: bottlenecks and plain chains."""
        connections = {reader.path for reader in self.connection_readers}
        return tuple(reader for reader in self.mixing_readers if reader.path not in connections)

    @property
    def inputs(self) -> int:
        """Channels that the mixing readers had, summed."""
        return sum(reader.inputs for reader in self.mixing_readers)

    @property
    def num_kept_inputs(self) -> int:
        """Channels that the mixing readers still read, summed."""
        return sum(reader.num_kept_inputs for reader in self.mixing_readers)

    @property
    def outputs(self) -> int:
        """Filters that the mixing readers had, summed."""
        return sum(reader.outputs for reader in self.mixing_readers)

    @property
    def num_kept_outputs(self) -> int:
        """Filters that the mixing readers still have, summed."""
        return sum(reader.num_kept_outputs for reader in self.mixing_readers)

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
        return drop_ratio(self.num_kept_inputs, self.inputs)

    @property
    def connections_drop_ratio(self) -> float | None:
        """Share that went over `connection_readers`; None where there are none."""
        return _drop_over(self.connection_readers)

    @property
    def channels_drop_ratio(self) -> float | None:
        """Share that went over `channel_readers`; None where there are none."""
        return _drop_over(self.channel_readers)


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


def _drop_over(readers: tuple[ReaderShare, ...]) -> float | None:
    if not readers:
        return None
    return drop_ratio(sum(reader.num_kept_inputs for reader in readers), sum(reader.inputs for reader in readers))
