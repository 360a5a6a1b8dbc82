"""The same facts as pandas tables, and as CSV files beside the run."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pandas as pd

from studentsearch.decoding import as_json
from studentsearch.errors import DiskError
from studentsearch.records.results import FoundStudent, SearchResults
from studentsearch.records.student import StudentConfig, read_student_config
from studentsearch.report.figures import BLOCK, LAYER, SUM, Figures, figures
from studentsearch.report.run_facts import is_student_alone, read_run, read_search, student_folders

Students = Mapping[str, StudentConfig]
"""Facts of students by label; the label is the first column of every table."""


def blocks_frame(students: Students) -> pd.DataFrame:
    """One row a block.

    Args:
        students: Facts by label.

    Returns:
        Columns student, block, readers, and those of `figures.BLOCK`; a ratio that does not exist is missing.
    """
    rows = [
        {"student": label, "block": block.name, "readers": len(block.readers), **figures(BLOCK, block)}
        for label, student in students.items()
        for block in student.blocks
    ]
    return pd.DataFrame(rows, columns=["student", "block", "readers", *BLOCK])


def readers_frame(students: Students) -> pd.DataFrame:
    """One row a convolution or linear layer.

    Args:
        students: Facts by label.

    Returns:
        Columns student, block, and those of `figures.LAYER`.
    """
    rows = [
        {"student": label, "block": block.name, **figures(LAYER, reader)}
        for label, student in students.items()
        for block in student.blocks
        for reader in block.readers
    ]
    return pd.DataFrame(rows, columns=["student", "block", *LAYER])


def connections_frame(students: Students) -> pd.DataFrame:
    """One row a connection: a reader and one producer whose channels it read.

    Args:
        students: Facts by label.

    Returns:
        Columns student, block, reader, source, channels, kept, drop_ratio.
    """
    rows = [
        (label, block.name, reader.path, source.path, source.channels, source.kept, source.drop_ratio)
        for label, student in students.items()
        for block in student.blocks
        for reader in block.readers
        for source in reader.sources
    ]
    return pd.DataFrame(rows, columns=["student", "block", "reader", "source", "channels", "kept", "drop_ratio"])


def sums_frame(students: Students) -> pd.DataFrame:
    """One row a branch of a sum.

    Args:
        students: Facts by label.

    Returns:
        Columns student, block, sum, those of `figures.SUM`, branch, is_removed.
    """
    rows: list[Figures] = [
        {
            "student": label,
            "block": block.name,
            "sum": added.name,
            **figures(SUM, added),
            "branch": end.path,
            "is_removed": end.is_removed,
        }
        for label, student in students.items()
        for block in student.blocks
        for added in block.sums
        for end in added.branches
    ]
    return pd.DataFrame(rows, columns=["student", "block", "sum", *SUM, "branch", "is_removed"])


def students_frame(search: SearchResults) -> pd.DataFrame:
    """One row a budget that a search met.

    Args:
        search: The results of a search.

    Returns:
        The fields of `FoundStudent` but its folder, accuracies in percent.
    """
    names = [field.name for field in fields(FoundStudent) if field.name != "folder"]
    return pd.DataFrame([as_json(student) for student in search.students], columns=names)


_STUDENT_FRAMES = {
    "blocks": blocks_frame,
    "readers": readers_frame,
    "connections": connections_frame,
    "sums": sums_frame,
}


def write_csv(path: Path) -> tuple[Path, ...]:
    """Write the tables of a run or student as CSV files into its folder `report`.

    Args:
        path: A run folder or a student folder.

    Returns:
        The files written: blocks.csv, readers.csv, connections.csv and sums.csv, and students.csv for a search.

    Raises:
        DiskError: The folder cannot be written; free space or permission there.
    """
    tables: dict[str, pd.DataFrame] = {}
    if is_student_alone(path):
        folders = {path.resolve().name: path}
    else:
        manifest = read_run(path)
        folders = student_folders(path, manifest)
        if manifest.kind == "search":
            tables["students"] = students_frame(read_search(path, manifest))
    students = {label: read_student_config(folder) for label, folder in folders.items()}
    if students:
        tables |= {name: frame(students) for name, frame in _STUDENT_FRAMES.items()}
    target = path / "report"
    try:
        target.mkdir(exist_ok=True)
        for name, table in tables.items():
            table.to_csv(target / f"{name}.csv", index=False)
    except OSError as error:
        raise DiskError(f"cannot write {target}: {error.strerror}; free space or permission there") from error
    return tuple(target / f"{name}.csv" for name in tables)
