"""What was kept of single layers and sums of a network, as config.json holds it."""

from __future__ import annotations

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

    @property
    def drop_ratio(self) -> float:
        """Share of the channels that went, 0 to 1."""
        return drop_ratio(self.kept, self.channels)


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

    @property
    def num_kept_inputs(self) -> int:
        """How many channels it still reads."""
        return len(self.kept_inputs)

    @property
    def num_kept_outputs(self) -> int:
        """How many filters live."""
        return len(self.kept_outputs)

    @property
    def drop_ratio(self) -> float:
        """Share of the input channels that went, 0 to 1."""
        return drop_ratio(self.num_kept_inputs, self.inputs)

    @property
    def is_depthwise(self) -> bool:
        """Whether it carries each channel alone, so that inputs and filters are the same channels."""
        return self.groups > 1 and self.groups == self.inputs == self.outputs

    @property
    def is_removed(self) -> bool:
        """Whether nothing of it is left but, where something still needs it, a constant."""
        return not self.kept_inputs or not self.kept_outputs

    @property
    def is_at_one_channel(self) -> bool:
        """Whether it keeps the one input that a layer must keep without which no image reaches the output."""
        return self.num_kept_inputs == 1 < self.inputs and not self.is_removed and self.groups == 1

    @property
    def state(self) -> str:
        """`removed`, `one channel`, `all channels` or `cut`."""
        if self.is_removed:
            return "removed"
        if self.is_at_one_channel:
            return "one channel"
        is_all = (self.num_kept_inputs, self.num_kept_outputs) == (self.inputs, self.outputs)
        return "all channels" if is_all else "cut"


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

    @property
    def drop_ratio(self) -> float:
        """Share of the channels that went, 0 to 1."""
        return drop_ratio(self.kept, self.channels)


def drop_ratio(kept: int, before: int) -> float:
    """Share that went.

    Args:
        kept: What is left, 0 to `before`.
        before: What there was; of nothing, nothing went.

    Returns:
        0 to 1.
    """
    return 1 - kept / before if before else 0.0
