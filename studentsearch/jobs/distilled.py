"""What a distillation left: as its job returns it, and as the manifest of a finished one holds it."""

from __future__ import annotations

from dataclasses import dataclass

from studentsearch.jobs.outcome import DistilledStudent, Judged
from studentsearch.runs.folder import RunFolder
from studentsearch.runs.manifest import MANIFEST_NAME, decode_part


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accuracy:
    accuracy_test: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Results:
    """What a finished distillation left in its manifest."""

    last: Judged
    best: Judged
    teachers: tuple[_Accuracy, ...]
    before: _Accuracy | None = None


def read_distilled(run: RunFolder) -> DistilledStudent:
    """What a finished distillation left, from its manifest.

    Args:
        run: The run.

    Returns:
        The same as when it finished.
    """
    results = decode_part(run.manifest.results, _Results, source=f"{run.path / MANIFEST_NAME}: results")
    return DistilledStudent(
        folder=run.path / "student",
        before=None if results.before is None else results.before.accuracy_test,
        teachers=tuple(teacher.accuracy_test for teacher in results.teachers),
        last=results.last,
        best=results.best,
    )
