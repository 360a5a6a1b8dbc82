"""What stands in a student folder: its cost, and what was kept of every block, layer, connection and sum."""

from dataclasses import dataclass
from pathlib import Path

from studentsearch.records.student import CONFIG_NAME, Counts, read_config
from studentsearch.report.block_facts import BlockFacts, block_facts

__all__ = ["CONFIG_NAME", "StudentFacts", "read_student"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentFacts:
    """A student beside its teacher.

    Attributes:
        counts: The student's cost.
        teacher_counts: The teacher's cost.
        blocks: What was kept, in the order of the forward pass.
    """

    counts: Counts
    teacher_counts: Counts
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
        InputFileError: A file is missing, damaged, changed or of another schema; copy or make the folder again.
    """
    config, _ = read_config(folder)
    return StudentFacts(
        counts=config.counts,
        teacher_counts=config.teacher_counts,
        blocks=tuple(block_facts(block) for block in config.blocks),
    )
