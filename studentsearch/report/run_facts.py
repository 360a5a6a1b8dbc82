"""What stands in a run folder: its manifest, what the run found, and the rows of its course."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from studentsearch.errors import RunFolderError
from studentsearch.records.metrics import MetricRow, SearchRow, TrainingRow, read_rows
from studentsearch.records.names import CONFIG_NAME, MANIFEST_NAME, METRICS_NAME, STUDENT_FOLDER
from studentsearch.records.results import FoundStudent, SearchResults, TrainingResults
from studentsearch.runs.inside import path_inside
from studentsearch.runs.manifest import Manifest, decode_part, read_manifest
from studentsearch.runs.metrics import PUT_BACK, read_course

_ROWS: Mapping[str, type[MetricRow]] = {"search": SearchRow, "distill": TrainingRow, "teach": TrainingRow}
KINDS = tuple(_ROWS)


def is_student_alone(path: Path) -> bool:
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


def read_search(path: Path, manifest: Manifest) -> SearchResults:
    """The results of a search; of one that still runs without students.

    Args:
        path: The run folder.
        manifest: Its manifest.

    Returns:
        What it found, students in the order found.
    """
    return decode_part(path, "results", manifest.results, SearchResults)


def read_training(path: Path, manifest: Manifest) -> TrainingResults | None:
    """The results of a distillation or of a teacher's training.

    Args:
        path: The run folder.
        manifest: Its manifest.

    Returns:
        What was reached; None while it runs.
    """
    return decode_part(path, "results", manifest.results, TrainingResults) if manifest.results else None


def found_folder(path: Path, student: FoundStudent) -> Path:
    """The folder of a search's student, inside the run's.

    Args:
        path: The run folder.
        student: One of its students.

    Returns:
        The student's folder.
    """
    return path_inside(path, student.folder, source=str(path / MANIFEST_NAME))


def student_folders(path: Path, manifest: Manifest) -> dict[str, Path]:
    """The students that a run wrote.

    Args:
        path: A run folder.
        manifest: Its manifest.

    Returns:
        Label to folder: the budget for a search's students, "student" for a distilled one.
    """
    if manifest.kind == "search":
        return {student.label: found_folder(path, student) for student in read_search(path, manifest).students}
    return {STUDENT_FOLDER: path / STUDENT_FOLDER} if is_student_alone(path / STUDENT_FOLDER) else {}


def read_course_rows(path: Path, manifest: Manifest) -> Sequence[MetricRow]:
    """The course of a run.

    Args:
        path: The run folder.
        manifest: Its manifest, of one of `KINDS`.

    Returns:
        One row a step that was logged; none where nothing was logged yet.

    Raises:
        InputFileError: metrics.csv was changed, or does not hold the rows of such a run; put it back.
    """
    file = path / METRICS_NAME
    text = read_course(file, sha256=manifest.files.get(METRICS_NAME))
    return read_rows(text, _ROWS[manifest.kind], source=str(file), cure=PUT_BACK)
