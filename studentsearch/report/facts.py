"""What stands in a student folder: its cost, and what was kept of every block, reader and connection."""

from dataclasses import dataclass
from pathlib import Path

from studentsearch.errors import InputFileError
from studentsearch.report.fields import Fields, read_fields

CONFIG_NAME = "config.json"
_SCHEMA = 1


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
    """What one convolution or linear layer keeps.

    Attributes:
        path: Its module path.
        inputs: Channels it read.
        kept_inputs: Channels it still reads.
        outputs: Filters it had.
        kept_outputs: Filters it still has.
        macs_before: Multiply-accumulates in the teacher.
        macs_after: Multiply-accumulates in the student.
        sources: Where its inputs come from, in order.
    """

    path: str
    inputs: int
    kept_inputs: int
    outputs: int
    kept_outputs: int
    macs_before: int
    macs_after: int
    sources: tuple[SourceFacts, ...]

    @property
    def drop_ratio(self) -> float:
        """Share of the input channels that went, 0 to 1."""
        return drop_ratio(self.kept_inputs, self.inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFacts:
    """The readers of one block, in the order of the forward pass."""

    name: str
    readers: tuple[ReaderFacts, ...]

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
        return tuple(reader for reader in self.readers if reader.path not in connections)

    @property
    def inputs(self) -> int:
        """Channels that the readers had, summed."""
        return sum(reader.inputs for reader in self.readers)

    @property
    def kept_inputs(self) -> int:
        """Channels that the readers still read, summed."""
        return sum(reader.kept_inputs for reader in self.readers)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CountFacts:
    """The cost of one image in every convention.

    Attributes:
        macs: Multiply-accumulates of convolutions and linear layers.
        paper: The same plus normalisation and pooling, as the search's publication counts.
        thop: What thop reports.
        flops: What torch's counter reports, 2 per multiply-accumulate.
        parameters: Trainable numbers.
    """

    macs: int
    paper: int
    thop: int
    flops: int
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentFacts:
    """A student beside its teacher.

    Attributes:
        counts: The student's cost.
        teacher_counts: The teacher's cost.
        blocks: What was kept, in the order of the forward pass.
    """

    counts: CountFacts
    teacher_counts: CountFacts
    blocks: tuple[BlockFacts, ...]


def drop_ratio(kept: int, before: int) -> float:
    """Share that went.

    Args:
        kept: What is left, 0 to `before`.
        before: What there was; of nothing, nothing went.

    Returns:
        0 to 1.
    """
    return 1 - kept / before if before else 0.0


def read_student(folder: Path) -> StudentFacts:
    """The facts of a student folder, without its weights.

    Args:
        folder: A student folder.

    Returns:
        The facts.

    Raises:
        InputFileError: A folder of another schema; use the version that wrote it.
    """
    fields = read_fields(folder / CONFIG_NAME)
    schema = fields.integer("schema")
    if schema != _SCHEMA:
        raise InputFileError(
            f"{folder / CONFIG_NAME} has schema {schema}; expected {_SCHEMA}; export the student again"
        )
    return StudentFacts(
        counts=_counts(fields.fields("counts")),
        teacher_counts=_counts(fields.fields("teacher_counts")),
        blocks=tuple(_block(block) for block in fields.many("blocks")),
    )


def _drop_over(readers: tuple[ReaderFacts, ...]) -> float | None:
    if not readers:
        return None
    return drop_ratio(sum(reader.kept_inputs for reader in readers), sum(reader.inputs for reader in readers))


def _counts(fields: Fields) -> CountFacts:
    return CountFacts(
        macs=fields.integer("macs"),
        paper=fields.integer("paper"),
        thop=fields.integer("thop"),
        flops=fields.integer("flops"),
        parameters=fields.integer("parameters"),
    )


def _block(fields: Fields) -> BlockFacts:
    return BlockFacts(name=fields.text("name"), readers=tuple(_reader(reader) for reader in fields.many("readers")))


def _reader(fields: Fields) -> ReaderFacts:
    return ReaderFacts(
        path=fields.text("path"),
        inputs=fields.integer("inputs"),
        kept_inputs=fields.amount("kept_inputs"),
        outputs=fields.integer("outputs"),
        kept_outputs=fields.amount("kept_outputs"),
        macs_before=fields.integer("macs_before"),
        macs_after=fields.integer("macs_after"),
        sources=tuple(
            SourceFacts(path=source.text("path"), channels=source.integer("channels"), kept=source.integer("kept"))
            for source in fields.many("sources")
        ),
    )
