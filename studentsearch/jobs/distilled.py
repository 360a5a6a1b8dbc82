"""What a distillation left, as its job returns it, from what its manifest holds."""

from __future__ import annotations

from pathlib import Path

from studentsearch.jobs.outcome import DistilledStudent
from studentsearch.records.names import STUDENT_FOLDER
from studentsearch.records.results import TrainingResults
from studentsearch.runs.folder import RunFolder
from studentsearch.runs.manifest import decode_part


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


def read_distilled(run: RunFolder) -> DistilledStudent:
    """What a finished distillation left, from its manifest.

    Args:
        run: The run.

    Returns:
        The same as when it finished.
    """
    return distilled_student(run.path, decode_part(run.path, "results", run.manifest.results, TrainingResults))
