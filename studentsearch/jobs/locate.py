"""Where a student that a search found lies; nothing here needs torch."""

from __future__ import annotations

from pathlib import Path

from studentsearch.disk import real_path
from studentsearch.errors import UsageError
from studentsearch.records.names import MANIFEST_NAME
from studentsearch.records.results import SearchResults
from studentsearch.records.student import has_student_files
from studentsearch.runs.inside import path_inside
from studentsearch.runs.manifest import decode_part, read_manifest


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
    manifest = read_manifest(source)
    if manifest.kind != "search" or not manifest.results:
        raise UsageError(
            f"{source} holds no finished search; run the search to its end, or give a student folder inside it"
        )
    found = decode_part(source, "results", manifest.results, SearchResults).students
    named_in = str(source / MANIFEST_NAME)
    folders = {student.label: path_inside(source, student.folder, source=named_in) for student in found}
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
