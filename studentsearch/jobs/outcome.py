"""What a training leaves: figures, states, and the roll-back where there was one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from studentsearch.records.names import STUDENT_FOLDER
from studentsearch.records.results import Reached, RollBack, TrainingResults


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The outcome: the last state, the one best on the held-out images, and the roll-back where there was one."""

    last: Reached
    best: Reached
    last_state: dict[str, Tensor]
    best_state: dict[str, Tensor]
    roll_back: RollBack | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilledStudent:
    """What a distillation left, accuracies in percent.

    Attributes:
        folder: The student folder with the last weights.
        before: Test accuracy of the student as it was cut; None for a network by name.
        teachers: Test accuracy of each teacher.
        last: Where training ended.
        best: Where it was best on the held-out images.
    """

    folder: Path
    before: float | None
    teachers: tuple[float, ...]
    last: Reached
    best: Reached


def distilled_student(run: Path, results: TrainingResults) -> DistilledStudent:
    """What a distillation left.

    Args:
        run: The run folder.
        results: What it found.

    Returns:
        Accuracies, and where the student lies.
    """
    return DistilledStudent(
        folder=run / STUDENT_FOLDER,
        before=None if results.before is None else results.before.accuracy_test,
        teachers=tuple(teacher.accuracy_test for teacher in results.teachers or ()),
        last=results.last,
        best=results.best,
    )
