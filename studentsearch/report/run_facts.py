"""What stands in a run folder: the students that a search found, and the accuracies that a training reached."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studentsearch.errors import RunFolderError
from studentsearch.records.student import CONFIG_NAME
from studentsearch.report.fields import Fields
from studentsearch.runs.files import JsonValue
from studentsearch.runs.inside import path_inside
from studentsearch.runs.manifest import MANIFEST_NAME, Manifest, read_manifest

KINDS = ("search", "distill", "teach")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundStudent:
    """One budget that a search met.

    Attributes:
        label: The budget as a user writes it.
        folder: The student's folder.
        budget_macs: The budget, multiply-accumulates.
        macs: What the student costs, multiply-accumulates.
        step: Step of the search at which it was met.
        seconds: Time from the search's start.
        accuracy_held_out: Percent; None where not measured.
        accuracy_test: Percent, before any distillation; None where not measured.
    """

    label: str
    folder: Path
    budget_macs: int
    macs: int
    step: int
    seconds: float
    accuracy_held_out: float | None
    accuracy_test: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A network that stands beside the results; None where a run does not know it.

    Attributes:
        macs: Multiply-accumulates.
        parameters: Trainable numbers.
        accuracy_test: Percent.
    """

    macs: int | None
    parameters: int | None
    accuracy_test: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFacts:
    """The results of a search; no students and no teacher while it runs."""

    students: tuple[FoundStudent, ...]
    teacher: ModelFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachedFacts:
    """Accuracy at one moment of a training, percent; None where not measured."""

    epoch: float | None
    step: int | None
    accuracy_test: float | None
    accuracy_held_out: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """The results of a distillation or of a teacher's training; all None while it runs.

    Attributes:
        before: The student as it was cut.
        last: At the end.
        best: Where the held-out images were answered best.
        student: What was trained.
        teacher: What it learned from.
    """

    before: ReachedFacts | None
    last: ReachedFacts | None
    best: ReachedFacts | None
    student: ModelFacts | None
    teacher: ModelFacts | None


def is_student_folder(path: Path) -> bool:
    """Whether `path` is a student alone, not a run."""
    return os.path.lexists(path / CONFIG_NAME) and not (path / MANIFEST_NAME).is_file()


def read_run(path: Path) -> Manifest:
    """The manifest of a run that has a report.

    Args:
        path: A run folder.

    Returns:
        Its manifest.

    Raises:
        RunFolderError: Neither run nor student, or a run of a kind without a report; give another folder.
    """
    if not (path / MANIFEST_NAME).is_file():
        raise RunFolderError(
            f"{path} is no run and no student: found neither {MANIFEST_NAME} nor {CONFIG_NAME}; give a folder with one"
        )
    manifest = read_manifest(path)
    if manifest.kind not in KINDS:
        raise RunFolderError(
            f"{path} is a {manifest.kind} run, which has no report; expected {', '.join(KINDS)}; give another folder"
        )
    return manifest


def read_search(path: Path, manifest: Manifest) -> SearchFacts:
    """The results of a search.

    Args:
        path: The run folder.
        manifest: Its manifest.

    Returns:
        The students in the order found.
    """
    fields = _results(path, manifest.results)
    return SearchFacts(
        students=tuple(_found(path, student) for student in fields.many("students")) if fields.has("students") else (),
        teacher=model_facts(fields, "teacher"),
    )


def read_training(path: Path, manifest: Manifest) -> TrainingFacts:
    """The results of a distillation or of a teacher's training.

    Args:
        path: The run folder.
        manifest: Its manifest.

    Returns:
        What was reached.
    """
    fields = _results(path, manifest.results)
    return TrainingFacts(
        before=reached_facts(fields, "before"),
        last=reached_facts(fields, "last"),
        best=reached_facts(fields, "best"),
        student=model_facts(fields, "student"),
        teacher=model_facts(fields, "teacher"),
    )


def _results(path: Path, results: Mapping[str, JsonValue]) -> Fields:
    return Fields(values=results, place=f"{path / MANIFEST_NAME}: results")


def _found(path: Path, fields: Fields) -> FoundStudent:
    return FoundStudent(
        label=fields.text("label"),
        folder=path_inside(path, fields.text("folder"), source=str(path / MANIFEST_NAME)),
        budget_macs=fields.integer("budget_macs"),
        macs=fields.integer("macs"),
        step=fields.integer("step"),
        seconds=fields.number("seconds"),
        accuracy_held_out=fields.number_or_none("accuracy_held_out"),
        accuracy_test=fields.number_or_none("accuracy_test"),
    )


def model_facts(results: Fields, key: str) -> ModelFacts | None:
    """The network at `key` of a run's results; None where there is none.

    Args:
        results: What a run found.
        key: Such as "student".

    Returns:
        What is known of it.
    """
    if not results.has(key):
        return None
    fields = results.fields(key)
    return ModelFacts(
        macs=fields.integer_or_none("macs"),
        parameters=fields.integer_or_none("parameters"),
        accuracy_test=fields.number_or_none("accuracy_test"),
    )


def reached_facts(results: Fields, key: str) -> ReachedFacts | None:
    """The moment at `key` of a run's results; None where there is none.

    Args:
        results: What a run found.
        key: Such as "last".

    Returns:
        The accuracies then.
    """
    if not results.has(key):
        return None
    fields = results.fields(key)
    return ReachedFacts(
        epoch=fields.number_or_none("epoch"),
        step=fields.integer_or_none("step"),
        accuracy_test=fields.number_or_none("accuracy_test"),
        accuracy_held_out=fields.number_or_none("accuracy_held_out"),
    )
