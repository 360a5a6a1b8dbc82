"""Where a student that a search found lies; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studentsearch.disk import real_path
from studentsearch.errors import UsageError
from studentsearch.records.student import has_student_files
from studentsearch.runs.inside import path_inside
from studentsearch.runs.manifest import MANIFEST_NAME, decode_part, read_manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    label: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Results:
    """What a search's manifest says of its students; a run of another kind has none."""

    students: tuple[_Found, ...] = ()


def locate_student(source: Path, budget: str | None) -> Path:
    """The student folder that a user's path means.

    Args:
        source: A search run, or a student folder.
        budget: Label of a student of the run; None means the smallest.

    Returns:
        The student's folder.

    Raises:
        UsageError: No finished search, or no such student in it.
        InputFileError: The run's manifest is damaged.
    """
    if has_student_files(source):
        return source
    source_of = f"{source / MANIFEST_NAME}: results"
    found = decode_part(read_manifest(source).results, _Results, source=source_of).students
    if not found:
        raise UsageError(
            f"{source} holds no finished search; run the search to its end, or give a student folder inside it"
        )
    place = str(source / MANIFEST_NAME)
    folders = {student.label: path_inside(source, student.folder, source=place) for student in found}
    label = budget or next(reversed(folders))
    if label not in folders:
        raise UsageError(f"{source} has no student {label}; it has {', '.join(folders)}")
    return folders[label]


def search_run_of(student: Path) -> Path | None:
    """The search run that a student folder lies in.

    Args:
        student: A student folder.

    Returns:
        The nearest folder above it with a manifest; None where there is none.
    """
    return next((parent for parent in real_path(student).parents if (parent / MANIFEST_NAME).is_file()), None)
