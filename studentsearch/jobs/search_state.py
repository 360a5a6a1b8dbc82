"""What the checkpoints of a search hold beside its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studentsearch.records.results import FoundStudent


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchState:
    """What a checkpoint holds beside the tensors.

    Attributes:
        seconds: Time of search.
        least_macs: The smallest count so far.
        found: The students so far, the largest first.
        files: SHA-256 of their files, by path in the run folder.
        rate_factor: What the rates of gates and weights are multiplied by; below 1 after a roll-back.
    """

    seconds: float
    least_macs: int
    found: tuple[FoundStudent, ...]
    files: dict[str, str]
    rate_factor: float

    def has_earlier(self, changed: Sequence[str], step: int) -> bool:
        """Whether files of a student that was found before a step are among those that changed.

        Args:
            changed: From `changed_files`.
            step: Steps taken.

        Returns:
            False where only files of students of this very step changed.
        """
        earlier = [f"{student.folder}/" for student in self.found if student.step < step]
        return any(line.startswith(folder) for line in changed for folder in earlier)
