"""What stands in a student folder: its cost, and what was kept of every block, layer, connection and sum."""

from dataclasses import dataclass
from pathlib import Path

from studentsearch.errors import InputFileError
from studentsearch.report.block_facts import BlockFacts, block_facts
from studentsearch.report.fields import Fields, read_fields

CONFIG_NAME = "config.json"
_SCHEMAS = (1, 2)  # what they say of counts and blocks is the same


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

    @property
    def removed(self) -> tuple[str, ...]:
        """Module paths of the layers that were removed with their branch."""
        return tuple(reader.path for block in self.blocks for reader in block.readers if reader.is_removed)

    @property
    def at_one_channel(self) -> tuple[str, ...]:
        """Module paths of the layers that were kept at one input channel."""
        return tuple(reader.path for block in self.blocks for reader in block.readers if reader.is_at_one_channel)


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
    if schema not in _SCHEMAS:
        raise InputFileError(
            f"{folder / CONFIG_NAME} has schema {schema}; expected {_SCHEMAS[-1]}; export the student again"
        )
    return StudentFacts(
        counts=_counts(fields.fields("counts")),
        teacher_counts=_counts(fields.fields("teacher_counts")),
        blocks=tuple(block_facts(block) for block in fields.many("blocks")),
    )


def _counts(fields: Fields) -> CountFacts:
    return CountFacts(
        macs=fields.integer("macs"),
        paper=fields.integer("paper"),
        thop=fields.integer("thop"),
        flops=fields.integer("flops"),
        parameters=fields.integer("parameters"),
    )
